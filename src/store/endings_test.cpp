// What is done once for a group, at its end, on both databases: Database::add_ending.

#include "store/endings.h"

#include <gtest/gtest.h>

#include "store/testing/memory_database.h"
#include "store/testing/store_fixture.h"

namespace slipway::store {
namespace {

using testing::Gate;
using testing::MemoryDatabase;
using testing::Outcomes;
using testing::PostgresCluster;
using Groups = std::vector<std::vector<int>>;

// Notes in table `ended` what was left, and by which call of the ending: as a chain does, behind a lock on its head.
// A number below 0 fails it.
Ending note_in() {
  return [](Transaction& tx, std::span<const std::any> items) {
    const auto head =
        tx.dialect() == Dialect::postgres ? "SELECT turn FROM head WHERE id = 1 FOR UPDATE" : "SELECT turn FROM head";
    const std::int64_t turn = tx.query(head).at(0).integer(0) + 1;
    for (const auto& item : items) {
      const int number = std::any_cast<int>(item);
      if (number < 0) throw base::internal_error("refused by the ending");
      tx.execute_many("INSERT INTO ended (turn, number) VALUES ($1, $2)", 2, std::vector<Parameter>{turn, number});
    }
    tx.execute_many("UPDATE head SET turn = $1 WHERE id = 1", 1, std::vector<Parameter>{turn});
  };
}

class StoreEndings : public testing::Store {
 protected:
  StoreEndings() {
    database_->write_and_wait([](Transaction& tx) {
      tx.execute("CREATE TABLE head (id BIGINT PRIMARY KEY, turn BIGINT NOT NULL)");
      tx.execute("INSERT INTO head VALUES (1, 0)");
      tx.execute("CREATE TABLE ended (turn BIGINT NOT NULL, number BIGINT NOT NULL)");
    });
    database_->add_ending("note", note_in());
  }

  static std::function<void(Transaction&)> leaving(int number) {
    return [number](Transaction& tx) {
      add(tx, "thing " + std::to_string(number));
      tx.leave_to("note", number);
    };
  }
  // All of them become one group.
  void write_group(const std::vector<std::pair<int, std::function<void(Transaction&)>>>& works) {
    Gate gate;
    hold_writer(gate, outcomes_);
    for (const auto& [number, work] : works) database_->write(work, outcomes_.done(number));
    gate.open();
    outcomes_.wait();
  }
  // What the ending was given, call by call.
  Groups ended() {
    Groups groups;
    database_->read_and_wait([&](Transaction& tx) {
      groups.clear();
      std::int64_t last = 0;
      for (const Row& row : tx.query("SELECT turn, number FROM ended ORDER BY turn, number")) {
        if (row.integer(0) != std::exchange(last, row.integer(0))) groups.emplace_back();
        groups.back().push_back(int(row.integer(1)));
      }
    });
    return groups;
  }

