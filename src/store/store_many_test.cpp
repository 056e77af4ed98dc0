// Rows written as sets, and many writes in one group: what both databases promise, on both.

#include <gtest/gtest.h>

#include <limits>

#include "store/testing/store_fixture.h"

namespace slipway::store {
namespace {

using testing::Gate;
using testing::Outcomes;
using testing::Store;

TEST_P(Store, ExecuteManyStoresEveryRowOrNone) {
  constexpr std::string_view kInsert = "INSERT INTO things (name, size) VALUES ($1, $2)";
  const auto rows = [](int from, int to) {
    std::vector<Parameter> parameters;
    for (int i = from; i < to; ++i) {
      parameters.emplace_back("thing " + std::to_string(i));
      parameters.emplace_back(i);
    }
    return parameters;
  };
  database_->write_and_wait([&](Transaction& tx) { tx.execute_many(kInsert, 2, rows(0, 1'000)); });
  EXPECT_EQ(count(), 1'000);
  EXPECT_EQ(kind_of_violation([&](Transaction& tx) { tx.execute_many(kInsert, 2, rows(999, 2'000)); }), "unique");
  EXPECT_EQ(
      kind_of_violation([&](Transaction& tx) { tx.execute_many(kInsert, 2, rows(1'001, 2'000)), add(tx, "thing 3"); }),
      "unique");
  database_->write_and_wait([&](Transaction& tx) { tx.execute_many(kInsert, 2, {}); });
  EXPECT_EQ(count(), 1'000);
}

TEST_P(Store, ExecuteManyStoresEveryKindOfValueAsItWas) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  const std::vector<std::string> texts{"", "NULL", "{a,b}", "\"quoted\" \\ 'too'", "Grüße, 世界 \xF0\x9F\x9A\xA2\n\t"};
  database_->write_and_wait([&](Transaction& tx) {
    tx.execute("CREATE TABLE kinds (number BIGINT, whole BIGINT, real DOUBLE PRECISION, text TEXT)");
    std::vector<Parameter> rows{0, kMin, -1e300, std::nullopt, 1, std::nullopt, 2, Parameter::view("viewed")};
    for (std::size_t i = 0; i < texts.size(); ++i)
      for (Parameter& value : std::vector<Parameter>{int(i) + 2, 7, std::nullopt, texts[i]}) rows.push_back(value);
    tx.execute_many("INSERT INTO kinds (number, whole, real, text) VALUES ($1, $2, $3, $4)", 4, rows);
  });
  Rows rows;
  database_->read_and_wait(
      [&](Transaction& tx) { rows = tx.query("SELECT whole, real, text FROM kinds ORDER BY number"); });
  ASSERT_EQ(rows.size(), texts.size() + 2);
  EXPECT_EQ(rows[0].integer(0), kMin);
  EXPECT_EQ(rows[0].real(1), -1e300);
  EXPECT_TRUE(rows[0].is_null(2));
  EXPECT_TRUE(rows[1].is_null(0));
  EXPECT_EQ(rows[1].real(1), 2.0);
  EXPECT_EQ(rows[1].text(2), "viewed");
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(rows[i + 2].text(2), texts[i]);
}

TEST_P(Store, ExecuteManyChangesAndRemovesWhatEachRowNames) {
  database_->write_and_wait([](Transaction& tx) {
    for (const char* name : {"a", "b", "c", "d"}) add(tx, name);
    tx.execute_many("UPDATE things SET size = $2, note = $3 WHERE name = $1 AND size < $2", 3,
                    std::vector<Parameter>{"a", 5, "five", "b", 6, std::nullopt, "nobody", 7, "", "c", 0, "less"});
    tx.execute_many("DELETE FROM things WHERE name = $1", 1, std::vector<Parameter>{"d", "nobody"});
    const Rows rows = tx.query("SELECT name, size, note FROM things ORDER BY name");
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].integer(1), 5);
    EXPECT_EQ(rows[0].text(2), "five");
    EXPECT_EQ(rows[1].integer(1), 6);
    EXPECT_EQ(rows[2].integer(1), 1);
  });
}

TEST_P(Store, ExecuteManyTakesConstantsAndConflicts) {
  database_->write_and_wait([](Transaction& tx) {
    add(tx, "a");
    tx.execute_many("INSERT INTO things (name, size, note) VALUES ($1, 3, 'VALUES (') ON CONFLICT DO NOTHING", 1,
                    std::vector<Parameter>{"a", "b", "b"});
    tx.execute_many(
        "INSERT INTO things (name, size) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET size = things.size + "
        "excluded.size",
        2, std::vector<Parameter>{"a", 10, "c", 10});
    const Rows rows = tx.query("SELECT size FROM things ORDER BY name");
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].integer(0), 11);
    EXPECT_EQ(rows[1].integer(0), 3);
    EXPECT_EQ(rows[2].integer(0), 10);
  });
}

TEST_P(Store, ExecuteManyRefusesWhatIsNotAChangeOfRows) {
  const std::vector<Parameter> one{"a"};
  for (const char* sql : {"SELECT name FROM things WHERE name = $1", "UPDATE things SET note = $1",
                          "INSERT INTO things SELECT * FROM things WHERE name = $1", "DROP TABLE things"})
    EXPECT_EQ(failure_of([&](Transaction& tx) { tx.execute_many(sql, 1, one); }).code(), "INTERNAL_ERROR") << sql;
  EXPECT_EQ(failure_of([&](Transaction& tx) {
              tx.execute_many("INSERT INTO things (name, size) VALUES ($1, $2)", 1, one);
            }).code(),
            "INTERNAL_ERROR");
}

TEST_P(Store, RowsOfExecuteManyKeepTheirOrderAmongOtherStatements) {
  database_->write_and_wait([](Transaction& tx) {
    constexpr std::string_view kOwner = "INSERT INTO owners (name) VALUES ($1)";
    constexpr std::string_view kThing = "INSERT INTO things (name, size, owner) VALUES ($1, 1, $2)";
    const auto insert = [&](std::string_view sql, std::vector<Parameter> row) {
      tx.execute_many(sql, row.size(), row);
    };
    insert(kThing, {"of nobody", std::nullopt});
    insert(kOwner, {"mia"});
    insert(kThing, {"of mia", "mia"});  // which PostgreSQL would refuse beside the thing of nobody
    EXPECT_EQ(tx.execute("UPDATE things SET size = 2 WHERE owner = 'mia'"), 1);
    insert(kOwner, {"ben"});
    tx.execute_many("UPDATE things SET owner = $2 WHERE name = $1", 2, std::vector<Parameter>{"of nobody", "ben"});
    tx.execute_many("DELETE FROM things WHERE owner = $1", 1, std::vector<Parameter>{"mia"});
    insert(kThing, {"of mia", "ben"});
  });
  EXPECT_EQ(count(), 2);
}

TEST_P(Store, ARefusedRowFailsItsOwnWriteAndNoOther) {
  Gate gate;
  Outcomes outcomes;
  hold_writer(gate, outcomes);
  for (int i = 0; i < 40; ++i) {
    const auto work = [i](Transaction& tx) {
      const std::string name = "thing " + std::to_string(i);
      const std::vector<Parameter> rows{name, i, i % 4 == 1 ? name : name + " too", i};
      tx.execute_many("INSERT INTO things (name, size) VALUES ($1, $2)", 2, rows);
      if (i % 4 == 2) throw base::invalid_state("no");
    };
    database_->write(work, outcomes.done(i));
  }
  gate.open();
  for (int i = 0; i < 40; ++i)
    EXPECT_EQ(outcomes.code(i), i % 4 == 1 ? "CONSTRAINT_VIOLATED" : i % 4 == 2 ? "INVALID_STATE_TRANSITION" : "");
  EXPECT_TRUE(std::ranges::is_sorted(outcomes.order()));
  EXPECT_TRUE(outcomes.each_was_called_once());
  EXPECT_EQ(count(), 40);
}

TEST_P(Store, AWriteThatOnlyLookedBeforeItRefusedTakesNoRowsOfOthersWithIt) {
  Gate gate;
  Outcomes outcomes;
  hold_writer(gate, outcomes);
  int runs = 0;
  for (int i = 0; i < 10; ++i) {
    const auto work = [i, &runs](Transaction& tx) {
      ++runs;
      if (i % 2 == 0) return add(tx, "thing " + std::to_string(i));
      if (!tx.query("SELECT name FROM things WHERE name = $1", {"thing " + std::to_string(i - 1)}).empty())
        throw base::invalid_state("the other one is there");
    };
    database_->write(work, outcomes.done(i));
  }
  gate.open();
  EXPECT_EQ(outcomes.failed(), 5u);
  EXPECT_EQ(count(), 5);
  EXPECT_EQ(runs, 10);  // none was run twice
}

TEST_P(Store, WhatIsHeldIsAskedOnceInAGroupUntilSomethingElseIsWritten) {
  database_->write_and_wait([](Transaction& tx) { add(tx, "fence"); });
  Gate gate;
  Outcomes outcomes;
  hold_writer(gate, outcomes);
  const auto is_held = [](Transaction& tx) {
    return !tx.query_held("SELECT name FROM things WHERE name = $1", {"fence"}).empty();
  };
  const auto move_fence = [](Transaction& tx, const char* from, const char* to) {
    tx.execute_many("UPDATE things SET name = $2 WHERE name = $1", 2, std::vector<Parameter>{from, to});
  };
  database_->write(
      [&](Transaction& tx) {
        EXPECT_TRUE(is_held(tx));
        move_fence(tx, "fence", "moved");
      },
      outcomes.done(0));
  database_->write(
      [&](Transaction& tx) {
        EXPECT_TRUE(is_held(tx));  // remembered, as the contract forbids what the first one did
        EXPECT_TRUE(tx.query_held("SELECT name FROM things WHERE name = $1", {"other"}).empty());
        tx.execute("DELETE FROM things WHERE name = 'moved'");
        EXPECT_FALSE(is_held(tx));
      },
      outcomes.done(1));
  gate.open();
  EXPECT_EQ(outcomes.failed(), 0u);
}

TEST_P(Store, WhatWasHeldInAWriteThatIsUndoneIsAskedAgain) {
  Gate gate;
  Outcomes outcomes;
  hold_writer(gate, outcomes);
  const auto is_held = [](Transaction& tx) {
    return !tx.query_held("SELECT name FROM things WHERE name = $1", {"fence"}).empty();
  };
  database_->write(
      [&](Transaction& tx) {
        tx.execute_many("INSERT INTO things (name, size) VALUES ($1, 1)", 1, std::vector<Parameter>{"fence"});
        EXPECT_TRUE(is_held(tx));
        throw base::invalid_state("no");
      },
      outcomes.done(0));
  database_->write([&](Transaction& tx) { EXPECT_FALSE(is_held(tx)); }, outcomes.done(1));
  gate.open();
  EXPECT_EQ(outcomes.failed(), 1u);
}

}  // namespace
}  // namespace slipway::store
