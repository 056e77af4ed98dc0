// What only the embedded database can meet: a full disk, another process, a log that grows.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include "store/drivers.h"
#include "store/sqlite_connection.h"
#include "store/testing/child_process.h"
#include "store/testing/gate.h"
#include "store/testing/outcomes.h"
#include "store/testing/temporary_database.h"

namespace slipway::store {
namespace {

using testing::Channel;
using testing::ChildProcess;
using testing::Gate;
using testing::Outcomes;

constexpr Patience kImpatient{.give_up_after = base::Duration(50), .busy = base::Duration(5)};
constexpr Patience kPatient{.give_up_after = std::chrono::minutes(1), .busy = base::Duration(5)};

// While it lives no file can grow, as on a full disk.
class FullDisk {
 public:
  FullDisk() : before_signal_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{1, before_.rlim_max};
    SLIPWAY_ASSERT(::setrlimit(RLIMIT_FSIZE, &full) == 0);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, before_signal_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*before_signal_)(int);
};

class SqliteTest : public ::testing::Test {
 protected:
  void open_store(Patience patience = {}) {
    database_.reset();
    database_ = open_sqlite(path(), patience);
    database_->write_and_wait(
        [](Transaction& tx) { tx.execute("CREATE TABLE IF NOT EXISTS events (number BIGINT, note TEXT)"); });
  }
  std::string path() const { return folder_.path() / "slipway.db"; }
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
  void wait_until_healthy(bool healthy) {
    while (database_->statistics().healthy != healthy) std::this_thread::yield();
  }

  testing::TemporaryFolder folder_;
  Outcomes outcomes_;
  std::unique_ptr<Database> database_;
};

TEST_F(SqliteTest, AFullDiskFailsWritesClearlyWhileReadsGoOnAndHealsByItself) {
  open_store(kImpatient);
  write(1);
  EXPECT_TRUE(outcomes_.succeeded(1));
  {
    const FullDisk full;
    for (int i = 2; i < 20; ++i) write(i);
    for (int i = 2; i < 20; ++i) EXPECT_EQ(outcomes_.code(i), "STORE_FULL");
    wait_until_healthy(false);
    EXPECT_EQ(stored(), std::vector<std::int64_t>{1});
  }
  wait_until_healthy(true);
  write(20);
  EXPECT_TRUE(outcomes_.succeeded(20));
  open_store();
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 20}));
}

TEST_F(SqliteTest, OpeningOnAFullDiskSaysThatItIsFull) {
  const FullDisk full;
  try {
    open(path());
    FAIL() << "it was opened";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "STORE_FULL");
  }
}

TEST_F(SqliteTest, AnotherProcessThatLocksTheFileFailsWritesClearlyUntilItLetsGo) {
  const std::string file = path();
  ChildProcess other([file](Channel& channel) {
    while (channel.receive()) {
      SqliteConnection connection(file, SqliteMode::write);
      connection.run_script("BEGIN IMMEDIATE");
      channel.send(1);
      channel.receive();
      connection.run_script("COMMIT");
      channel.send(1);
    }
  });
  open_store(kImpatient);
  other.channel().send(1);
  ASSERT_TRUE(other.channel().receive());
  write(1);
  EXPECT_EQ(outcomes_.code(1), "STORE_BUSY");
  EXPECT_EQ(stored(), std::vector<std::int64_t>{});
  wait_until_healthy(false);
  other.channel().send(1);
  ASSERT_TRUE(other.channel().receive());
  wait_until_healthy(true);
  write(2);
  EXPECT_TRUE(outcomes_.succeeded(2));
  EXPECT_EQ(stored(), std::vector<std::int64_t>{2});
}

TEST_F(SqliteTest, AWriteWaitsForALockThatIsSoonFree) {
  const std::string file = path();
  ChildProcess other([file](Channel& channel) {
    channel.receive();
    SqliteConnection connection(file, SqliteMode::write);
    connection.run_script("BEGIN IMMEDIATE");
    channel.send(1);
    channel.receive();
    connection.run_script("ROLLBACK");
    channel.receive();
  });
  open_store(kPatient);
  other.channel().send(1);
  ASSERT_TRUE(other.channel().receive());
  write(1);
  wait_until_healthy(false);
  other.channel().send(1);
  EXPECT_TRUE(outcomes_.succeeded(1));
}

TEST_F(SqliteTest, ASecondHubIsRefusedAndToldWhoIsThere) {
  open_store();
  try {
    open(path());
    FAIL() << "it was opened twice";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "STORE_LOCKED");
    EXPECT_NE(error.message().find("process " + std::to_string(::getpid())), std::string::npos);
  }
}

TEST_F(SqliteTest, SaysWhichFileCannotBeOpened) {
  const std::string nowhere = folder_.path() / "nowhere" / "slipway.db";
  try {
    open(nowhere);
    FAIL() << "it was opened";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "STORE_UNAVAILABLE");
    EXPECT_NE(error.message().find(nowhere), std::string::npos);
  }
}

TEST_F(SqliteTest, TheFileIsForItsOwnerOnly) {
  open_store();
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    const auto mode = std::filesystem::status(path() + suffix).permissions();
    EXPECT_EQ(mode & std::filesystem::perms(0077), std::filesystem::perms::none) << suffix;
  }
}

TEST_F(SqliteTest, TheLogIsStartedOverWhileWritesGoOn) {
  open_store();
  const std::string note(100'000, 'x');
  for (int i = 0; i < 600; ++i)
    database_->write_and_wait([&](Transaction& tx) { tx.execute("INSERT INTO events VALUES (1, $1)", {note}); });
  EXPECT_LT(database_->statistics().wal_bytes, 20u << 20);
  EXPECT_LT(std::filesystem::file_size(path() + "-wal"), 40u << 20);
}

TEST_F(SqliteTest, WhatWasAcknowledgedIsThereAfterAKill) {
  const std::string file = path();
  ChildProcess hub([file](Channel& channel) {
    const auto database = open_sqlite(file);
    database->write_and_wait([](Transaction& tx) { tx.execute("CREATE TABLE events (number BIGINT, note TEXT)"); });
    for (int i = 0;; ++i) {
      Done done = [i, &channel](std::exception_ptr failure) { channel.send(failure ? -1 : i); };
      database->write([i](Transaction& tx) { tx.execute("INSERT INTO events (number) VALUES ($1)", {i}); },
                      std::move(done));
      while (database->statistics().queued > 100) std::this_thread::yield();
    }
  });
  std::int64_t last = -1;
  for (int i = 0; i < 500; ++i) {
    const auto acknowledged = hub.channel().receive();
    ASSERT_EQ(acknowledged, last + 1);
    last = *acknowledged;
  }
  hub.kill();
  while (const auto late = hub.channel().receive()) last = *late;
  database_ = open(file);
  const auto numbers = stored();
  ASSERT_GT(std::int64_t(numbers.size()), last);
  for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], std::int64_t(i));
}

}  // namespace
}  // namespace slipway::store
