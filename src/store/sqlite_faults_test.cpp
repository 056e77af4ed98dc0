// Every call that the embedded database makes to its files fails once, and from there on for good; and the power goes
// at every sync. What was acknowledged is stored, what was refused is not, and the store heals by itself.

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "store/drivers.h"
#include "store/sqlite_connection.h"
#include "store/testing/fault_disk.h"
#include "store/testing/outcomes.h"
#include "store/testing/temporary_database.h"

namespace slipway::store {
namespace {

using testing::FaultDisk;
using testing::Outcomes;
using testing::Trouble;

// A database that is gone for good is given up at once: each of many runs waits for it several times.
constexpr Patience kImpatient{.give_up_after = base::Duration(2), .busy = base::Duration(1)};
constexpr int kGroups = 3, kWritesOfGroup = 4;

// What became of the writes of one run.
struct Story {
  std::set<std::int64_t> acknowledged, refused;  // one whose outcome is unknown is in neither
};

class SqliteFaults : public ::testing::Test {
 protected:
  SqliteFaults() {
    const auto database = open_sqlite(path("original"));
    database->write_and_wait([](Transaction& tx) { tx.execute("CREATE TABLE events (number BIGINT, note TEXT)"); });
  }

  std::string path(const std::string& name) const { return folder_.path() / (name + ".db"); }

  // A fresh copy of a database with an empty table.
  std::string fresh() {
    const std::string copy = path("copy " + std::to_string(++copies_));
    std::filesystem::copy_file(path("original"), copy);
    return copy;
  }
  static void remove(const std::string& file) {
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(file + suffix);
  }

  static void write(Database& database, int number, Outcomes& outcomes) {
    const std::vector<Parameter> row{number, std::string(300, 'x')};
    const auto work = [row](Transaction& tx) {
      tx.execute_many("INSERT INTO events (number, note) VALUES ($1, $2)", 2, row);
    };
    database.write(work, outcomes.done(number));
  }

  // One group after the other; but while the store is not healthy none is waited for, as one whose outcome is unknown
  // waits for as long as the disk fails.
  static void write_groups(Database& database, int from, Outcomes& outcomes) {
    for (int group = 0; group < kGroups; ++group) {
      for (int i = 0; i < kWritesOfGroup; ++i) write(database, from + group * kWritesOfGroup + i, outcomes);
      while (!outcomes.is_complete() && database.statistics().healthy) std::this_thread::yield();
    }
  }

