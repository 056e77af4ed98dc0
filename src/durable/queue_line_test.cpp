#include "durable/queue_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);

QueueRow rated(std::int64_t count, Duration period) {
  QueueRow row;
  row.queue.limits.rate = Rate{.count = count, .period = period};
  return row;
}

void begin(QueueRow& row, std::int64_t count, Instant now) {
  row.rate_used_until_us = use_rate(*row.queue.limits.rate, row.rate_used_until_us, count, now);
}

TEST(QueueLine, WithoutLimitsThereIsAlwaysAPlace) { EXPECT_GT(places_in({}, 1'000'000, kNow).free, 1'000'000); }

TEST(QueueLine, ConcurrencyCountsThoseAtWork) {
  QueueRow row;
  row.queue.limits.concurrency = 3;
  EXPECT_EQ(places_in(row, 1, kNow).free, 2);
  EXPECT_EQ(places_in(row, 3, kNow).free, 0);
  EXPECT_EQ(places_in(row, 3, kNow).reason, WaitReason::concurrency);
}

TEST(QueueLine, ALimitThatWasLoweredBelowWhatIsAtWorkLetsNobodyIn) {
  QueueRow row;
  row.queue.limits.concurrency = 1;
  EXPECT_EQ(places_in(row, 5, kNow).free, 0);
}

TEST(QueueLine, APausedQueueHasNoPlaces) {
  QueueRow row;
  row.queue.pause = Pause{};
  EXPECT_EQ(places_in(row, 0, kNow).free, 0);
  EXPECT_EQ(places_in(row, 0, kNow).reason, WaitReason::paused);
}

TEST(QueueLine, AFullBucketHoldsTheWholeCountAlsoWhereThePeriodCannotBeDivided) {
  for (const std::int64_t count : {1, 3, 7, 1'000}) EXPECT_EQ(places_in(rated(count, 1s), 0, kNow).free, count);
}

TEST(QueueLine, AnEmptyBucketSaysWhenTheNextPlaceComesAndIsRight) {
  auto row = rated(4, 1s);
  begin(row, 4, kNow);
  const auto places = places_in(row, 0, kNow);
  EXPECT_EQ(places.free, 0);
  EXPECT_EQ(places.reason, WaitReason::rate);
  EXPECT_EQ(*places.next_at, kNow + 250ms);
  EXPECT_EQ(places_in(row, 0, kNow + 249ms).free, 0);
  EXPECT_EQ(places_in(row, 0, *places.next_at).free, 1);
}

TEST(QueueLine, ARateIsKeptOverAnyTime) {
  auto row = rated(5, 1s);
  std::int64_t begun = 0;
  for (auto now = kNow; now <= kNow + 100s; now += 7ms) {
    const auto free = places_in(row, 0, now).free;
    begin(row, free, now);
    begun += free;
  }
  EXPECT_GE(begun, 500);
  EXPECT_LE(begun, 505);
}

TEST(QueueLine, AClockThatRanAheadStopsTheQueueForOnePeriodAtMost) {
  auto row = rated(2, 1s);
  begin(row, 2, kNow + 24h);
  EXPECT_EQ(places_in(row, 0, kNow).free, 0);
  begin(row, 0, kNow);
  EXPECT_EQ(places_in(row, 0, kNow + 1s).free, 2);
}

// Which keys go in which order, each of them having `runs` waiting.
std::vector<std::string> order_of(Tags& tags, const std::map<std::string, std::int64_t>& weights, int runs) {
  std::multimap<std::int64_t, std::string> line;
  for (int i = 0; i < runs; ++i)
    for (const auto& [key, weight] : weights) line.emplace(tags.give(0, key, weight), key);
  std::vector<std::string> order;
  for (const auto& [tag, key] : line) order.push_back(key);
  return order;
}

TEST(Tags, KeysTakeTurnsByWeight) {
  Tags tags;
  auto order = order_of(tags, {{"a", 1}, {"b", 3}}, 100);
  order.resize(80);
  EXPECT_EQ(std::ranges::count(order, "b"), 60);
  EXPECT_EQ(std::ranges::count(order, "a"), 20);
}

TEST(Tags, AKeyThatComesLateStandsBehindNoBacklogAndMakesUpForNothing) {
  Tags tags;
  for (int i = 0; i < 1'000; ++i) tags.give(0, "flood", 1);
  const auto reached = tags.last().at({0, "flood"}) / 2;  // half of them are through
  tags.set_virtual_time(0, reached);
  const auto late = tags.give(0, "late", 1);
  EXPECT_GT(late, reached);
  EXPECT_LE(late, reached + 1'000'000);
}

TEST(Tags, OfOneKeyTheOrderIsThatOfArrivalWhateverTheWeights) {
  Tags tags;
  std::int64_t last = 0;
  for (const std::int64_t weight : {1, 1'000, 3, 7, 1}) {
    const auto tag = tags.give(0, "a", weight);
    EXPECT_GT(tag, last);
    last = tag;
  }
}

TEST(Ticket, SaysWhatIsWrongWithIt) {
  EXPECT_NO_THROW(validate(Ticket{.queue = "q"}));
  EXPECT_THROW(validate(Ticket{.weight = 0}), base::Error);
  EXPECT_THROW(validate(Ticket{.priority = kPriorityMax + 1}), base::Error);
  EXPECT_THROW(validate(Ticket{.dedup_key = "k", .debounce = Debounce{.key = "k"}}), base::Error);
  EXPECT_THROW(validate(Ticket{.debounce = Debounce{.key = ""}}), base::Error);
  EXPECT_THROW(validate(QueueLimits{.concurrency = 0}), base::Error);
  EXPECT_THROW(validate(QueueLimits{.rate = Rate{.count = 0}}), base::Error);
  EXPECT_THROW(validate_queue_name("no spaces"), base::Error);
}

}  // namespace
}  // namespace slipway::durable
