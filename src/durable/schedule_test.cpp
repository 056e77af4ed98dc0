// What becomes of each time of a schedule: decided without a world around it.

#include "durable/schedule.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;

Instant at(std::string_view text) { return base::parse_rfc3339(text).value(); }
const Instant kNoon = at("2026-01-01T12:00:00Z");

Schedule make(ScheduleDefinition definition, Instant now = kNoon) {
  definition.name = "test";
  definition.type = "t";
  if (definition.cron.empty()) definition.cron = "0 * * * *";
  Schedule schedule{.id = ScheduleId("sch_1"), .definition = std::move(definition)};
  arm(schedule, calendar_of(schedule.definition), now);
  return schedule;
}

// Takes turns until nothing is due; gives what came of them.
std::vector<ScheduleOutcome> take_all(Schedule& schedule, Instant now, const EarlierRuns& earlier = {}) {
  std::vector<ScheduleOutcome> outcomes;
  const auto calendar = calendar_of(schedule.definition);
  while (const auto turn = take_turn(schedule, calendar, now, earlier)) {
    schedule = turn->after;
    outcomes.insert(outcomes.end(), turn->outcomes.begin(), turn->outcomes.end());
  }
  return outcomes;
}

std::string names(const std::vector<ScheduleOutcome>& outcomes) {
  std::string text;
  for (const auto& outcome : outcomes) {
    text += (text.empty() ? "" : " ") + std::string(boost::describe::enum_to_string(outcome.kind, ""));
    if (outcome.count != 1) text += "*" + std::to_string(outcome.count);
  }
  return text;
}

TEST(Schedule, IsNotTakenBeforeItsTimeAndOnceWhenItHasCome) {
  auto schedule = make({});
  EXPECT_EQ(schedule.next_at, kNoon + 1h);
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h - 1ms)), "");
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h)), "started");
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h)), "");
  EXPECT_EQ(schedule.next_at, kNoon + 2h);
  EXPECT_EQ(schedule.started, 1);
}

TEST(Schedule, ATimeThatComesAgainBecauseTheClockWasSetBackIsNotStartedAgain) {
  auto schedule = make({});
  const auto outcomes =
      take_all(schedule, kNoon + 1h, {.was_started = [](Instant time) { return time == kNoon + 1h; }});
  EXPECT_EQ(names(outcomes), "");
  EXPECT_EQ(schedule.started, 0);
  EXPECT_EQ(schedule.next_at, kNoon + 2h);
}

TEST(ScheduleOverlap, SkipLeavesTheTimeOut) {
  auto schedule = make({.overlap = Overlap::skip});
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h, {.at_work = true})), "skipped");
  EXPECT_EQ(schedule.skipped, 1);
  EXPECT_EQ(names(take_all(schedule, kNoon + 2h)), "started");
}

TEST(ScheduleOverlap, BufferOneKeepsTheFirstAndStartsItAtTheEnd) {
  auto schedule = make({.overlap = Overlap::buffer_one});
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h, {.at_work = true})), "buffered");
  EXPECT_EQ(names(take_all(schedule, kNoon + 2h, {.at_work = true})), "skipped");
  const auto started = take_all(schedule, kNoon + 2h + 1min);
  EXPECT_EQ(names(started), "started");
  EXPECT_EQ(started.front().calendar_at, kNoon + 1h);
  EXPECT_FALSE(schedule.buffered_at);
}

TEST(ScheduleOverlap, CancelRunningKeepsTheLastAndAsksForTheCancel) {
  auto schedule = make({.overlap = Overlap::cancel_running});
  const auto turn = take_turn(schedule, calendar_of(schedule.definition), kNoon + 1h, {.at_work = true});
  ASSERT_TRUE(turn);
  EXPECT_TRUE(turn->cancel_running);
  EXPECT_FALSE(turn->start);
  schedule = turn->after;
  EXPECT_EQ(names(take_all(schedule, kNoon + 2h, {.at_work = true})), "skipped buffered");
  EXPECT_EQ(take_all(schedule, kNoon + 2h).front().calendar_at, kNoon + 2h);
}

TEST(ScheduleOverlap, AllowStartsBesideTheOthers) {
  auto schedule = make({.overlap = Overlap::allow});
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h, {.at_work = true})), "started");
}

