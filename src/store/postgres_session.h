#pragma once
// The session interfaces over PostgresConnection.

#include <string>

#include "store/migrations.h"
#include "store/postgres_connection.h"
#include "store/session.h"

namespace slipway::store {

// Transaction control travels with the next statement, and so do the rows of execute_many: a group of works that only
// use that costs one round trip, its COMMIT. Under savepoints each work has one of its own, so that it is the one that
// hears what is wrong with its rows.
class PostgresSession final : public Session {
 public:
  // Connects, and ends what is left of this writer's earlier connections: a transaction that nobody will end would
  // otherwise keep its locks until the server notices.
  PostgresSession(const std::string& url, const std::string& writer);

  void begin() override;
  void write_marker(const std::string& writer, std::int64_t sequence) override;
  void savepoint() override;
  void release() override;
  void rollback_to() override;
  CommitResult commit() noexcept override;
  void rollback() noexcept override { connection_.rollback(); }
  // A server that fails to sync starts anew from what it has on the disk.
  void make_durable() override {}
  Transaction& transaction() override { return connection_; }
  bool doomed() const override { return connection_.doomed(); }
  bool lost() const override { return connection_.lost(); }
  void tend() noexcept override {}

 private:
  PostgresConnection connection_;
};

class PostgresReadSession final : public ReadSession {
 public:
  explicit PostgresReadSession(const std::string& url) : connection_(url, "slipway reader", PostgresMode::read_only) {}
  Transaction& begin() override;
  void end() noexcept override { connection_.rollback(); }
  bool lost() const override { return connection_.lost(); }

 private:
  PostgresConnection connection_;
};

class PostgresMigrationSession final : public MigrationSession {
 public:
  explicit PostgresMigrationSession(PostgresConnection& connection) : connection_(connection) {}
  void begin_exclusively() override;
  void commit() override { connection_.run_script("COMMIT"); }
  void rollback() noexcept override { connection_.rollback(); }
  void run_script(const std::string& sql) override { connection_.run_script(sql); }
  Transaction& transaction() override { return connection_; }

 private:
  PostgresConnection& connection_;
};

}  // namespace slipway::store
