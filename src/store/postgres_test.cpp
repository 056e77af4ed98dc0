// What only a server can do to us: go away, come back, answer too late.

#include <gtest/gtest.h>

#include <future>
#include <numeric>

#include "store/drivers.h"
#include "store/postgres_connection.h"
#include "store/testing/gate.h"
#include "store/testing/heard.h"
#include "store/testing/outcomes.h"
#include "store/testing/postgres_cluster.h"

namespace slipway::store {
namespace {

using testing::Gate;
using testing::Heard;
using testing::Outcomes;
using testing::PostgresCluster;

constexpr Patience kPatient{.give_up_after = std::chrono::minutes(1)};
constexpr Patience kImpatient{.give_up_after = base::Duration(50)};

class PostgresTest : public ::testing::Test {
 protected:
  PostgresTest() : cluster_(PostgresCluster::shared()), url_(cluster_.create_database()) {}
  ~PostgresTest() override { cluster_.start(); }

  void open_store(Patience patience = kPatient) {
    database_ = open_postgres(url_, patience);
    // Without a key: what is stored twice shows.
    database_->write_and_wait([](Transaction& tx) { tx.execute("CREATE TABLE events (number BIGINT)"); });
  }
  void write(int number) {
    const auto work = [number](Transaction& tx) { tx.execute("INSERT INTO events (number) VALUES ($1)", {number}); };
    database_->write(work, outcomes_.done(number));
  }
  std::vector<std::int64_t> stored() {
    std::vector<std::int64_t> result;
    database_->read_and_wait([&](Transaction& tx) {
      result.clear();
      for (const Row& row : tx.query("SELECT number FROM events ORDER BY number")) result.push_back(row.integer(0));
    });
    return result;
  }
  // The backend that the writer uses.
  void terminate_writer() {
    cluster_.run(url_,
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
                 "application_name LIKE 'slipway writer%'");
  }
  bool writer_waits_for(const std::string& event) {
    return cluster_.run(url_,
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                        "application_name LIKE 'slipway writer%' AND wait_event = '" +
                            event + "'") != "0";
  }
  // Writes numbers from four threads for as long as `disturb` runs, and checks that each is stored exactly once.
  void write_while(const std::function<void()>& disturb) {
    std::atomic<int> count = 0;
    {
      std::vector<std::jthread> threads;
      for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&](const std::stop_token& disturbed) {
          while (!disturbed.stop_requested()) {
            write(count++);
            while (database_->statistics().queued > 50) std::this_thread::yield();
          }
        });
      disturb();
    }
    EXPECT_EQ(outcomes_.failed(), 0u);
    EXPECT_TRUE(outcomes_.each_was_called_once());
    const auto numbers = stored();
    ASSERT_EQ(numbers.size(), std::size_t(count.load()));
    for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], std::int64_t(i));
  }

  PostgresCluster& cluster_;
  const std::string url_;
  Outcomes outcomes_;
  std::unique_ptr<Database> database_;
};

TEST_F(PostgresTest, EveryWriteIsStoredOnceThoughItsConnectionIsCutAgainAndAgain) {
  open_store();
  write_while([&] {
    for (int i = 0; i < 25; ++i) {
      const auto groups = database_->statistics().groups;
      terminate_writer();
      while (database_->statistics().groups == groups) std::this_thread::yield();
    }
  });
}

TEST_F(PostgresTest, EveryWriteIsStoredOnceThoughTheServerCrashes) {
  open_store();
  write_while([&] {
    for (int i = 0; i < 3; ++i) {
      const auto groups = database_->statistics().groups;
      while (database_->statistics().groups < groups + 5) std::this_thread::yield();
      cluster_.crash();
      cluster_.start();
    }
  });
}

