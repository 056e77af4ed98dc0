#include "base/json_schema.h"

#include <gtest/gtest.h>

namespace slipway::json {
namespace {

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct WheelView {
  std::int64_t size_mm = 0;
};
SLIPWAY_JSON_CAMEL(WheelView, size_mm)

struct Car {
  std::string name;
  std::optional<Colour> colour;
  std::vector<WheelView> wheels;
  std::optional<std::vector<std::string>> labels;
};
SLIPWAY_JSON_CAMEL(Car, name, colour, wheels, labels)
inline const Rules& json_rules(const Car*) {
  static const Rules rules{{.member = "name", .description = "painted on it", .min_length = 1, .max_length = 3},
                           {.member = "labels", .max_length = 2, .max_items = 1}};
  return rules;
}

std::string error_of(std::string_view text) {
  try {
    parse<Car>(text);
  } catch (const base::Error& error) {
    return error.message();
  }
  return "";
}

// WF-47: the document is made from the types that parse the requests.
TEST(JsonSchema, TellsWhatTheReaderTakes) {
  Schemas schemas;
  EXPECT_EQ(schemas.of<Car>(), reference_to("Car"));
  const Object components = schemas.components();
  EXPECT_EQ(components.at("Wheel").at("required"), Array{"sizeMm"});
  const auto& car = components.at("Car");
  EXPECT_EQ(car.at("required"), (Array{"name", "wheels"}));
  EXPECT_EQ(car.at("additionalProperties"), false);
  EXPECT_EQ(car.at("properties").at("colour").at("enum"), (Array{"red", "green"}));
  EXPECT_EQ(car.at("properties").at("wheels").at("items"), reference_to("Wheel"));
  EXPECT_EQ(car.at("properties").at("name").at("maxLength"), 3);
  EXPECT_EQ(car.at("properties").at("labels").at("maxItems"), 1);
  EXPECT_EQ(car.at("properties").at("labels").at("items").at("maxLength"), 2);
}

TEST(JsonSchema, WhatItSaysIsEnforcedByTheReader) {
  EXPECT_EQ(error_of(R"({"name":"äöü","wheels":[],"labels":["ab"]})"), "");  // characters, not bytes
  EXPECT_EQ(error_of(R"({"name":"","wheels":[]})"), "name: must not be empty");
  EXPECT_EQ(error_of(R"({"name":"abcd","wheels":[]})"), "name: must have at most 3 characters");
  EXPECT_EQ(error_of(R"({"name":"a","wheels":[],"labels":["abc"]})"), "labels/0: must have at most 2 characters");
  EXPECT_EQ(error_of(R"({"name":"a","wheels":[],"labels":["a","b"]})"), "labels: must have at most 1 entries");
}

namespace other {
struct Car {
  std::int64_t doors = 0;
};
SLIPWAY_JSON_CAMEL(Car, doors)
}  // namespace other

TEST(JsonSchema, RefusesTwoTypesOfOneName) {
  Schemas schemas;
  schemas.of<Car>();
  EXPECT_THROW(schemas.of<other::Car>(), base::Error);
}

}  // namespace
}  // namespace slipway::json
