#include "api/query.h"

#include <algorithm>
#include <charconv>

namespace slipway::api::detail {

std::optional<std::string> query_value(const Call& call, std::string_view name) {
  std::optional<std::string> found;
  for (const auto& [key, value] : call.request.query) {
    if (key != name) continue;
    if (found) throw base::validation_error(name, "is given twice");
    if (value.contains('\0')) throw base::validation_error(name, "must not contain a zero byte");
    found = value;
  }
  return found;
}

void refuse_unknown(const Call& call, const json::Array& known) {
  for (const auto& [name, value] : call.request.query) {
    const bool is_known = std::ranges::any_of(
        known, [&](const json::Value& each) { return each.get_string() == std::string_view(name); });
    if (!is_known) throw base::validation_error(name.empty() ? "query" : name, "is not a known query parameter", known);
  }
}

json::Value read_number(const std::string& text, const json::Path& path) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) json::fail(path, "must be a whole number");
  return number;
}

json::Value read_bool(const std::string& text, const json::Path& path) {
  if (text != "true" && text != "false") json::fail(path, "must be true or false");
  return text == "true";
}

std::string read_time(std::string text) {
  constexpr std::size_t kDateLength = 10;  // 2025-01-12
  if (text.size() == kDateLength) text += "T00:00:00Z";
  return text;
}

}  // namespace slipway::api::detail