TEST(ScheduleCatchUp, AfterThreeDaysAwayTheWindowIsMadeUpForAndTheRestIsCountedAsMissed) {
  auto schedule = make({.overlap = Overlap::allow, .catch_up_ms = 3h});
  const auto outcomes = take_all(schedule, kNoon + 72h + 30min);
  EXPECT_EQ(names(outcomes), "missed*69 started started started");
  EXPECT_EQ(outcomes[0].calendar_at, kNoon + 1h);
  EXPECT_EQ(outcomes[0].until_at, kNoon + 69h);
  EXPECT_EQ(outcomes[1].calendar_at, kNoon + 70h);
  EXPECT_EQ(schedule.missed, 69);
  EXPECT_EQ(schedule.next_at, kNoon + 73h);
}

TEST(ScheduleCatchUp, MoreMissedTimesThanOneTurnMayCountAreCountedInSeveral) {
  auto schedule = make({.cron = "every 1s", .overlap = Overlap::allow, .catch_up_ms = 10s});
  take_all(schedule, kNoon + 8h);
  EXPECT_EQ(schedule.missed, 8 * 3600 - 11);
  EXPECT_EQ(schedule.started, 11);
}

TEST(ScheduleJitter, IsTheSameForTheSameTimeAndEndsBeforeTheFollowingOne) {
  const auto one = make({.cron = "every 10s", .jitter_ms = 1h});
  const auto again = make({.cron = "every 10s", .jitter_ms = 1h});
  EXPECT_EQ(one.fire_at, again.fire_at);
  std::set<std::int64_t> delays;
  auto schedule = one;
  for (int i = 0; i < 100; ++i) {
    ASSERT_GE(*schedule.fire_at, *schedule.next_at);
    ASSERT_LT(*schedule.fire_at, *schedule.next_at + 10s);
    delays.insert((*schedule.fire_at - *schedule.next_at).count());
    EXPECT_EQ(names(take_all(schedule, *schedule.fire_at)), "started");
  }
  EXPECT_GT(delays.size(), 90u);
}

TEST(ScheduleJitter, ALateStartWithinItIsNotMissed) {
  auto schedule = make({.cron = "0 0 * * *", .jitter_ms = 12h, .catch_up_ms = 10s});
  EXPECT_EQ(names(take_all(schedule, *schedule.fire_at)), "started");
}

TEST(ScheduleBounds, NoTimeComesBeforeTheStartOrAfterTheEnd) {
  auto schedule = make({.starts_at = kNoon + 2h, .ends_at = kNoon + 3h});
  EXPECT_EQ(schedule.next_at, kNoon + 2h);
  EXPECT_EQ(names(take_all(schedule, kNoon + 2h)), "started");
  EXPECT_EQ(names(take_all(schedule, kNoon + 3h)), "started");
  EXPECT_FALSE(schedule.next_at);
  EXPECT_EQ(schedule.ended_at, kNoon + 3h);
  EXPECT_EQ(names(take_all(schedule, kNoon + 9h)), "");
}

TEST(ScheduleBounds, AfterTheLastRemainingStartItHasEnded) {
  auto schedule = make({.remaining = 2});
  EXPECT_EQ(next_times(schedule, calendar_of(schedule.definition), 5), (std::vector{kNoon + 1h, kNoon + 2h}));
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h)), "started");
  EXPECT_EQ(names(take_all(schedule, kNoon + 2h)), "started");
  EXPECT_TRUE(schedule.ended_at);
  EXPECT_FALSE(schedule.fire_at);
}

TEST(ScheduleBounds, AStartThatWaitsIsMadeAlsoWhenItsCalendarIsAtItsEnd) {
  auto schedule = make({.overlap = Overlap::buffer_one, .ends_at = kNoon + 1h});
  EXPECT_EQ(names(take_all(schedule, kNoon + 1h, {.at_work = true})), "buffered");
  EXPECT_FALSE(schedule.ended_at);
  EXPECT_EQ(names(take_all(schedule, kNoon + 2h)), "started");
  EXPECT_TRUE(schedule.ended_at);
}

