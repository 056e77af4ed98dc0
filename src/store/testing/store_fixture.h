#pragma once
// What the tests of both databases share: one of them, fresh, with two tables. For test programs.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "store/store.h"
#include "store/testing/gate.h"
#include "store/testing/outcomes.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::store::testing {

class Store : public ::testing::TestWithParam<Dialect> {
 protected:
  Store() : url_(GetParam() == Dialect::sqlite ? sqlite_url() : postgres_url()) {
    database_ = open(url_);
    database_->write_and_wait([](Transaction& tx) {
      tx.execute("CREATE TABLE owners (name TEXT PRIMARY KEY)");
      tx.execute(
          "CREATE TABLE things (name TEXT PRIMARY KEY, size BIGINT NOT NULL, weight DOUBLE PRECISION, "
          "note TEXT, owner TEXT REFERENCES owners (name), CONSTRAINT positive CHECK (size >= 0))");
    });
  }

  std::string sqlite_url() const { return folder_.path() / "slipway.db"; }
  static std::string postgres_url() { return PostgresCluster::shared().create_database(); }

  void reopen() {
    database_.reset();
    database_ = open(url_);
  }

  static void add(Transaction& tx, std::string_view name, std::int64_t size = 1) {
    tx.execute("INSERT INTO things (name, size) VALUES ($1, $2)", {name, size});
  }

  std::int64_t count() {
    std::int64_t result = -1;
    database_->read_and_wait([&](Transaction& tx) { result = tx.query("SELECT count(*) FROM things")[0].integer(0); });
    return result;
  }

  base::Error failure_of(Work work) {
    try {
      database_->write_and_wait(std::move(work));
    } catch (...) {
      return base::as_error(std::current_exception());
    }
    ADD_FAILURE() << "the write succeeded";
    return base::internal_error("none");
  }

  std::string kind_of_violation(Work work) {
    const base::Error error = failure_of(std::move(work));
    EXPECT_EQ(error.code(), "CONSTRAINT_VIOLATED");
    EXPECT_EQ(error.error_class(), base::ErrorClass::conflict);
    return std::string(error.details().at("kind").as_string());
  }

  std::string code_of_opening() {
    try {
      open(url_);
    } catch (const base::Error& error) {
      return error.code();
    }
    return "it was opened";
  }

  // Keeps the writer busy until `gate` opens, so that what is written meanwhile becomes one group.
  void hold_writer(Gate& gate, Outcomes& outcomes) {
    Gate started;
    database_->write(
        [&](Transaction&) {
          started.open();
          gate.wait();
        },
        outcomes.done(-1));
    started.wait();
  }

  TemporaryFolder folder_;
  const std::string url_;
  std::unique_ptr<Database> database_;
};

}  // namespace slipway::store::testing
