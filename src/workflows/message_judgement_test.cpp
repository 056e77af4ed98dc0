// Whatever comes in a message is either an order or refused for a reason (WP-1).

#include "workflows/message_judgement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http.h"

namespace slipway::workflows {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

const std::string kGood = R"({"user_id":"u-1","org_id":"acme","tier":"starter","user_email":"ann@example.com"})";

std::string reason_for(std::string_view data) {
  const auto order = judge_order(data, fleet::Tiers());
  return order ? "accepted" : order.error().reason;
}

std::string with(std::string_view from, std::string_view to) {
  std::string text = kGood;
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(MessageJudgement, WP01_AnOrderIsRead) {
  const auto order = judge_order(kGood, fleet::Tiers());
  ASSERT_TRUE(order);
  EXPECT_EQ(order->user_id, "u-1");
  EXPECT_EQ(order->org_id, "acme");
  EXPECT_EQ(order->tier, "starter");
  EXPECT_EQ(order->user_email, "ann@example.com");
}

TEST(MessageJudgement, WP01_WhatElseASenderAddsIsFine) {
  EXPECT_EQ(reason_for(with("{", R"({"later":{"a":[1,2]},"version":2,)")), "accepted");
}

TEST(MessageJudgement, WP01_WhatCanNeverWorkIsRefusedForItsReason) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "not_json"},
      {"{", "not_json"},
      {"hello", "not_json"},
      {kGood + kGood, "not_json"},
      {with(R"("acme")", R"("acme","org_id":"other")"), "not_json"},
      {std::string(100, '['), "not_json"},
      {"{\"user_id\":\"\xff\"}", "not_utf8"},
      {std::string("\0\0", 2), "not_json"},
      {"[]", "not_an_object"},
      {"null", "not_an_object"},
      {"\"text\"", "not_an_object"},
      {"{}", "missing_field"},
      {with(R"(,"user_email":"ann@example.com")", ""), "missing_field"},
      {with("starter", "platinum"), "unknown_tier"},
      {with("starter", ""), "unknown_tier"},
      {with("starter", "Starter"), "unknown_tier"},
      {with(R"("starter")", "7"), "invalid_field"},
      {with(R"("starter")", "null"), "invalid_field"},
      {with(R"("u-1")", "{}"), "invalid_field"},
      {with("u-1", ""), "invalid_field"},
      {with("u-1", "a\\u0000b"), "invalid_field"},
      {with("u-1", "a/b"), "invalid_field"},
      {with("acme", std::string(129, 'a')), "invalid_field"},
      {with("ann@example.com", "nobody"), "invalid_field"},
      {with("ann@example.com", "a@b\\r\\nBcc: c@d"), "invalid_field"},
      {with("acme", std::string(kOrderBytesMax, 'a')), "too_large"},
  };
  for (const auto& [data, reason] : table) EXPECT_EQ(reason_for(data), reason) << data.substr(0, 200);
}

TEST(MessageJudgement, ARefusalNamesTheFieldAndTheTiersThatThereAre) {
  EXPECT_THAT(judge_order("{}", fleet::Tiers()).error().explanation, HasSubstr("user_id"));
  EXPECT_THAT(judge_order(with("starter", "platinum"), fleet::Tiers()).error().explanation, HasSubstr("tier"));
}

// Any bytes, and any damage to a good message: no exception, a known reason, and an explanation that every store keeps.
TEST(MessageJudgement, WP01_NoMessageIsWithoutAJudgement) {
  base::SeededRandom random(20'261'122);
  const fleet::Tiers tiers;
  const std::vector<std::string> pieces = {"\"",      "{", "}",    "\\u0000", "\xff", "\xc3\xa4", std::string(1, '\0'),
                                           "starter", ":", "null", "1e999",   "[",    ",",        "\\ud800"};
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string data = kGood;
    for (auto changes = random.below(4); changes > 0; --changes) {
      const auto at = random.below(data.size() + 1);
      const auto length = std::min<std::size_t>(random.below(12), data.size() - at);
      data.replace(at, length, pieces[random.below(pieces.size())]);
    }
    const auto order = judge_order(data, tiers);
    if (order) {
      ++accepted;
      EXPECT_TRUE(tiers.find(order->tier)) << data;
      EXPECT_EQ(order->user_id.find('\0'), std::string::npos) << data;
      continue;
    }
    EXPECT_THAT(kRefusalReasons, Contains(order.error().reason)) << data;
    EXPECT_FALSE(order.error().explanation.empty()) << data;
    EXPECT_EQ(order.error().explanation.find('\0'), std::string::npos) << data;
    EXPECT_TRUE(net::is_valid_utf8(order.error().explanation)) << data;
  }
  EXPECT_GT(accepted, 1'000);
}

}  // namespace
}  // namespace slipway::workflows
