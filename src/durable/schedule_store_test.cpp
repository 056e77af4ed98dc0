// The SQL of schedules on both databases.

#include "durable/schedule_store.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "durable/run_list.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;

const Instant kNow = base::parse_rfc3339("2026-01-01T12:00:00Z").value();

Schedule make(const std::string& name, Instant fire_at) {
  Schedule schedule{.id = ScheduleId("sch_" + name)};
  schedule.definition = {.name = name, .type = "t", .input = json::Object{{"a", 1}}, .cron = "@hourly"};
  schedule.next_at = schedule.fire_at = fire_at;
  schedule.created_at = schedule.updated_at = kNow;
  return schedule;
}

std::vector<std::string> names(const std::vector<Schedule>& schedules) {
  std::vector<std::string> names;
  for (const auto& schedule : schedules) names.push_back(schedule.definition.name);
  return names;
}

using Names = std::vector<std::string>;

void everything_comes_back_as_it_was_stored(store::Database& database) {
  Schedule full = make("full", kNow);
  full.definition.time_zone = "Europe/Berlin";
  full.definition.jitter_ms = 5s;
  full.definition.overlap = Overlap::cancel_running;
  full.definition.starts_at = kNow - 1h;
  full.definition.ends_at = kNow + 1h;
  full.definition.remaining = 3;
  full.declared = true;
  full.owner_id = "usr_1";
  full.pause = {kNow, "usr_2", "why"};
  full.error = {"what", kNow};
  full.buffered_at = kNow - 2h;
  full.last_run_id = "run_1";
  full.last_started_at = kNow - 3h;
  database.write_and_wait([&](store::Transaction& tx) { schedules::insert(tx, full); });
  database.read_and_wait([&](store::Transaction& tx) {
    const auto found = schedules::find_by_name(tx, "full");
    ASSERT_TRUE(found);
    EXPECT_EQ(json::to_value(found->definition), json::to_value(full.definition));
    EXPECT_TRUE(found->declared);
    EXPECT_EQ(found->pause->reason, "why");
    EXPECT_EQ(found->error->message, "what");
    EXPECT_EQ(found->buffered_at, full.buffered_at);
    EXPECT_EQ(found->last_started_at, full.last_started_at);
    EXPECT_EQ(found->owner_id, "usr_1");
  });
  EXPECT_THROW(database.write_and_wait([&](store::Transaction& tx) { schedules::insert(tx, make("full", kNow)); }),
               base::Error);
}

void due_ones_come_in_pages_by_their_time(store::Database& database) {
  database.write_and_wait([&](store::Transaction& tx) {
    for (const auto& [name, after] : {std::pair("d2", 2s), {"d1", 1s}, {"d3", 2s}, {"later", 60s}})
      schedules::insert(tx, make(name, kNow + after));
  });
  database.read_and_wait([&](store::Transaction& tx) {
    const auto first = schedules::due(tx, kNow + 10s, nullptr, 3);
    EXPECT_EQ(names(first), (Names{"full", "d1", "d2"}));
    EXPECT_EQ(names(schedules::due(tx, kNow + 10s, &first.back(), 3)), (Names{"d3"}));
    EXPECT_EQ(schedules::next_fire_at(tx, kNow + 10s), kNow + 60s);
    EXPECT_EQ(names(schedules::buffered(tx, 10)), (Names{"full"}));
    EXPECT_EQ(names(schedules::list(tx, {.after = "d1", .limit = 2})), (Names{"d2", "d3"}));
    EXPECT_EQ(names(schedules::list(tx, {.name = "later"})), (Names{"later"}));
    EXPECT_EQ(schedules::count(tx, {.type = "t"}), 5);
  });
}

void only_the_last_outcomes_are_kept(store::Database& database) {
  Schedule schedule = make("d1", kNow);
  for (std::int64_t i = 0; i < schedules::kOutcomesKept + 5; ++i) {
    schedule.outcomes = i + 1;
    database.write_and_wait([&](store::Transaction& tx) {
      schedules::add_outcomes(
          tx, schedule, {{.seq = i + 1, .calendar_at = kNow + std::chrono::hours(i), .run_id = "run_1", .at = kNow}});
    });
  }
  database.read_and_wait([&](store::Transaction& tx) {
    const auto kept = schedules::outcomes(tx, schedule.id, 1'000);
    EXPECT_EQ(std::int64_t(kept.size()), schedules::kOutcomesKept);
    EXPECT_EQ(kept.front().seq, schedule.outcomes);
    EXPECT_FALSE(schedules::was_started(tx, schedule.id, kNow));
    EXPECT_TRUE(schedules::was_started(tx, schedule.id, kNow + 50h));
  });
  database.write_and_wait([&](store::Transaction& tx) { schedules::remove(tx, schedule.id); });
  database.read_and_wait([&](store::Transaction& tx) {
    EXPECT_FALSE(schedules::find(tx, schedule.id));
    EXPECT_TRUE(schedules::outcomes(tx, schedule.id, 10).empty());
  });
}

// As a scheduler does: the schedule and the run in one transaction.
void claim(store::Transaction& tx, const Schedule& seen, const std::string& run) {
  if (!schedules::update(tx, seen)) return;
  journal::insert_run(tx, {.id = RunId(run),
                           .type = "t",
                           .resource_type = "schedule",
                           .resource_id = seen.id.str(),
                           .triggered_by = seen.id.str(),
                           .owner_id = "",
                           .input = json::Object{},
                           .started_at = kNow,
                           .replica = base::ReplicaId("rep_1")});
}

void of_two_who_claim_one_turn_one_starts_a_run(store::Database& one, store::Database& other) {
  constexpr int kTurns = 50;
  one.write_and_wait([&](store::Transaction& tx) {
    tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ('rep_1', 'test', 0)");
    schedules::insert(tx, make("raced", kNow));
  });
  for (int turn = 0; turn < kTurns; ++turn) {
    std::optional<Schedule> seen;
    one.read_and_wait([&](store::Transaction& tx) { seen = schedules::find_by_name(tx, "raced"); });
    ASSERT_EQ(seen->turn, turn);
    const auto race = [&](store::Database& database, const std::string& who) {
      database.write_and_wait([&](store::Transaction& tx) { claim(tx, *seen, "run_" + who + std::to_string(turn)); });
    };
    std::jthread beside([&] { race(other, "b"); });
    race(one, "a");
  }
  one.read_and_wait([&](store::Transaction& tx) {
    EXPECT_EQ(journal::total(tx, {.resource_id = "sch_raced"}).count, kTurns);
    EXPECT_EQ(schedules::find_by_name(tx, "raced")->turn, kTurns);
  });
}

TEST(ScheduleStore, KeepsSchedulesAndOutcomes) {
  store::testing::TemporaryDatabase database;
  everything_comes_back_as_it_was_stored(*database);
  due_ones_come_in_pages_by_their_time(*database);
  only_the_last_outcomes_are_kept(*database);
}

TEST(ScheduleStorePostgres, KeepsSchedulesAndOutcomes) {
  const auto database = store::open(store::testing::PostgresCluster::shared().create_database());
  everything_comes_back_as_it_was_stored(*database);
  due_ones_come_in_pages_by_their_time(*database);
  only_the_last_outcomes_are_kept(*database);
}

TEST(ScheduleStorePostgres, OfTwoReplicasThatClaimOneTurnOneStartsARun) {
  const auto url = store::testing::PostgresCluster::shared().create_database();
  const auto one = store::open(url);
  const auto other = store::open(url);
  of_two_who_claim_one_turn_one_starts_a_run(*one, *other);
}

}  // namespace
}  // namespace slipway::durable
