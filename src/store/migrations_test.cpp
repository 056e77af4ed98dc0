#include "store/migrations.h"

#include <gtest/gtest.h>

#include "store/sqlite_session.h"

namespace slipway::store {
namespace {

class MigrationsTest : public ::testing::Test {
 protected:
  void run(const std::vector<Migration>& migrations) {
    SqliteMigrationSession session(connection_);
    migrate(session, migrations);
  }
  std::vector<std::int64_t> applied() {
    std::vector<std::int64_t> numbers;
    for (const Row& row : connection_.query("SELECT number FROM schema_migrations ORDER BY number"))
      numbers.push_back(row.integer(0));
    return numbers;
  }

  SqliteConnection connection_{"", SqliteMode::memory};
  const Migration first_{1, "first", std::nullopt, "CREATE TABLE a (x BIGINT); CREATE TABLE b (x BIGINT);"};
  const Migration second_{2, "second", std::nullopt, "INSERT INTO a VALUES (1)"};
};

TEST_F(MigrationsTest, AreAppliedOnceAndInOrder) {
  run({first_});
  run({first_, second_});
  run({first_, second_});
  EXPECT_EQ(applied(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(connection_.query("SELECT * FROM a").size(), 1u);
}

TEST_F(MigrationsTest, OneThatFailsLeavesNothingBehindAndTheEarlierOnesStand) {
  const Migration broken{2, "broken", std::nullopt, "CREATE TABLE c (x BIGINT); INSERT INTO nowhere VALUES (1)"};
  EXPECT_THROW(run({first_, broken}), base::Error);
  EXPECT_EQ(applied(), std::vector<std::int64_t>{1});
  EXPECT_EQ(connection_.query("SELECT name FROM sqlite_schema WHERE name = 'c'").size(), 0u);
  run({first_, second_});
  EXPECT_EQ(applied(), (std::vector<std::int64_t>{1, 2}));
}

TEST_F(MigrationsTest, OfTwoTextsTheOneForThisDatabaseIsTaken) {
  const Migration ours{2, "second", Dialect::sqlite, "CREATE TABLE ours (x BIGINT)"};
  const Migration theirs{2, "second", Dialect::postgres, "CREATE TABLE theirs (x BIGINT)"};
  run({first_, theirs, ours});
  EXPECT_EQ(connection_.query("SELECT * FROM ours").size(), 0u);
}

TEST_F(MigrationsTest, TheProgramCarriesItsOwn) {
  run(embedded_migrations());
  EXPECT_EQ(connection_.query("SELECT * FROM commit_markers").size(), 0u);
}

}  // namespace
}  // namespace slipway::store
