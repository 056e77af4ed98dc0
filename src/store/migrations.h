#pragma once
// The schema's history: numbered SQL files, applied once each, never edited (migrations/, compiled into the program).

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/store.h"

namespace slipway::store {

struct Migration {
  int number;
  std::string name;
  std::optional<Dialect> dialect;  // empty: for both
  std::string sql;
};

// Sorted by number.
const std::vector<Migration>& embedded_migrations();

// What a driver lends to migrate(): each call throws base::Error as Transaction does.
class MigrationSession {
 public:
  virtual ~MigrationSession() = default;
  // Begins a transaction that keeps every other process from migrating until it ends.
  virtual void begin_exclusively() = 0;
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
  virtual void run_script(const std::string& sql) = 0;
  virtual Transaction& transaction() = 0;
};

// Brings the schema up to date, each migration in a transaction of its own with its SHA-256 in schema_migrations.
// Throws MIGRATION_MISMATCH when one that was applied differs from ours or is unknown to us.
void migrate(MigrationSession& session, const std::vector<Migration>& migrations);

}  // namespace slipway::store
