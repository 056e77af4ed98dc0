// What both databases promise, on both.

#include <gtest/gtest.h>

#include <deque>
#include <limits>

#include "store/testing/heard.h"
#include "store/testing/store_fixture.h"

namespace slipway::store {
namespace {

using testing::Gate;
using testing::Heard;
using testing::Outcomes;
using testing::Store;

INSTANTIATE_TEST_SUITE_P(On, Store, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(Store, ReturnsEveryKindOfValueAsItWasWritten) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  const std::string big(3'000'000, 'x');
  const std::string unicode = "Grüße, 世界 \xF0\x9F\x9A\xA2 '; DROP TABLE things; -- \\ \" \n\t";
  database_->write_and_wait([&](Transaction& tx) {
    constexpr std::string_view kInsert = "INSERT INTO things (name, size, weight, note) VALUES ($1, $2, $3, $4)";
    tx.execute(kInsert, {"largest", kMax, 0.1, big});
    tx.execute(kInsert, {"none", 0, std::nullopt, std::nullopt});
    tx.execute(kInsert, {unicode, 1, -1e300, ""});
    tx.execute(kInsert, {"whole", true, 2, unicode});
  });
  reopen();
  Rows rows;
  database_->read_and_wait([&](Transaction& tx) {
    constexpr std::string_view kSelect = "SELECT name, size, weight, note FROM things WHERE name = $1";
    for (const std::string& name : {std::string("largest"), std::string("none"), unicode, std::string("whole")})
      rows.push_back(tx.query(kSelect, {name}).at(0));
  });
  EXPECT_EQ(rows[0].integer(1), kMax);
  EXPECT_EQ(rows[0].real(2), 0.1);
  EXPECT_EQ(rows[0].text(3), big);
  EXPECT_TRUE(rows[1].is_null(2));
  EXPECT_EQ(rows[1].text_or_null(3), std::nullopt);
  EXPECT_EQ(rows[2].text(0), unicode);
  EXPECT_EQ(rows[2].real(2), -1e300);
  EXPECT_EQ(rows[2].text(3), "");
  EXPECT_EQ(rows[3].integer(1), 1);
  EXPECT_EQ(rows[3].real(2), 2.0);
  EXPECT_EQ(rows[3].text(3), unicode);
}

TEST_P(Store, TakesParametersInAnyOrderAndMoreThanOnce) {
  database_->write_and_wait([](Transaction& tx) {
    tx.execute("INSERT INTO things (size, name, note) VALUES ($2, $1, $1)", {"a", 7});
    const Row row = tx.query("SELECT name, size, note FROM things WHERE size = $1 OR size = $1 + 1", {7}).at(0);
    EXPECT_EQ(row.text(0), "a");
    EXPECT_EQ(row.integer(1), 7);
    EXPECT_EQ(row.text(2), "a");
  });
}

TEST_P(Store, KeepsTimesToTheMillisecond) {
  const auto at = base::parse_rfc3339("2025-01-12T10:00:00.123Z").value();
  database_->write_and_wait([&](Transaction& tx) {
    tx.execute("INSERT INTO things (name, size) VALUES ($1, $2)", {"a", at});
    EXPECT_EQ(tx.query("SELECT size FROM things").at(0).instant(0), at);
    EXPECT_EQ(tx.query("SELECT note FROM things").at(0).instant_or_null(0), std::nullopt);
  });
}

TEST_P(Store, SumsAndComparisonsAreWholeNumbers) {
  database_->write_and_wait([](Transaction& tx) {
    add(tx, "a", 3);
    add(tx, "b", 4);
    const Row row = tx.query("SELECT sum(size), max(size), count(*), max(size) > 3, avg(size) FROM things").at(0);
    EXPECT_EQ(row.integer(0), 7);
    EXPECT_EQ(row.integer(1), 4);
    EXPECT_EQ(row.integer(2), 2);
    EXPECT_EQ(row.integer(3), 1);
    EXPECT_EQ(row.real(4), 3.5);
  });
}

TEST_P(Store, AFilterThatIsNullLetsEverythingPass) {
  database_->write_and_wait([](Transaction& tx) {
    add(tx, "a");
    add(tx, "b");
    constexpr std::string_view kFilter = "SELECT name FROM things WHERE (name = $1 OR $1 IS NULL)";
    EXPECT_EQ(tx.query(kFilter, {"a"}).size(), 1U);
    EXPECT_EQ(tx.query(kFilter, {std::nullopt}).size(), 2U);
  });
}

TEST_P(Store, WhatAWorkMakesOfARefusedStatementIsWhatItsCallerHears) {
  try {
    database_->write_and_wait([](Transaction& tx) {
      try {
        add(tx, "a");
        add(tx, "a");
      } catch (const base::Error&) {
        throw base::Error(base::ErrorClass::conflict, "CONFLICT", "a thing of that name exists");
      }
    });
    FAIL() << "it was stored";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "CONFLICT");
  }
  database_->read_and_wait([](Transaction& tx) { EXPECT_TRUE(tx.query("SELECT name FROM things").empty()); });
}

TEST_P(Store, CountsTheRowsThatAStatementChanged) {
  database_->write_and_wait([](Transaction& tx) {
    add(tx, "a");
    add(tx, "b");
    EXPECT_EQ(tx.execute("UPDATE things SET size = 5"), 2);
    EXPECT_EQ(tx.execute("UPDATE things SET size = 6 WHERE name = $1", {"nobody"}), 0);
    EXPECT_EQ(tx.execute("DELETE FROM things WHERE name = $1", {"a"}), 1);
    EXPECT_EQ(tx.execute("INSERT INTO things (name, size) VALUES ($1, 1) ON CONFLICT DO NOTHING", {"b"}), 0);
  });
}

TEST_P(Store, AnswersWhatAnUpsertStored) {
  constexpr std::string_view kUpsert =
      "INSERT INTO things (name, size) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET size = things.size + "
      "excluded.size RETURNING name, size";
  database_->write_and_wait([&](Transaction& tx) {
    EXPECT_EQ(tx.query(kUpsert, {"a", 1}).at(0).integer(1), 1);
    EXPECT_EQ(tx.query(kUpsert, {"a", 2}).at(0).integer(1), 3);
  });
}

TEST_P(Store, TellsWhichKindOfConstraintWasViolated) {
  database_->write_and_wait([](Transaction& tx) { add(tx, "a"); });
  EXPECT_EQ(kind_of_violation([](Transaction& tx) { add(tx, "a"); }), "unique");
  EXPECT_EQ(kind_of_violation([](Transaction& tx) { add(tx, "b", -1); }), "check");
  EXPECT_EQ(kind_of_violation([](Transaction& tx) { tx.execute("UPDATE things SET size = NULL"); }), "not_null");
  EXPECT_EQ(kind_of_violation([](Transaction& tx) { tx.execute("UPDATE things SET owner = 'nobody'"); }),
            "foreign_key");
  EXPECT_EQ(failure_of([](Transaction& tx) { add(tx, "b", -1); }).details().at("constraint").as_string(), "positive");
}

TEST_P(Store, SaysThatWrongSqlIsOurFaultAndGoesOn) {
  EXPECT_EQ(failure_of([](Transaction& tx) { tx.execute("SELEKT 1"); }).code(), "INTERNAL_ERROR");
  EXPECT_EQ(failure_of([](Transaction& tx) { tx.execute("SELECT * FROM nothing"); }).code(), "INTERNAL_ERROR");
  EXPECT_EQ(failure_of([](Transaction& tx) { tx.execute("DELETE FROM things WHERE name = $1"); }).code(),
            "INTERNAL_ERROR");
  database_->write_and_wait([](Transaction& tx) { add(tx, "a"); });
  EXPECT_EQ(count(), 1);
}

TEST_P(Store, RefusesTextThatOnlyOneDatabaseCouldHold) {
  const base::Error error = failure_of([](Transaction& tx) { add(tx, std::string_view("a\0b", 3)); });
  EXPECT_EQ(error.code(), "TEXT_NOT_STORABLE");
  EXPECT_EQ(error.error_class(), base::ErrorClass::user);
}

TEST_P(Store, UndoesAllOfAWorkThatThrows) {
  const auto failing = [](Transaction& tx) {
    add(tx, "a");
    throw base::invalid_state("changed my mind");
  };
  EXPECT_EQ(failure_of(failing).code(), "INVALID_STATE_TRANSITION");
  EXPECT_EQ(count(), 0);
}

TEST_P(Store, UndoesAWorkThatSwallowedAFailure) {
  const auto swallowing = [](Transaction& tx) {
    add(tx, "a");
    EXPECT_THROW(add(tx, "a"), base::Error);
    EXPECT_THROW(add(tx, "b"), base::Error);
  };
  EXPECT_EQ(failure_of(swallowing).code(), "CONSTRAINT_VIOLATED");
  EXPECT_EQ(count(), 0);
}

TEST_P(Store, ARefusedWriteUndoesNothingOfItsNeighboursInTheGroup) {
  Gate gate;
  Outcomes outcomes;
  hold_writer(gate, outcomes);
  const auto groups = database_->statistics().groups;
  for (int i = 0; i < 30; ++i) {
    const auto work = [i](Transaction& tx) {
      add(tx, "thing " + std::to_string(i));
      if (i % 3 == 0) add(tx, "thing " + std::to_string(i));
      if (i % 3 == 1) throw std::runtime_error("no");
    };
    database_->write(work, outcomes.done(i));
  }
  gate.open();
  for (int i = 0; i < 30; ++i) {
    const std::string expected = i % 3 == 0 ? "CONSTRAINT_VIOLATED" : i % 3 == 1 ? "INTERNAL_ERROR" : "";
    EXPECT_EQ(outcomes.code(i), expected);
  }
  EXPECT_TRUE(outcomes.each_was_called_once());
  EXPECT_EQ(database_->statistics().groups, groups + 2);  // the one that was held, and that of the thirty
  EXPECT_EQ(count(), 10);
}

TEST_P(Store, RunsAndReportsWritesInTheirOrder) {
  Outcomes outcomes;
  constexpr int kWrites = 2'000;
  for (int i = 0; i < kWrites; ++i) {
    const auto work = [i](Transaction& tx) {
      if (i == 0) add(tx, "a", 0);
      // Fails unless all before it have run.
      if (tx.execute("UPDATE things SET size = size + 1 WHERE size = $1", {i}) != 1) throw base::invalid_state("order");
    };
    database_->write(work, outcomes.done(i));
  }
  EXPECT_EQ(outcomes.failed(), 0u);
  EXPECT_TRUE(std::ranges::is_sorted(outcomes.order()));
}

TEST_P(Store, ReadsSeeOnlyWhatIsCommitted) {
  Gate gate, written;
  Outcomes outcomes;
  const auto work = [&](Transaction& tx) {
    add(tx, "a");
    written.open();
    gate.wait();
  };
  database_->write(work, outcomes.done(0));
  written.wait();
  EXPECT_EQ(count(), 0);
  gate.open();
  EXPECT_TRUE(outcomes.succeeded(0));
  EXPECT_EQ(count(), 1);
}

TEST_P(Store, AReadSeesOneMomentHoweverLongItTakes) {
  database_->read_and_wait([&](Transaction& tx) {
    EXPECT_EQ(tx.query("SELECT count(*) FROM things")[0].integer(0), 0);
    Outcomes outcomes;
    database_->write([](Transaction& writing) { add(writing, "a"); }, outcomes.done(0));
    EXPECT_TRUE(outcomes.succeeded(0));
    EXPECT_EQ(tx.query("SELECT count(*) FROM things")[0].integer(0), 0);
  });
  EXPECT_EQ(count(), 1);
}

TEST_P(Store, AReadCannotWrite) {
  EXPECT_THROW(database_->read_and_wait([](Transaction& tx) { add(tx, "a"); }), base::Error);
  EXPECT_EQ(count(), 0);
}

TEST_P(Store, ABellIsHeardByAllWhoListenToItsChannel) {
  Heard one, two, other;
  const auto first = database_->listen("replicas", one.bell());
  const auto second = database_->listen("replicas", two.bell());
  const auto third = database_->listen("others", other.bell());
  database_->ring("replicas", "inputs");
  database_->ring("others", "it's \"departed\"");
  one.wait_for("inputs");
  two.wait_for("inputs");
  other.wait_for("it's \"departed\"");
  EXPECT_EQ(other.times("inputs"), 0u);
}

TEST_P(Store, ABellMayBeRungWhenAWriteIsDoneAndByOneThatIsHeard) {
  Heard heard;
  const auto listening = database_->listen("replicas", [&, bell = heard.bell()](std::string_view word) {
    if (word == "done") database_->ring("replicas", "answer");
    bell(word);
  });
  database_->write([](Transaction& tx) { add(tx, "a"); },
                   [&](std::exception_ptr) { database_->ring("replicas", "done"); });
  heard.wait_for("answer");
}

TEST_P(Store, WhoEndedListeningIsNotCalledAnyMore) {
  Heard gone, still;
  auto listening = database_->listen("replicas", gone.bell());
  const auto other = database_->listen("replicas", still.bell());
  database_->ring("replicas", "first");
  gone.wait_for("first");
  listening.reset();
  database_->ring("replicas", "second");
  still.wait_for("second");
  EXPECT_EQ(gone.times("second"), 0u);
}

TEST_P(Store, StatementsThatAreBuiltAreNotMistakenForOthers) {
  database_->write_and_wait([](Transaction& tx) {
    std::string sql = "SELECT 1 + 1";
    EXPECT_EQ(tx.query(sql)[0].integer(0), 2);
    sql[7] = '5';  // the same address and length
    EXPECT_EQ(tx.query(sql)[0].integer(0), 6);
  });
}

TEST_P(Store, ForgetsStatementsThatAreTooMany) {
  database_->write_and_wait([](Transaction& tx) {
    std::deque<std::string> statements;
    for (int i = 0; i < 2'500; ++i) {
      statements.push_back("SELECT " + std::to_string(i));
      ASSERT_EQ(tx.query(statements.back())[0].integer(0), i);
    }
  });
}

TEST_P(Store, CountsWritesOfManyThreadsExactlyOnce) {
  constexpr int kThreads = 8, kWrites = 1'000;
  Outcomes outcomes;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kWrites; ++i) {
          const int number = thread * kWrites + i;
          database_->write([number](Transaction& tx) { add(tx, std::to_string(number)); }, outcomes.done(number));
        }
      });
  }
  EXPECT_EQ(outcomes.failed(), 0u);
  EXPECT_TRUE(outcomes.each_was_called_once());
  EXPECT_EQ(count(), kThreads * kWrites);
  const Database::Statistics statistics = database_->statistics();
  EXPECT_EQ(statistics.writes, kThreads * kWrites + 1u);  // and the one that made the tables
  EXPECT_LT(statistics.groups, statistics.writes / 2);
  EXPECT_EQ(statistics.queued, 0u);
  EXPECT_TRUE(statistics.healthy);
}

TEST_P(Store, ClosingItCommitsWhatWaits) {
  Gate gate;
  Outcomes outcomes;
  hold_writer(gate, outcomes);
  for (int i = 0; i < 1'000; ++i)
    database_->write([i](Transaction& tx) { add(tx, std::to_string(i)); }, outcomes.done(i));
  gate.open();
  reopen();
  EXPECT_EQ(outcomes.failed(), 0u);
  EXPECT_EQ(count(), 1'000);
}

TEST_P(Store, RefusesASchemaFromTheFuture) {
  reopen();  // what is up to date opens
  database_->write_and_wait(
      [](Transaction& tx) { tx.execute("INSERT INTO schema_migrations VALUES (9999, 'from_the_future', 'x', 0)"); });
  database_.reset();
  EXPECT_EQ(code_of_opening(), "MIGRATION_MISMATCH");
}

TEST_P(Store, RefusesAMigrationWhoseTextHasChanged) {
  database_->write_and_wait([](Transaction& tx) { tx.execute("UPDATE schema_migrations SET sha256 = 'x'"); });
  database_.reset();
  EXPECT_EQ(code_of_opening(), "MIGRATION_MISMATCH");
}

}  // namespace
}  // namespace slipway::store
