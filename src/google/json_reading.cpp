#include "google/json_reading.h"

#include <charconv>
#include <cmath>

namespace slipway::google {

namespace {

template <class T>
std::optional<T> from_text(std::string_view text) {
  T result{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return result;
}

// Longer than anything that a server may mean; keeps arithmetic with it in range.
constexpr double kSecondsMax = 365.0 * 86'400;

std::optional<base::Duration> from_seconds(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return std::nullopt;
  return base::Duration(std::int64_t(std::ceil(std::min(seconds, kSecondsMax) * 1'000)));
}

}  // namespace

const json::Value& member(const json::Value& value, std::string_view name) {
  static const json::Value none;
  if (!value.is_object()) return none;
  const json::Value* found = value.get_object().if_contains(name);
  return found ? *found : none;
}

const json::Array& elements(const json::Value& value) {
  static const json::Array none;
  return value.is_array() ? value.get_array() : none;
}

std::string text(const json::Value& value) {
  return value.is_string() ? std::string(value.get_string()) : std::string();
}

std::int64_t number(const json::Value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_string()) return from_text<std::int64_t>(value.get_string()).value_or(0);
  if (value.is_double() && std::abs(value.get_double()) < 9e15) return std::int64_t(value.get_double());
  return 0;
}

bool flag(const json::Value& value) { return value.is_bool() && value.get_bool(); }

std::vector<std::string> texts(const json::Value& value) {
  std::vector<std::string> result;
  for (const auto& element : elements(value))
    if (element.is_string()) result.push_back(text(element));
  return result;
}

std::map<std::string, std::string> text_map(const json::Value& value) {
  std::map<std::string, std::string> result;
  if (value.is_object())
    for (const auto& [key, element] : value.get_object())
      if (element.is_string()) result.emplace(key, text(element));
  return result;
}

std::optional<base::Instant> instant(const json::Value& value) {
  if (!value.is_string()) return std::nullopt;
  return base::parse_rfc3339(value.get_string());
}

std::optional<base::Duration> duration(const json::Value& value) {
  if (value.is_object())
    return from_seconds(double(number(member(value, "seconds"))) + double(number(member(value, "nanos"))) / 1e9);
  if (!value.is_string()) return std::nullopt;
  std::string_view digits(value.get_string());
  if (!digits.ends_with('s')) return std::nullopt;
  digits.remove_suffix(1);
  const auto seconds = from_text<double>(digits);
  return seconds ? from_seconds(*seconds) : std::nullopt;
}

std::string print_duration(base::Duration duration) {
  const auto ms = duration.count();
  if (ms % 1'000 == 0) return std::to_string(ms / 1'000) + "s";
  std::string fraction = std::to_string(ms % 1'000);
  fraction.insert(0, 3 - fraction.size(), '0');
  return std::to_string(ms / 1'000) + "." + fraction + "s";
}

}  // namespace slipway::google
