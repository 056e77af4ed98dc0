#pragma once
// One SQLite connection: opening, statements kept prepared, errors translated. Used by one thread at a time.

#include <memory>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway::store {

enum class SqliteMode { write, read_only, memory };

class SqliteConnection final : public Transaction {
 public:
  // `path` is ignored for a database in memory. Throws STORE_UNAVAILABLE.
  SqliteConnection(const std::string& path, SqliteMode mode);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  using Transaction::execute;
  using Transaction::query;
  Rows query(std::string_view sql, std::span<const Parameter> parameters) override;
  std::int64_t execute(std::string_view sql, std::span<const Parameter> parameters) override;
  void execute_many(std::string_view sql, std::size_t columns, std::span<const Parameter> parameters) override;
  Dialect dialect() const override { return Dialect::sqlite; }

  // Several statements without parameters: pragmas, migrations.
  void run_script(const std::string& sql);
  // How long a statement waits for another connection's lock before STORE_BUSY.
  void set_busy_timeout(base::Duration timeout);
  base::Duration busy_timeout() const { return busy_timeout_; }
  // Moves all of the log into the database file, and has the next write begin the log anew. Throws STORE_BUSY while
  // somebody still reads what stands in it.
  void start_log_over();
  bool in_transaction() const;
  // SQLite's extended code of the last failure.
  int failure_code() const { return failure_code_; }
  // The file could not be read or written: better make a new connection.
  bool is_broken() const { return broken_; }
  void give_up() { broken_ = true; }
  sqlite3* handle() const { return database_; }

 private:
  struct Statement;
  struct Key {
    const char* address;
    std::size_t length;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.address) ^ (key.length * 0x9e3779b97f4a7c15u);
    }
  };

  Statement& prepare(std::string_view sql);
  void bind(Statement& statement, std::span<const Parameter> parameters);
  [[noreturn]] void fail(int code, std::string_view sql);

  sqlite3* database_ = nullptr;
  base::Duration busy_timeout_{0};
  int failure_code_ = 0;
  bool broken_ = false;
  std::unordered_map<Key, std::unique_ptr<Statement>, KeyHash> statements_;
};

}  // namespace slipway::store
