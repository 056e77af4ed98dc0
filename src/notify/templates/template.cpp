#include "notify/templates/template.h"

#include <algorithm>

#include "base/error.h"

namespace slipway::notify::templates {
namespace {

std::string_view text_of(std::string_view file) {
  const auto all = files();
  const auto found = std::ranges::find(all, file, &net::StaticFile::name);
  SLIPWAY_ASSERT(found != all.end());
  return found->bytes;
}

}  // namespace

std::string fill(std::string_view file, const Values& values) {
  constexpr std::string_view kOpen = "{{", kClose = "}}";
  auto text = text_of(file);
  std::string filled;
  for (auto open = text.find(kOpen); open != std::string_view::npos; open = text.find(kOpen)) {
    const auto close = text.find(kClose, open);
    SLIPWAY_ASSERT(close != std::string_view::npos);
    const auto value = values.find(text.substr(open + kOpen.size(), close - open - kOpen.size()));
    SLIPWAY_ASSERT(value != values.end());
    filled.append(text.substr(0, open)).append(value->second);
    text.remove_prefix(close + kClose.size());
  }
  return filled.append(text);
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '"')
      escaped += "&quot;";
    else if (c == '\'')
      escaped += "&#39;";
    else
      escaped += c;
  }
  return escaped;
}

Values escape_html(const Values& values) {
  Values escaped;
  for (const auto& [name, value] : values) escaped.emplace(name, escape_html(value));
  return escaped;
}

std::string one_line(std::string_view text) {
  std::string clean(text);
  std::ranges::replace_if(clean, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return clean;
}

}  // namespace slipway::notify::templates
