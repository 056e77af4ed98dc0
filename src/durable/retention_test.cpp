// What is removed, what is kept, and what is written of it before, on both databases.

#include "durable/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using store::Dialect;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);
const base::ReplicaId kReplica("rep_1");

class Retention : public ::testing::TestWithParam<Dialect> {
 protected:
  Retention()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    write([](store::Transaction& tx) {
      tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ($1, 'test', 0)", {kReplica.str()});
    });
  }

  template <class F>
  void write(F work) {
    database_->write_and_wait(std::move(work));
  }

  // Ended so long ago, or still at work.
  void add(const std::string& id, const std::string& type, std::optional<Duration> ended_ago) {
    write([&](store::Transaction& tx) {
      journal::insert_run(tx, {.id = RunId(id),
                               .type = type,
                               .resource_type = "test",
                               .resource_id = "r",
                               .triggered_by = "usr",
                               .owner_id = "usr",
                               .input = json::Object{{"n", 1}},
                               .started_at = kNow - 1'000h,
                               .replica = kReplica});
      if (!ended_ago) return;
      RunState state;
      state.status = RunStatus::completed;
      state.ended_at = kNow - *ended_ago;
      journal::set_ended(tx, RunId(id), state);
    });
  }

  std::vector<std::string> expired(const std::string& type, const RetentionRule& rule) {
    std::vector<std::string> ids;
    database_->read_and_wait([&](store::Transaction& tx) {
      ids.clear();
      const auto until = retention::outlived_until(tx, type, rule, kNow);
      if (!until) return;
      for (const auto& run : retention::oldest(tx, type, *until)) ids.push_back(run.row.record.id.str());
    });
    return ids;
  }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
};

TEST_P(Retention, WhatHasOutlivedItsTimeIsTakenOldestFirstAndWhatIsAtWorkNever) {
  add("run_old", "a", 50h);
  add("run_older", "a", 60h);
  add("run_young", "a", 1h);
  add("run_live", "a", std::nullopt);
  add("run_other", "b", 90h);
  EXPECT_THAT(expired("a", {.keep = 48h, .newest_max = 100}), ElementsAre("run_older", "run_old"));
  EXPECT_THAT(expired("a", {.keep = 0h, .newest_max = 0}), ElementsAre());  // kept for ever
}

TEST_P(Retention, OfOneTypeOnlyTheNewestAreKeptHoweverYoung) {
  for (int i = 0; i < 5; ++i) add("run_" + std::to_string(i), "a", std::chrono::hours(i + 1));
  EXPECT_THAT(expired("a", {.keep = 1'000h, .newest_max = 3}), ElementsAre("run_4", "run_3"));
}

TEST_P(Retention, ARemovedRunLeavesNothingAndALiveOneIsPassedOver) {
  add("run_old", "a", 50h);
  add("run_live", "b", std::nullopt);
  std::int64_t removed = 0;
  write([&](store::Transaction& tx) {
    removed = retention::remove(tx, {RunId("run_old"), RunId("run_live"), RunId("run_gone")});
  });
  EXPECT_EQ(removed, 1);
  database_->read_and_wait([](store::Transaction& tx) {
    EXPECT_FALSE(journal::find(tx, RunId("run_old")));
    EXPECT_EQ(journal::count_events(tx, RunId("run_old")), 0);
    EXPECT_TRUE(journal::find(tx, RunId("run_live")));
    EXPECT_THAT(retention::types(tx), ElementsAre("b"));
  });
}

TEST_P(Retention, AnArchivedRunIsOneLineOfJsonWithItsWholeJournal) {
  add("run_old", "a", 50h);
  database_->read_and_wait([](store::Transaction& tx) {
    const auto line = retention::to_json_line(retention::oldest(tx, "a", kNow).front());
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const auto value = json::parse_value(line);
    EXPECT_EQ(value.at("run").at("runId").as_string(), "run_old");
    EXPECT_EQ(value.at("events").as_array().size(), 1u);
    EXPECT_THAT(line, HasSubstr("run_started"));
  });
}

INSTANTIATE_TEST_SUITE_P(OnSqlite, Retention, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, Retention, ::testing::Values(Dialect::postgres));

}  // namespace
}  // namespace slipway::durable
