// The feed of changes: what it says of runs, and that no reader misses what is committed late. On both databases.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/change_feed.h"
#include "fleet/run_changes.h"
#include "store/testing/gate.h"
#include "store/testing/outcomes.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using durable::TransitionKind;
using store::Dialect;
using store::Transaction;
using store::testing::Gate;
using store::testing::Outcomes;
using store::testing::TemporaryDatabase;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);

TEST(FeedSupport, ADatabaseThatDoesNotTellWhoWritesIsRefusedAtTheStart) {
  auto& cluster = store::testing::PostgresCluster::shared();
  const auto url = cluster.create_database();
  const auto code_as = [&](const std::string& address) {
    const auto database = store::open(address);
    try {
      database->read_and_wait(require_feed_support);
    } catch (const base::Error& error) {
      return error.code();
    }
    return std::string("it is supported");
  };
  EXPECT_EQ(code_as(url), "it is supported");
  cluster.run(url, "REVOKE SELECT ON pg_locks FROM PUBLIC");
  cluster.run(url, "CREATE ROLE somebody LOGIN");
  cluster.run(url, "GRANT ALL ON ALL TABLES IN SCHEMA public TO somebody; GRANT ALL ON SCHEMA public TO somebody");
  auto as_somebody = url;
  as_somebody.replace(as_somebody.find("user=postgres"), 13, "user=somebody");
  EXPECT_EQ(code_as(as_somebody), "UNSUPPORTED_DATABASE");
  cluster.run(url, "DROP OWNED BY somebody");
  cluster.run(url, "DROP ROLE somebody");
  TemporaryDatabase embedded;
  embedded->read_and_wait(require_feed_support);
}

class Feed : public ::testing::TestWithParam<Dialect> {
 protected:
  Feed()
      : url_(GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                           : store::testing::PostgresCluster::shared().create_database()),
        database_(store::open(url_)) {}

  static void record(Transaction& tx, const std::string& what) {
    record_change(tx, base::UserId("usr_alice"), "test.done", what, kNow, json::Object{});
  }
  void write(const std::string& what) {
    database_->write_and_wait([&](Transaction& tx) { record(tx, what); });
  }

  // One look of a reader; what it gave.
  std::vector<std::string> look(FeedReader& reader, std::int64_t limit = 100) {
    std::vector<std::string> seen;
    database_->read_and_wait([&](Transaction& tx) {
      for (const auto& [owner, change] : reader.read(tx, limit)) seen.push_back(change.resource_id);
    });
    return seen;
  }
  // As many as it takes until it waits for nobody.
  std::vector<std::string> look_until_settled(FeedReader& reader) {
    std::vector<std::string> seen;
    do {
      for (auto& each : look(reader)) seen.push_back(std::move(each));
    } while (reader.is_waiting());
    return seen;
  }
  FeedReader begun() {
    FeedReader reader;
    while (!reader.has_begun()) look(reader);
    return reader;
  }

  store::testing::TemporaryFolder folder_;
  std::string url_;
  std::unique_ptr<store::Database> database_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, Feed, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, Feed, ::testing::Values(Dialect::postgres));

TEST_P(Feed, IsReadFromNowOnInPages) {
  write("before");
  FeedReader reader = begun();
  EXPECT_EQ(reader.settled(), 1);
  for (const auto* each : {"a", "b", "c"}) write(each);
  EXPECT_THAT(look(reader, 2), ElementsAre("a", "b"));
  EXPECT_THAT(look(reader, 2), ElementsAre("c"));
  EXPECT_THAT(look(reader), IsEmpty());
  EXPECT_EQ(reader.settled(), 4);
}

TEST_P(Feed, ANumberThatWasRolledBackIsNotWaitedForLong) {
  FeedReader reader = begun();
  write("a");
  EXPECT_ANY_THROW(database_->write_and_wait([&](Transaction& tx) {
    record(tx, "never");
    throw base::internal_error("changed its mind");
  }));
  write("b");
  EXPECT_THAT(look_until_settled(reader), ElementsAre("a", "b"));
}