TEST(SchedulePause, NothingComesAndNothingIsMissedWhileItLasts) {
  auto schedule = make({.catch_up_ms = 24h});
  pause(schedule, {kNoon, "usr_1", "moving house"});
  EXPECT_EQ(names(take_all(schedule, kNoon + 5h)), "");
  resume(schedule, calendar_of(schedule.definition), kNoon + 5h + 1min);
  EXPECT_EQ(schedule.next_at, kNoon + 6h);
  EXPECT_EQ(schedule.missed, 0);
}

TEST(ScheduleChange, APauseSurvivesAndATimeThatIsDueIsNotLost) {
  auto schedule = make({});
  auto definition = schedule.definition;
  definition.input = json::Object{{"text", "other"}};
  redefine(schedule, definition, kNoon + 1h);  // due just now
  EXPECT_EQ(schedule.next_at, kNoon + 1h);
  definition.cron = "30 * * * *";
  redefine(schedule, definition, kNoon + 1h);
  EXPECT_EQ(schedule.next_at, kNoon + 90min);
  pause(schedule, {kNoon, "usr_1", ""});
  definition.cron = "15 * * * *";
  redefine(schedule, definition, kNoon + 1h);
  EXPECT_TRUE(schedule.pause);
  EXPECT_FALSE(schedule.fire_at);
  EXPECT_EQ(schedule.version, 4);
}

TEST(ScheduleSweep, KnowsALostAWrongAndARightNextTime) {
  const auto right = make({});
  const auto calendar = calendar_of(right.definition);
  EXPECT_TRUE(is_armed_right(right, calendar, kNoon));
  auto lost = right;
  lost.next_at = lost.fire_at = std::nullopt;
  EXPECT_FALSE(is_armed_right(lost, calendar, kNoon));
  auto timer_only = right;
  timer_only.fire_at.reset();
  EXPECT_FALSE(is_armed_right(timer_only, calendar, kNoon));
  auto too_far = right;  // a clock that was years ahead for a moment
  too_far.next_at = too_far.fire_at = at("2099-01-01T00:00:00Z");
  EXPECT_FALSE(is_armed_right(too_far, calendar, kNoon));
  auto off = right;  // other rules of the zone
  off.next_at = off.fire_at = kNoon + 30min;
  EXPECT_FALSE(is_armed_right(off, calendar, kNoon));
  EXPECT_TRUE(is_armed_right(right, calendar, kNoon + 1h - 1s));
  EXPECT_TRUE(is_armed_right(right, calendar, kNoon - 30s));  // clocks of replicas differ a little
}

TEST(ScheduleDefinition, SaysWhatIsWrongWithIt) {
  const auto error = [](auto change) -> std::string {
    ScheduleDefinition definition{.name = "test", .type = "t", .cron = "@daily"};
    change(definition);
    try {
      validate(definition);
      return "no error";
    } catch (const base::Error& error) {
      return error.message();
    }
  };
  EXPECT_EQ(error([](auto&) {}), "no error");
  EXPECT_EQ(error([](auto& d) { d.name = ""; }), "name: must have 1 to 100 bytes");
  EXPECT_EQ(error([](auto& d) { d.cron = "0 24 * * *"; }), "cron: field 2 (hour): '24' is not within 0 to 23");
  EXPECT_EQ(error([](auto& d) { d.catch_up_ms = 1s; }), "catchUpMs: must be from 10 seconds to 366 days");
  EXPECT_EQ(error([](auto& d) { d.jitter_ms = 25h; }), "jitterMs: is longer than a day");
  EXPECT_EQ(error([](auto& d) { d.starts_at = kNoon, d.ends_at = kNoon - 1s; }), "endsAt: is before startsAt");
  EXPECT_EQ(error([](auto& d) { d.remaining = 0; }), "remaining: must be at least 1");
}

TEST(ScheduleBackfill, TimesWithinARangeAreBounded) {
  const auto calendar = Cron::parse("0 * * * *", "UTC");
  EXPECT_EQ(times_within(calendar, kNoon, kNoon + 2h, 10), (std::vector{kNoon, kNoon + 1h, kNoon + 2h}));
  EXPECT_THROW(times_within(calendar, kNoon, kNoon + 24h, 10), base::Error);
}

}  // namespace
}  // namespace slipway::durable