// The answer to a COMMIT is lost while the server waits for a standby: it is stored, and must not be stored twice.
TEST_F(PostgresTest, ACommitThatIsStoredButWasNotAnsweredIsNotRepeated) {
  open_store();
  cluster_.run(url_, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  cluster_.run(url_, "SELECT pg_reload_conf()");
  int last = 0;
  while (!writer_waits_for("SyncRep")) write(++last);  // the server takes its time to see the change
  terminate_writer();
  cluster_.run(url_, "ALTER SYSTEM RESET synchronous_standby_names");
  cluster_.run(url_, "SELECT pg_reload_conf()");
  EXPECT_EQ(outcomes_.failed(), 0u);
  std::vector<std::int64_t> each_once(static_cast<std::size_t>(last));
  std::iota(each_once.begin(), each_once.end(), 1);
  EXPECT_EQ(stored(), each_once);
  EXPECT_EQ(database_->statistics().failed_groups, 1u);
}

// As a replica that is paused, or cut off, in the middle of a transaction: the others must get on.
TEST_F(PostgresTest, ATransactionThatStandsStillLosesItsLocksAndIsRunAgain) {
  open_store();
  database_->write_and_wait([](Transaction& tx) { tx.execute("INSERT INTO events (number) VALUES (1)"); });
  Gate locked, others_got_on;
  const auto work = [&](Transaction& tx) {
    tx.execute("UPDATE events SET number = number + 10");
    locked.open();
    others_got_on.wait();
  };
  database_->write(work, outcomes_.done(0));
  locked.wait();
  cluster_.run(url_, "UPDATE events SET number = number + 100");
  others_got_on.open();
  EXPECT_TRUE(outcomes_.succeeded(0));
  EXPECT_EQ(stored(), std::vector<std::int64_t>{111});
}

TEST_F(PostgresTest, ACommitThatWasCutBeforeItWasStoredIsRunAgain) {
  open_store();
  database_->write_and_wait([](Transaction& tx) {
    tx.execute("CREATE TABLE pauses (seconds BIGINT)");
    tx.execute("INSERT INTO pauses VALUES (600)");
    tx.execute(
        "CREATE FUNCTION pause() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(seconds) FROM pauses; RETURN NULL; "
        "END $$ LANGUAGE plpgsql");
    tx.execute(
        "CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION pause()");
  });
  write(1);
  while (!writer_waits_for("PgSleep")) std::this_thread::yield();
  cluster_.run(url_, "UPDATE pauses SET seconds = 0");
  terminate_writer();
  EXPECT_TRUE(outcomes_.succeeded(1));
  EXPECT_EQ(stored(), std::vector<std::int64_t>{1});
  EXPECT_EQ(database_->statistics().failed_groups, 1u);
}

TEST_F(PostgresTest, WritesAndReadsFailClearlyWhileTheServerIsDownAndItHealsByItself) {
  open_store(kImpatient);
  cluster_.crash();
  write(1);
  EXPECT_EQ(outcomes_.code(1), "STORE_UNAVAILABLE");
  try {
    stored();
    ADD_FAILURE() << "it was read";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "STORE_UNAVAILABLE");
  }
  while (database_->statistics().healthy) std::this_thread::yield();  // one failure is not yet enough for that
  cluster_.start();
  while (!database_->statistics().healthy) std::this_thread::yield();
  write(2);
  EXPECT_TRUE(outcomes_.succeeded(2));
  EXPECT_EQ(stored(), std::vector<std::int64_t>{2});
}

TEST_F(PostgresTest, AnAddressWhereNobodyListensIsSaidSo) {
  try {
    open("postgresql:///slipway?host=" + std::string("/nowhere"));
    FAIL() << "it was opened";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "STORE_UNAVAILABLE");
    EXPECT_EQ(error.error_class(), base::ErrorClass::transient);
  }
}

TEST_F(PostgresTest, ReplicasThatStartTogetherMigrateOnce) {
  std::vector<std::jthread> replicas;
  std::atomic<int> opened = 0;
  for (int i = 0; i < 4; ++i)
    replicas.emplace_back([&] {
      const auto database = open(url_);
      ++opened;
    });
  replicas.clear();
  EXPECT_EQ(opened, 4);
}