// Two replicas write at the same time, and the first to number its change is the last to commit it.
class PostgresFeed : public Feed {
 protected:
  PostgresFeed() : other_(store::open(url_)) {}
  // The other replica numbers a change, and commits it when the gate opens.
  void write_slowly(const std::string& what) {
    other_->write(
        [this, what](Transaction& tx) {
          record(tx, what);
          tx.query("SELECT 1");  // what was deferred has been done by now
          numbered_.open();
          commit_.wait();
        },
        outcomes_.done(1));
    numbered_.wait();
  }
  void commit() {
    commit_.open();
    outcomes_.wait();
  }

  Gate numbered_, commit_;
  Outcomes outcomes_;
  std::unique_ptr<store::Database> other_;
};
INSTANTIATE_TEST_SUITE_P(Postgres, PostgresFeed, ::testing::Values(Dialect::postgres));

// WF-44
TEST_P(PostgresFeed, AChangeThatIsCommittedLateIsNotPassedOver) {
  FeedReader reader = begun();
  write_slowly("early number");
  write("late number");
  EXPECT_THAT(look(reader), IsEmpty());
  EXPECT_TRUE(reader.is_waiting());
  EXPECT_THAT(look(reader), IsEmpty());
  commit();
  EXPECT_THAT(look_until_settled(reader), ElementsAre("early number", "late number"));
  EXPECT_EQ(reader.settled(), 2);
}

TEST_P(PostgresFeed, AReaderBeginsWhenThoseWhoWereWritingHaveEnded) {
  write_slowly("early number");
  write("late number");
  FeedReader reader;
  EXPECT_THAT(look(reader), IsEmpty());
  EXPECT_FALSE(reader.has_begun());
  commit();
  while (!reader.has_begun()) look(reader);
  EXPECT_EQ(reader.settled(), 2);
  write("next");
  EXPECT_THAT(look(reader), ElementsAre("next"));
}

TEST_P(PostgresFeed, NothingIsMissedWhileManyWrite) {
  constexpr int kEach = 300;
  FeedReader reader = begun();
  for (int i = 0; i < kEach; ++i)
    for (auto* database : {database_.get(), other_.get()})
      database->write(
          [i](Transaction& tx) {
            record(tx, std::to_string(i));
            if (i % 7 == 0) throw base::internal_error("leaves a gap");
          },
          outcomes_.done(i));
  std::map<std::string, int> seen;
  std::int64_t last = 0;
  const auto look_once = [&] {
    database_->read_and_wait([&](Transaction& tx) {
      for (const auto& [owner, change] : reader.read(tx, 50)) {
        EXPECT_GT(change.seq, std::exchange(last, change.seq));
        ++seen[change.resource_id];
      }
    });
  };
  while (!outcomes_.is_complete()) look_once();
  std::int64_t before = -1;
  while (before != reader.settled() || reader.is_waiting()) {
    before = reader.settled();
    look_once();
  }
  for (int i = 0; i < kEach; ++i) EXPECT_EQ(seen[std::to_string(i)], i % 7 == 0 ? 0 : 2) << i;
}

TEST(RunChanges, SayWhatARunIsWithoutWhatItWasGiven) {
  const durable::RunRecord run{.id = base::RunId("run_1"),
                               .type = "server.provision",
                               .resource_type = "server",
                               .resource_id = "srv_1",
                               .triggered_by = "usr_1",
                               .owner_id = "usr_1",
                               .input = json::Object{{"password", "secret"}},
                               .started_at = kNow};
  durable::RunState state;
  state.status = durable::RunStatus::failed;
  state.ended_at = kNow - 5s;  // the clock was set back
  state.failure = durable::Failure{.code = "BMC_CONNECTION_FAILED", .message = "no answer"};
  state.failed_step = "power-on";
  const auto change = to_run_change(durable::to_transition(run, state));
  EXPECT_EQ(json::print(change),
            R"({"id":"run_1","type":"server.provision","status":"failed","resourceType":"server","resourceId":"srv_1",)"
            R"("triggeredBy":"usr_1","startedAt":"2023-11-14T22:13:20.000Z","completedAt":"2023-11-14T22:13:15.000Z",)"
            R"("durationMs":0,"error":{"code":"BMC_CONNECTION_FAILED","message":"no answer","step":"power-on"}})");
  EXPECT_EQ(to_change_type(TransitionKind::run_needs_attention), "run.needs_attention");
  EXPECT_EQ(to_change_type(TransitionKind::step_failed), "step.failed");
}

}  // namespace
}  // namespace slipway::fleet
