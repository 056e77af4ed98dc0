#include "api/cursor.h"

#include <algorithm>
#include <charconv>

#include "base/digest.h"

namespace slipway::api {
namespace {

constexpr std::size_t kQuestionLength = 12;  // hex digits: enough to notice an honest mistake

// The list and its filters, in whatever order they stand.
std::string question_of(const Call& call) {
  std::vector<std::string> filters;
  for (const auto& [name, value] : call.request.query)
    if (name != "limit" && name != "page" && name != "cursor") filters.push_back(name + "=" + value);
  std::ranges::sort(filters);
  std::string text = call.request.path;
  for (const auto& filter : filters) text += "\n" + filter;
  return base::sha256_hex(text).substr(0, kQuestionLength);
}

}  // namespace

std::string make_cursor(const Call& call, std::string_view position) {
  return question_of(call) + "." + std::string(position);
}

std::string read_cursor(const Call& call, std::string_view cursor) {
  if (cursor.empty()) return {};
  if (cursor.size() <= kQuestionLength + 1 || cursor[kQuestionLength] != '.')
    throw base::validation_error("cursor", "is none of ours");
  if (cursor.substr(0, kQuestionLength) != question_of(call))
    throw base::validation_error("cursor", "belongs to another list, or to other filters");
  return std::string(cursor.substr(kQuestionLength + 1));
}

std::optional<std::int64_t> read_number_cursor(const Call& call, std::string_view cursor) {
  const std::string text = read_cursor(call, cursor);
  if (text.empty()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 0)
    throw base::validation_error("cursor", "is none of ours");
  return number;
}

}  // namespace slipway::api
