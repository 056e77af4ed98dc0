#include "store/testing/memory_database.h"

#include <gtest/gtest.h>

namespace slipway::store::testing {
namespace {

Work add(int number) {
  return [number](Transaction& tx) { tx.execute("INSERT INTO events VALUES ($1)", {number}); };
}

class MemoryDatabaseTest : public ::testing::Test {
 protected:
  MemoryDatabaseTest() {
    database_.write([](Transaction& tx) { tx.execute("CREATE TABLE events (number BIGINT PRIMARY KEY)"); });
  }
  std::int64_t count() {
    std::int64_t result = 0;
    database_.read([&](Transaction& tx) { result = tx.query("SELECT count(*) FROM events")[0].integer(0); });
    return result;
  }
  MemoryDatabase database_;
};

TEST_F(MemoryDatabaseTest, KeepsWhatIsCommitted) {
  EXPECT_FALSE(database_.apply(add(1)));
  EXPECT_FALSE(database_.apply(add(2)));
  database_.commit();
  database_.rollback();
  EXPECT_EQ(count(), 2);
}

TEST_F(MemoryDatabaseTest, ACrashBeforeTheCommitLeavesNothingOfTheGroup) {
  EXPECT_FALSE(database_.apply(add(1)));
  database_.rollback();
  EXPECT_EQ(count(), 0);
}

TEST_F(MemoryDatabaseTest, ARefusedWorkUndoesNothingOfItsNeighbours) {
  std::vector<Work> works;
  for (const int number : {1, 1, 2}) works.push_back(add(number));
  const auto failures = database_.apply(works);
  database_.commit();
  EXPECT_FALSE(failures[0]);
  EXPECT_EQ(base::as_error(failures[1]).code(), "CONSTRAINT_VIOLATED");
  EXPECT_FALSE(failures[2]);
  EXPECT_EQ(count(), 2);
}

TEST_F(MemoryDatabaseTest, EachIsAWorldOfItsOwn) {
  database_.write(add(1));
  MemoryDatabase other;
  EXPECT_THROW(other.write(add(1)), base::Error);  // it has no such table
  other.read([](Transaction& tx) { EXPECT_EQ(tx.query("SELECT * FROM commit_markers").size(), 0u); });
}

TEST_F(MemoryDatabaseTest, ABellIsHeardAtOnce) {
  std::vector<std::string> words;
  const auto listening = database_.listen("replicas", [&](std::string_view word) { words.emplace_back(word); });
  database_.ring("replicas", "inputs");
  database_.ring("others", "inputs");
  EXPECT_EQ(words, std::vector<std::string>{"inputs"});
}

}  // namespace
}  // namespace slipway::store::testing
