#pragma once
// A PostgreSQL server of the test's own: made when first asked for, gone with the test program, however it ends.

#include <sys/types.h>

#include <string>

#include "store/testing/temporary_database.h"

namespace slipway::store::testing {

class PostgresCluster {
 public:
  // One for each test program. Throws when PostgreSQL is not installed: a test that needs it fails, and is not skipped.
  static PostgresCluster& shared();

  PostgresCluster();
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  // The URL of a new, empty database.
  std::string create_database();
  // Runs SQL on a connection of its own, beside the store's; answers the first column of the first row, or "".
  std::string run(const std::string& url, const std::string& sql);

  // As a crash of the server: connections break, what was not committed is gone. start() returns when it answers again.
  void crash();
  void start();
  bool is_running() const { return server_ > 0; }

 private:
  std::string url_of(const std::string& database) const;

  TemporaryFolder folder_;
  pid_t server_ = 0;
  int databases_ = 0;
};

}  // namespace slipway::store::testing
