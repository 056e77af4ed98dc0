#include "fleet/terraform_stamp.h"

#include <charconv>

#include "base/error.h"
#include "base/json.h"
#include "base/json_scan.h"

namespace slipway::fleet {
namespace {

// Reads JSON's outermost object by its tokens. What is not understood ends it.
class Members {
 public:
  explicit Members(std::string_view text) : rest_(text) {}

  bool begin() { return take('{'); }
  // The next member's name and value as they are written; nothing at the end, and where there is no member.
  bool next(std::string_view& name, std::string_view& value) {
    if (!is_first_ && !take(',')) return false;
    is_first_ = false;
    name = string_token();
    if (name.empty() || !take(':')) return false;
    value = value_token();
    return !value.empty();
  }
  bool has_ended() { return take('}') && (skip_space(), rest_.empty()); }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(json::kBlanks), rest_.size())); }
  bool take(char wanted) {
    skip_space();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view take_first(std::size_t length) {
    const auto token = rest_.substr(0, length);
    rest_.remove_prefix(token.size());
    return token;
  }
  std::string_view string_token() {
    skip_space();
    return rest_.starts_with('"') ? bounded_token() : std::string_view();
  }
  std::string_view value_token() {
    skip_space();
    const bool is_bounded = rest_.starts_with('"') || rest_.starts_with('{') || rest_.starts_with('[');
    return is_bounded ? bounded_token() : take_first(rest_.find_first_of(",} \t\r\n"));
  }
  std::string_view bounded_token() {
    const auto end = json::end_of_value(rest_);
    return end == std::string_view::npos ? std::string_view() : take_first(end);
  }

  std::string_view rest_;
  bool is_first_ = true;
};

std::optional<std::int64_t> integer_of(std::string_view token) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(token.data(), token.data() + token.size(), number);
  if (failure != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return number;
}

std::optional<std::string> string_of(std::string_view token) {
  try {
    return json::parse<std::string>(token, json::Mode::lenient);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

}  // namespace

TerraformStamp stamp_of(std::string_view state) {
  Members members(state);
  TerraformStamp stamp;
  if (!members.begin()) return {};
  for (std::string_view name, value; members.next(name, value);) {
    if (name == R"("serial")") stamp.serial = integer_of(value);
    if (name == R"("lineage")") stamp.lineage = string_of(value);
  }
  if (!members.has_ended() || !stamp.serial || !stamp.lineage) return {};
  return stamp;
}

}  // namespace slipway::fleet
