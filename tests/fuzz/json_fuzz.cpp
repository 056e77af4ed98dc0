// Text to values, values to a described struct of every kind of member, and all of it back.

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "fuzz.h"

namespace {

using namespace slipway;

enum class Color { red, green };
BOOST_DESCRIBE_ENUM(Color, red, green)

struct Part {
  std::int32_t small = 0;
  std::optional<bool> flag;
};
SLIPWAY_JSON_CAMEL(Part, small, flag)

struct Everything {
  std::string text;
  std::int64_t number = 0;
  std::uint64_t size = 0;
  double ratio = 0;
  std::optional<Color> color;
  std::optional<base::Instant> at_time;
  std::optional<base::Duration> wait_ms;
  std::vector<Part> parts;
  std::map<std::string, std::string> words;
  std::optional<base::Secret> secret;
  json::Value anything;
};
SLIPWAY_JSON_CAMEL(Everything, text, number, size, ratio, color, at_time, wait_ms, parts, words, secret, anything)

// Equal, but for the last bits of doubles: Boost.JSON 1.81 reads some decimal numbers not to the nearest one.
bool alike(const json::Value& a, const json::Value& b) {
  if (a.is_double() && b.is_number()) {
    const double left = a.get_double(), right = b.to_number<double>();
    return left == right || std::abs(left - right) <= std::abs(left) * 1e-12 + std::numeric_limits<double>::min();
  }
  if (a.kind() != b.kind()) return false;
  if (const auto* array = a.if_array()) return std::ranges::equal(*array, b.get_array(), alike);
  if (const auto* object = a.if_object())
    return std::ranges::equal(*object, b.get_object(), [](const auto& left, const auto& right) {
      return left.key() == right.key() && alike(left.value(), right.value());
    });
  return a == b;
}

void read_struct(const json::Value& value, json::Mode mode) {
  fuzz::refused([&] {
    const auto read = json::from_value<Everything>(value, mode);
    const auto again = json::parse<Everything>(json::print(read, json::Secrets::revealed));
    fuzz::must(alike(json::to_value(read, json::Secrets::revealed), json::to_value(again, json::Secrets::revealed)),
               "a struct survives being printed and read");
    fuzz::must(!read.secret || read.secret->reveal().size() < 8 ||
                   json::print(Everything{.secret = read.secret}).find(read.secret->reveal()) == std::string::npos,
               "a secret is not printed");
  });
}

}  // namespace

SLIPWAY_FUZZ(input) {
  json::Value value;
  if (fuzz::refused([&] { value = json::parse_value(input); })) return;
  fuzz::must(alike(value, json::parse_value(json::print_value(value))), "a value survives being printed and read");
  read_struct(value, json::Mode::strict);
  read_struct(value, json::Mode::lenient);
}
