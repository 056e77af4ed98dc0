#include "simulator/faults.h"

#include <gtest/gtest.h>

#include "simulator/wire_format.h"

namespace slipway::simulator {
namespace {

constexpr CallFacts kCreate{"workstations", "workstations.create", "POST", "/v1/projects/p/x/workstations"};
constexpr CallFacts kPull{"pubsub", "pubsub.pull", "POST", "/v1/projects/p/subscriptions/s:pull"};

std::string struck(Faults& faults, const CallFacts& facts, int calls) {
  std::string pattern;
  for (int i = 0; i < calls; ++i) pattern += faults.decide(facts) ? 'x' : '.';
  return pattern;
}

Faults with(const std::string& rules) {
  Faults faults(1);
  faults.add(json::parse_value(rules));
  return faults;
}

TEST(Faults, StrikeOnlyTheCallsThatFit) {
  Faults faults = with(R"({"kind":"reset","service":"workstations","path":"*/workstations"})");
  EXPECT_EQ(struck(faults, kPull, 2), "..");
  EXPECT_EQ(struck(faults, kCreate, 2), "xx");
  Faults by_call = with(R"({"kind":"reset","call":"pubsub.*"})");
  EXPECT_EQ(struck(by_call, kPull, 1) + struck(by_call, kCreate, 1), "x.");
}

TEST(Faults, StrikeWhenTheirTurnComes) {
  Faults nth = with(R"({"kind":"reset","nth":[2,3]})");
  EXPECT_EQ(struck(nth, kCreate, 5), ".xx..");
  Faults skip = with(R"({"kind":"reset","skip":2,"times":1})");
  EXPECT_EQ(struck(skip, kCreate, 5), "..x..");
}

TEST(Faults, DiceFallTheSameForTheSameSeed) {
  const std::string rule = R"({"kind":"reset","probability":0.3,"seed":42})";
  Faults one = with(rule), other = with(rule);
  const std::string pattern = struck(one, kCreate, 200);
  EXPECT_EQ(pattern, struck(other, kCreate, 200));
  const auto count = std::ranges::count(pattern, 'x');
  EXPECT_GT(count, 30);
  EXPECT_LT(count, 90);
}

TEST(Faults, TheFirstRuleThatStrikesDecides) {
  Faults faults = with(R"([{"kind":"reset","times":1},{"kind":"hang"}])");
  EXPECT_EQ(faults.decide(kCreate)->kind, FaultKind::reset);
  EXPECT_EQ(faults.decide(kCreate)->kind, FaultKind::hang);
  EXPECT_EQ(faults.to_json().at("rules").at(0).at("struck"), 1);
}

TEST(Faults, AMistakeInARuleIsNamed) {
  Faults faults(1);
  EXPECT_THROW(faults.add(json::parse_value(R"({"kind":"earthquake"})")), Failure);
  EXPECT_THROW(faults.add(json::parse_value(R"({"kind":"reset","probabilty":1})")), Failure);
  EXPECT_THROW(faults.add(json::parse_value(R"({"kind":"error","code":"NOPE"})")), Failure);
  EXPECT_THROW(faults.add(json::parse_value("{}")), Failure);
  EXPECT_EQ(faults.decide(kCreate), nullptr);
}

Failure refusal(const std::string& text) {
  Faults faults = with(text);
  try {
    throw_refusal(*faults.decide(kCreate), "workstations", "p", "projects/p/x/workstations/ws-1");
  } catch (const Failure& failure) {
    return failure;
  }
  ADD_FAILURE() << "no refusal: " << text;
  return Failure(Code::ok, "");
}

// WP-11: the shapes that tell a quota from a missing permission.
TEST(Faults, RefusalsHaveGooglesShapes) {
  const auto quota = refusal(R"({"kind":"quota"})");
  EXPECT_EQ(quota.http(), 403);
  EXPECT_EQ(quota.details().at(0).at("reason"), "QUOTA_EXCEEDED");
  const auto permission = refusal(R"({"kind":"permission","permission":"workstations.workstations.create"})");
  EXPECT_EQ(permission.http(), 403);
  EXPECT_EQ(permission.details().at(0).at("reason"), "IAM_PERMISSION_DENIED");
  EXPECT_NE(permission.message().find("workstations.workstations.create"), std::string::npos);
  const auto throttled = refusal(R"({"kind":"throttled","retry_after_s":7})");
  EXPECT_EQ(throttled.http(), 429);
  EXPECT_EQ(throttled.retry_after()->count(), 7);
  EXPECT_EQ(refusal(R"({"kind":"aborted"})").http(), 409);
  EXPECT_EQ(refusal(R"({"kind":"aborted"})").code(), Code::aborted);
  EXPECT_EQ(refusal(R"({"kind":"already_exists"})").code(), Code::already_exists);
  EXPECT_EQ(refusal(R"({"kind":"server_error","status":502})").http(), 502);
}

// ---- the form of answers

TEST(WireFormat, FieldsSelectMembersAtAnyDepth) {
  const json::Value value = json::parse_value(
      R"({"items":[{"name":"a","state":"X","host":{"id":1,"zone":"z"}},{"name":"b"}],"kind":"k","next":"t"})");
  const auto select = [&](std::string_view mask) { return json::print_value(select_fields(value, mask)); };
  EXPECT_EQ(select("kind"), R"({"kind":"k"})");
  EXPECT_EQ(select("items/name,next"), R"({"items":[{"name":"a"},{"name":"b"}],"next":"t"})");
  EXPECT_EQ(select("items(name,host/zone)"), R"({"items":[{"name":"a","host":{"zone":"z"}},{"name":"b"}]})");
  EXPECT_EQ(select("nothing"), "{}");
  EXPECT_THROW(select("items("), Failure);
}

TEST(WireFormat, EnumsBecomeNumbers) {
  json::Value value = json::parse_value(R"({"list":[{"state":"STATE_RUNNING","name":"STATE_RUNNING"}]})");
  number_enums(value);
  EXPECT_EQ(json::print_value(value), R"({"list":[{"state":2,"name":"STATE_RUNNING"}]})");
}

TEST(WireFormat, FiltersCompareAndJoin) {
  const json::Value value = json::parse_value(R"({"state":"STATE_RUNNING","labels":{"slipway_run":"r1"}})");
  EXPECT_TRUE(passes_filter(value, "labels.slipway_run = \"r1\" AND state=STATE_RUNNING"));
  EXPECT_FALSE(passes_filter(value, "labels.slipway_run != r1"));
  EXPECT_FALSE(passes_filter(value, "labels.other:r1"));
  EXPECT_THROW(passes_filter(value, "state"), Failure);
}

}  // namespace
}  // namespace slipway::simulator
