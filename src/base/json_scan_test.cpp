#include "base/json_scan.h"

#include <gtest/gtest.h>

namespace slipway::json {
namespace {

TEST(JsonScan, AValueEndsWithItsLastBracketOrQuote) {
  EXPECT_EQ(end_of_value(R"({"a":[1,{}]},x)"), 12U);
  EXPECT_EQ(end_of_value(R"(["]","\"]"] )"), 11U);
  EXPECT_EQ(end_of_value(R"("a\\"b")"), 5U);
  EXPECT_EQ(end_of_value(R"(x: {})", 3), 5U);
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(end_of_value(deep), deep.size());
}

TEST(JsonScan, WhatIsCutOffOrNoneHasNoEnd) {
  const std::string_view whole = R"({"a":["b\"}",{"c":[]}]})";
  for (std::size_t cut = 0; cut < whole.size(); ++cut) EXPECT_EQ(end_of_value(whole.substr(0, cut)), whole.npos) << cut;
  for (const std::string_view other : {"", "x", "1", "}", "{]", "[}", "{\"}", "\"\\\"", "\"\\"})
    EXPECT_EQ(end_of_value(other), other.npos) << other;
  EXPECT_EQ(end_of_value("{}", 2), std::string_view::npos);
}

}  // namespace
}  // namespace slipway::json
