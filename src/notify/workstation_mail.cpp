#include "notify/workstation_mail.h"

#include <algorithm>
#include <map>

#include "net/http.h"
#include "net/url.h"
#include "notify/templates/files.h"

namespace slipway::notify {
namespace {

// What stands for {{name}} in a template.
using Values = std::map<std::string_view, std::string>;

std::string_view template_named(std::string_view name) {
  const auto files = templates::files();
  const auto found = std::ranges::find(files, name, &net::StaticFile::name);
  SLIPWAY_ASSERT(found != files.end());
  return found->bytes;
}

// One pass: what a value holds is not looked at again.
std::string fill(std::string_view text, const Values& values) {
  constexpr std::string_view kOpen = "{{", kClose = "}}";
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

// Names are shown on one line, whatever was in them.
std::string one_line(std::string_view text) {
  std::string clean(text);
  std::ranges::replace_if(clean, [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
  return clean;
}

void check_launch_url(const std::string& url) {
  const auto parsed = net::parse_url(url);
  if (!parsed || (parsed->scheme != "https" && parsed->scheme != "http") || !net::is_valid_utf8(url))
    throw base::validation_error("launch_url", "must be a URL that begins with https:// or http://");
  if (parsed->has_user) throw base::validation_error("launch_url", "must not carry a user or password");
}

}  // namespace

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

Mail render_workstation_ready(const WorkstationReady& ready) {
  check_launch_url(ready.launch_url);
  const auto name = one_line(ready.name);
  const Values plain{{"name", name},
                     {"of_organization", ready.organization.empty() ? "" : " of " + one_line(ready.organization)},
                     {"tier", one_line(ready.tier)},
                     {"vcpus", std::to_string(ready.vcpus)},
                     {"memory_gb", std::to_string(ready.memory_gb)},
                     {"disk_gb", std::to_string(ready.disk_gb)},
                     {"machine_type", one_line(ready.machine_type)},
                     {"launch_url", ready.launch_url}};
  Values escaped;
  for (const auto& [key, value] : plain) escaped.emplace(key, escape_html(value));
  return {.to = ready.user_email,
          .subject = "Your workstation is ready: " + name,
          .html = fill(template_named("workstation_ready.html"), escaped),
          .text = fill(template_named("workstation_ready.txt"), plain),
          .message_id = {}};
}

}  // namespace slipway::notify