  Outcomes outcomes_;
};

INSTANTIATE_TEST_SUITE_P(On, StoreEndings, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(StoreEndings, AnEndingRunsOnceForAGroupWithAllThatItsWorksLeft) {
  write_group({{1, leaving(1)}, {2, leaving(2)}, {3, leaving(3)}});
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(ended(), (Groups{{1, 2, 3}}));
  database_->write_and_wait(leaving(4));
  EXPECT_EQ(ended(), (Groups{{1, 2, 3}, {4}}));
  database_->write_and_wait([](Transaction& tx) { add(tx, "leaves nothing"); });
  EXPECT_EQ(ended(), (Groups{{1, 2, 3}, {4}}));
}

TEST_P(StoreEndings, WhatAFailedWorkLeftIsForgottenWithIt) {
  const auto fails_at_once = [](Transaction& tx) {
    tx.leave_to("note", 98);
    throw base::internal_error("before it wrote anything");
  };
  const auto fails_late = [](Transaction& tx) {
    add(tx, "gone");
    tx.leave_to("note", 99);
    throw base::internal_error("so that the group is run again under savepoints");
  };
  write_group({{1, leaving(1)}, {2, fails_at_once}, {3, fails_late}, {4, leaving(4)}});
  EXPECT_EQ(outcomes_.failed(), 2u);
  EXPECT_EQ(ended(), (Groups{{1, 4}}));
  EXPECT_EQ(count(), 2);
}

TEST_P(StoreEndings, AWorkWhoseItemFailsTheEndingTakesNobodyWithIt) {
  write_group({{1, leaving(1)}, {2, leaving(-2)}, {3, leaving(3)}});
  EXPECT_EQ(outcomes_.code(2), "INTERNAL_ERROR");
  EXPECT_EQ(outcomes_.failed(), 1u);
  EXPECT_EQ(ended(), (Groups{{1}, {3}}));
  EXPECT_EQ(count(), 2);
  EXPECT_TRUE(database_->statistics().healthy);
  database_->write_and_wait(leaving(4));
  EXPECT_EQ(ended(), (Groups{{1}, {3}, {4}}));
}

TEST_P(StoreEndings, AnEndingThatSwallowsAFailureHasFailed) {
  database_->add_ending("careless", [](Transaction& tx, std::span<const std::any>) {
    try {
      tx.execute("INSERT INTO things (name, size) VALUES ('a', -1)");
    } catch (const base::Error&) {
    }
  });
  const auto failure = failure_of([](Transaction& tx) {
    add(tx, "never");
    tx.leave_to("careless", 1);
  });
  EXPECT_EQ(failure.code(), "CONSTRAINT_VIOLATED");
  EXPECT_EQ(count(), 0);
}

TEST_P(StoreEndings, RowsThatWereNotWaitedForAreToldToTheirWorkAndNotToTheEnding) {
  const auto twice = [](Transaction& tx) {
    const std::vector<Parameter> rows{"same", 1, "same", 1};
    tx.execute_many("INSERT INTO things (name, size) VALUES ($1, $2)", 2, rows);
    tx.leave_to("note", 99);
  };
  write_group({{1, leaving(1)}, {2, twice}, {3, leaving(3)}});
  EXPECT_EQ(outcomes_.code(2), "CONSTRAINT_VIOLATED");
  EXPECT_EQ(outcomes_.failed(), 1u);
  EXPECT_EQ(ended(), (Groups{{1, 3}}));
}

TEST_P(StoreEndings, NothingCanBeLeftWhereNoEndingFollows) {
  EXPECT_EQ(failure_of([](Transaction& tx) { tx.leave_to("nobody", 1); }).code(), "INTERNAL_ERROR");
  EXPECT_THROW(database_->read_and_wait([](Transaction& tx) { tx.leave_to("note", 1); }), base::Error);
  database_->add_ending("endless", [](Transaction& tx, std::span<const std::any>) { tx.leave_to("note", 1); });
  EXPECT_EQ(failure_of([](Transaction& tx) { tx.leave_to("endless", 1); }).code(), "INTERNAL_ERROR");
}

TEST_P(StoreEndings, EndingsRunInTheOrderInWhichTheyWereAdded) {
  database_->add_ending("last", [](Transaction& tx, std::span<const std::any>) {
    add(tx, "seen by the last", tx.query("SELECT turn FROM head").at(0).integer(0));
  });
  database_->write_and_wait([](Transaction& tx) {
    tx.leave_to("last", 0);
    tx.leave_to("note", 1);
  });
  database_->read_and_wait([](Transaction& tx) {
    EXPECT_EQ(tx.query("SELECT size FROM things WHERE name = 'seen by the last'").at(0).integer(0), 1);
  });
}

// ---- PostgreSQL: several replicas

class PostgresEndings : public StoreEndings {
 protected:
  std::unique_ptr<Database> another_replica() {
    auto replica = open(url_);
    replica->add_ending("note", note_in());
    return replica;
  }
};

INSTANTIATE_TEST_SUITE_P(On, PostgresEndings, ::testing::Values(Dialect::postgres),
                         [](const auto&) { return "Postgres"; });

// Each group locks rows of its own choice, in any order, then the head; a lock on the head that came first, in the
// middle of a group, would end in a deadlock with a neighbour's rows.
TEST_P(PostgresEndings, ReplicasWaitForTheHeadAndNotForEachOther) {
  constexpr int kEach = 400;
  database_->write_and_wait([](Transaction& tx) {
    for (int i = 0; i < 8; ++i) add(tx, "row " + std::to_string(i));
  });
  const auto other = another_replica();
  const auto write_all = [&](Database& database, int from) {
    for (int i = from; i < from + kEach; ++i)
      database.write(
          [i](Transaction& tx) {
            tx.execute("UPDATE things SET size = size + 1 WHERE name = $1", {"row " + std::to_string(i % 8)});
            tx.leave_to("note", i);
          },
          outcomes_.done(i));
  };
  std::jthread first([&] { write_all(*database_, 0); });
  std::jthread second([&] { write_all(*other, kEach); });
  first.join();
  second.join();
  outcomes_.wait();
  EXPECT_EQ(outcomes_.failed(), 0u);
  std::size_t noted = 0;
  for (const auto& group : ended()) noted += group.size();
  EXPECT_EQ(noted, std::size_t(2 * kEach));
  database_->read_and_wait([&](Transaction& tx) {
    const auto row = tx.query("SELECT (SELECT turn FROM head), (SELECT COUNT(DISTINCT turn) FROM ended)").at(0);
    EXPECT_EQ(row.integer(0), row.integer(1));  // no turn was given twice, or lost
  });
}

TEST_P(PostgresEndings, AConnectionThatIsLostInAnEndingChangesNothing) {
  auto& cluster = PostgresCluster::shared();
  const auto other = open(url_);
  Gate locked, release;
  Outcomes holding;
  other->write(
      [&](Transaction& tx) {
        tx.query("SELECT turn FROM head WHERE id = 1 FOR UPDATE");
        locked.open();
        release.wait();
      },
      holding.done(0));
  locked.wait();
  database_->write(leaving(1), outcomes_.done(1));
  const std::string waiting =
      "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = "
      "'transactionid'";
  // The server takes the lock from one who holds it in silence for long: then nobody waits for it any more.
  while (cluster.run(url_, "SELECT count(*) " + waiting) == "0" && !outcomes_.is_complete()) std::this_thread::yield();
  cluster.run(url_, "SELECT pg_terminate_backend(pid) " + waiting);
  release.open();
  EXPECT_EQ(holding.failed(), 0u);
  EXPECT_EQ(outcomes_.failed(), 0u);
  EXPECT_EQ(ended(), (Groups{{1}}));
  EXPECT_EQ(count(), 1);
}

// ---- in memory, for the simulation

TEST(MemoryDatabaseEndings, RunAtTheCommitAndNotAfterACrash) {
  MemoryDatabase database;
  database.write([](Transaction& tx) { tx.execute("CREATE TABLE ended (number BIGINT)"); });
  database.add_ending("note", [](Transaction& tx, std::span<const std::any> items) {
    for (const auto& item : items) tx.execute("INSERT INTO ended VALUES ($1)", {std::any_cast<int>(item)});
  });
  const auto leave = [](int number) { return [number](Transaction& tx) { tx.leave_to("note", number); }; };
  EXPECT_FALSE(database.apply(leave(1)));
  database.rollback();
  EXPECT_FALSE(database.apply(leave(2)));
  EXPECT_FALSE(database.apply(leave(3)));
  database.commit();
  database.read([](Transaction& tx) {
    const auto rows = tx.query("SELECT number FROM ended ORDER BY number");
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].integer(0), 2);
  });
}

}  // namespace
}  // namespace slipway::store
