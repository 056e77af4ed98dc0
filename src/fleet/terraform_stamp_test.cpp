#include "fleet/terraform_stamp.h"

#include <gtest/gtest.h>

namespace slipway::fleet {
namespace {

TEST(TerraformStamp, IsFoundWhereverItStandsAndHoweverDeepTheRestIs) {
  const std::string deep = std::string(5'000, '[') + R"({"serial": 1, "x": "]}\"" })" + std::string(5'000, ']');
  const auto stamp = stamp_of("{ \"version\": 4, \"resources\": " + deep + R"(, "lineage": "a-\"b", "serial" : 12})");
  EXPECT_EQ(stamp.serial, 12);
  EXPECT_EQ(stamp.lineage, "a-\"b");
}

TEST(TerraformStamp, IsNothingOfWhatIsNoState) {
  for (const auto* text :
       {"", "{}", "[]", "x", R"({"serial":1})", R"({"lineage":"a"})", R"({"serial":1.5,"lineage":"a"})",
        R"({"serial":"1","lineage":"a"})", R"({"serial":1,"lineage":2})", R"({"serial":1,"lineage":"a")",
        R"({"serial":1,"lineage":"a"}x)", R"({"serial":1,"lineage":"a)", R"({"a":[1})"}) {
    EXPECT_FALSE(stamp_of(text).serial) << text;
    EXPECT_FALSE(stamp_of(text).lineage) << text;
  }
}

}  // namespace
}  // namespace slipway::fleet