// As the server does to a hub that stands still in the middle of its start.
TEST_F(PostgresTest, AMigrationWhoseConnectionBreaksIsBegunAgain) {
  std::optional<PostgresConnection> other(std::in_place, url_, "another migration", PostgresMode::write);
  other->run_script("SELECT pg_advisory_lock(32488822435963257)");
  auto opened = std::async(std::launch::async, [&] { open_store(); });
  const std::string terminate_migration =
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
      "application_name = 'slipway migration' AND wait_event = 'advisory'";
  while (cluster_.run(url_, terminate_migration).empty()) std::this_thread::yield();
  other.reset();
  opened.get();
  EXPECT_TRUE(stored().empty());
}

// Two replicas lock the same rows in opposite orders: the server kills one transaction, and its group is run again.
TEST_F(PostgresTest, ADeadlockBetweenReplicasFailsNobody) {
  open_store();
  database_->write_and_wait([](Transaction& tx) { tx.execute("INSERT INTO events VALUES (1), (2)"); });
  const auto other = open_postgres(url_, kPatient);
  Gate first_has_one, second_has_two;
  database_->write(
      [&](Transaction& tx) {
        tx.execute("UPDATE events SET number = number WHERE number = 1");
        first_has_one.open();
        second_has_two.wait();
        tx.execute("UPDATE events SET number = number WHERE number = 2");
      },
      outcomes_.done(1));
  other->write(
      [&](Transaction& tx) {
        tx.execute("UPDATE events SET number = number WHERE number = 2");
        second_has_two.open();
        first_has_one.wait();
        tx.execute("UPDATE events SET number = number WHERE number = 1");
      },
      outcomes_.done(2));
  EXPECT_EQ(outcomes_.failed(), 0u);
}

TEST_F(PostgresTest, ABellIsHeardByOtherReplicas) {
  open_store();
  const auto other = open_postgres(url_, kPatient);
  Heard heard;
  const auto listening = other->listen("replicas", heard.bell());
  heard.wait_for("");  // it listens
  database_->ring("replicas", "inputs");
  heard.wait_for("inputs");
}

TEST_F(PostgresTest, WhoListensIsToldThatBellsMayHaveBeenMissedAndHearsAgain) {
  open_store();
  Heard heard;
  const auto listening = database_->listen("replicas", heard.bell());
  heard.wait_for("");
  heard.forget();
  cluster_.run(url_,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
               "application_name = 'slipway bells'");
  heard.wait_for("");
  database_->ring("replicas", "inputs");
  heard.wait_for("inputs");
}

TEST_F(PostgresTest, BellsComeBackWithTheServer) {
  open_store();
  Heard heard;
  const auto listening = database_->listen("replicas", heard.bell());
  heard.wait_for("");
  heard.forget();
  cluster_.crash();
  database_->ring("replicas", "while it is away");
  cluster_.start();
  heard.wait_for("");
  database_->ring("replicas", "inputs");
  heard.wait_for("inputs");
}

TEST_F(PostgresTest, ADatabaseWithoutBellsIsSilentAndStoresAsEver) {
  open_store();
  cluster_.run(url_,
               "BEGIN; SET LOCAL allow_system_table_mods = on; ALTER FUNCTION pg_notify(text, text) RENAME TO "
               "pg_notify_gone; COMMIT");
  Heard heard;
  const auto listening = database_->listen("replicas", heard.bell());
  database_->ring("replicas", "inputs");
  while (database_->statistics().has_bells) std::this_thread::yield();
  database_->ring("replicas", "inputs");
  write(1);
  EXPECT_TRUE(outcomes_.succeeded(1));
  EXPECT_EQ(heard.times("inputs"), 0u);
}

}  // namespace
}  // namespace slipway::store
