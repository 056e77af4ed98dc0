#include "store/store.h"

#include <gtest/gtest.h>

#include "store/testing/memory_database.h"
#include "store/testing/temporary_database.h"

namespace slipway::store {
namespace {

TEST(Store, KeepsWhatWasWrittenOverAReopen) {
  testing::TemporaryDatabase database;
  database->write_and_wait([](Transaction& tx) {
    tx.execute("CREATE TABLE things (name TEXT PRIMARY KEY, size BIGINT)");
    tx.execute("INSERT INTO things VALUES ($1, $2)", {"a", 7});
  });
  database.reopen();
  std::int64_t size = 0;
  database->read_and_wait(
      [&](Transaction& tx) { size = tx.query("SELECT size FROM things WHERE name = $1", {"a"})[0].integer(0); });
  EXPECT_EQ(size, 7);
}

TEST(MemoryDatabase, ForgetsWhatWasNotCommitted) {
  testing::MemoryDatabase database;
  database.write([](Transaction& tx) { tx.execute("CREATE TABLE things (name TEXT PRIMARY KEY)"); });
  EXPECT_FALSE(database.apply([](Transaction& tx) { tx.execute("INSERT INTO things VALUES ('a')"); }));
  EXPECT_TRUE(database.apply([](Transaction& tx) { tx.execute("INSERT INTO things VALUES ('a')"); }));
  database.rollback();
  database.read([](Transaction& tx) { EXPECT_EQ(tx.query("SELECT * FROM things").size(), 0u); });
}

}  // namespace
}  // namespace slipway::store
