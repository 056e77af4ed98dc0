#pragma once
// The session interfaces over SqliteConnection, and the checkpoints that keep the write-ahead log small.

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "store/migrations.h"
#include "store/session.h"
#include "store/sqlite_connection.h"

namespace slipway::store {

// Above this size of the log the writer itself starts it over between two groups: a passive checkpoint never does while
// writes go on.
inline constexpr std::uint64_t kLogSoftLimit = 16u << 20;
inline constexpr base::Duration kCheckpointInterval{200};

class SqliteSession final : public Session {
 public:
  // `log_bytes` is kept up to date with the size of the log; it must outlive the session.
  SqliteSession(std::unique_ptr<SqliteConnection> connection, std::atomic<std::uint64_t>& log_bytes);

  void begin() override;
  void write_marker(const std::string& writer, std::int64_t sequence) override;
  void savepoint() override;
  void release() override;
  void rollback_to() override;
  CommitResult commit() noexcept override;
  void rollback() noexcept override;
  void make_durable() override { connection_->start_log_over(); }
  Transaction& transaction() override { return *connection_; }
  bool doomed() const override { return lost() || !connection_->in_transaction(); }
  bool lost() const override { return lost_ || connection_->is_broken(); }
  void tend() noexcept override;

 private:
  std::unique_ptr<SqliteConnection> connection_;
  std::atomic<std::uint64_t>& log_bytes_;
  std::uint64_t restart_above_ = kLogSoftLimit;
  bool lost_ = false;
};

class SqliteReadSession final : public ReadSession {
 public:
  explicit SqliteReadSession(const std::string& path) : connection_(path, SqliteMode::read_only) {}
  Transaction& begin() override;
  void end() noexcept override;
  bool lost() const override { return connection_.is_broken(); }

 private:
  SqliteConnection connection_;
};

class SqliteMigrationSession final : public MigrationSession {
 public:
  explicit SqliteMigrationSession(SqliteConnection& connection) : connection_(connection) {}
  void begin_exclusively() override { connection_.run_script("BEGIN IMMEDIATE"); }
  void commit() override { connection_.run_script("COMMIT"); }
  void rollback() noexcept override;
  void run_script(const std::string& sql) override { connection_.run_script(sql); }
  Transaction& transaction() override { return connection_; }

 private:
  SqliteConnection& connection_;
};

// Moves the log into the database file, on a connection and thread of its own, so that no commit waits for it.
class Checkpointer {
 public:
  explicit Checkpointer(std::string path);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

 private:
  void run();

  const std::string path_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::store