  // Twice open, write and close, so that the log is also emptied and found again.
  static Story live(const std::string& file, const FaultDisk& disk) {
    Story story;
    for (const int life : {0, 1'000}) {
      Outcomes outcomes;
      try {
        const auto database = open_sqlite(file, kImpatient);
        write_groups(*database, life, outcomes);
      } catch (const base::Error&) {
        EXPECT_TRUE(disk.has_struck());  // it could not be opened
      }
      note(outcomes, story);
    }
    return story;
  }

  static void note(Outcomes& outcomes, Story& story) {
    EXPECT_TRUE(outcomes.each_was_called_once());
    for (const int number : outcomes.order()) {
      const std::string code = outcomes.code(number);
      if (code.empty()) story.acknowledged.insert(number);
      if (!code.empty() && code != "STORE_OUTCOME_UNKNOWN") story.refused.insert(number);
    }
  }

  // With the disk as it should be.
  static std::multiset<std::int64_t> stored_in(const std::string& file) {
    std::multiset<std::int64_t> stored;
    const auto database = open_sqlite(file);
    database->read_and_wait([&](Transaction& tx) {
      EXPECT_EQ(tx.query("PRAGMA integrity_check").at(0).text(0), "ok");
      for (const Row& row : tx.query("SELECT number FROM events")) stored.insert(row.integer(0));
    });
    return stored;
  }

  static void check(const Story& story, const std::multiset<std::int64_t>& stored) {
    for (const auto number : story.acknowledged) EXPECT_EQ(stored.count(number), 1u) << number << " was acknowledged";
    for (const auto number : story.refused) EXPECT_EQ(stored.count(number), 0u) << number << " was refused";
    for (const auto number : stored) EXPECT_EQ(stored.count(number), 1u) << number << " is there twice";
  }

  // Runs the workload with the n-th call failing, for every n until none fails any more.
  void strike_every_call(Trouble trouble, bool lasting) {
    FaultDisk disk;
    for (std::int64_t nth = 1;; ++nth) {
      SCOPED_TRACE("call " + std::to_string(nth));
      const std::string file = fresh();
      disk.plan({trouble, nth, lasting});
      const Story story = live(file, disk);
      const bool struck = disk.has_struck();
      disk.heal();
      check(story, stored_in(file));
      remove(file);
      if (struck && !HasFailure()) continue;
      EXPECT_GT(nth, 10);  // there were some to fail
      return;
    }
  }

  // The same with a store that stays open; writes until one is stored again.
  void heal_from_every_call(Trouble trouble, bool lasting) {
    FaultDisk disk;
    for (std::int64_t nth = 1;; ++nth) {
      SCOPED_TRACE("call " + std::to_string(nth));
      const std::string file = fresh();
      Story story;
      Outcomes outcomes;
      bool struck = false;
      {
        const auto database = open_sqlite(file, kImpatient);
        disk.plan({trouble, nth, lasting});
        write_groups(*database, 0, outcomes);
        struck = disk.has_struck();
        disk.heal();
        for (int number = 1'000, done = false; !done; ++number) {
          write(*database, number, outcomes);
          done = outcomes.succeeded(number);
        }
      }
      note(outcomes, story);
      check(story, stored_in(file));
      remove(file);
      if (!struck || HasFailure()) return;
    }
  }

  testing::TemporaryFolder folder_;
  int copies_ = 0;
};

TEST_F(SqliteFaults, ACallThatFailsOnceLosesAndDoublesNothing) { strike_every_call(Trouble::io_error, false); }

TEST_F(SqliteFaults, CallsThatFailFromThereOnLoseAndDoubleNothing) { strike_every_call(Trouble::io_error, true); }

TEST_F(SqliteFaults, ADiskThatIsFullOnceOrForGoodLosesAndDoublesNothing) {
  strike_every_call(Trouble::disk_full, false);
  strike_every_call(Trouble::disk_full, true);
}

TEST_F(SqliteFaults, AShortWriteOnceOrForGoodLosesAndDoublesNothing) {
  strike_every_call(Trouble::short_write, false);
  strike_every_call(Trouble::short_write, true);
}

TEST_F(SqliteFaults, ASyncThatFailsOnceOrForGoodLosesAndDoublesNothing) {
  strike_every_call(Trouble::failed_sync, false);
  strike_every_call(Trouble::failed_sync, true);
}

TEST_F(SqliteFaults, AStoreThatStaysOpenHealsFromAnyCallThatFailed) {
  heal_from_every_call(Trouble::io_error, false);
  heal_from_every_call(Trouble::io_error, true);
  heal_from_every_call(Trouble::failed_sync, true);
  heal_from_every_call(Trouble::disk_full, true);
}

TEST_F(SqliteFaults, APowerCutAtAnySyncLosesNothingThatWasAcknowledged) {
  FaultDisk disk;
  for (std::int64_t nth = 1;; ++nth) {
    SCOPED_TRACE("sync " + std::to_string(nth));
    const std::string file = fresh();
    disk.plan({Trouble::power_cut, nth});
    Story story = live(file, disk);
    const bool struck = disk.has_struck();
    disk.heal();
    base::SeededRandom random{std::uint64_t(nth)};
    disk.restore(random);
    story.refused.clear();  // nobody was told any more
    const auto stored = stored_in(file);
    check(story, stored);
    // Whole groups, and none without those before it.
    for (const int life : {0, 1'000})
      for (int number = life; number < life + kGroups * kWritesOfGroup; ++number)
        EXPECT_TRUE(!stored.contains(number) || number == life || stored.contains(number - 1)) << number;
    remove(file);
    if (!struck || HasFailure()) {
      EXPECT_GT(nth, 10);
      return;
    }
  }
}

// The kernel forgets what it could not sync, and the next sync of the same file succeeds.
TEST_F(SqliteFaults, WhatIsAcknowledgedAfterAFailedSyncSurvivesAPowerCut) {
  FaultDisk disk;
  base::SeededRandom random{1};
  for (const bool lasting : {false, true})
    for (std::int64_t nth = 1;; ++nth) {
      SCOPED_TRACE((lasting ? "from sync " : "sync ") + std::to_string(nth));
      const std::string file = fresh();
      Story story;
      Outcomes outcomes;
      bool struck = false;
      {
        const auto database = open_sqlite(file);
        disk.plan({Trouble::failed_sync, nth, lasting});
        write_groups(*database, 0, outcomes);
        struck = disk.has_struck();
        disk.heal();
        outcomes.wait();
        write(*database, 1'000, outcomes);
        note(outcomes, story);
        disk.cut_power();
      }
      disk.heal();
      disk.restore(random);
      check(story, stored_in(file));
      remove(file);
      if (!struck || HasFailure()) break;
    }
}

}  // namespace
}  // namespace slipway::store
