#include "store/sqlite_session.h"

#include <sqlite3.h>

#include "store/commit_marker.h"
#include "store/errors.h"

namespace slipway::store {
namespace {

// A reader in the middle of a long snapshot keeps the log from being started over: waiting longer for it would hold up
// every write.
constexpr base::Duration kRestartPatience{50};
constexpr std::uint64_t kPageBytes = 4096 + 24;  // a page in the log, with its header

int remember_log_size(void* log_bytes, sqlite3*, const char*, int pages) {
  *static_cast<std::atomic<std::uint64_t>*>(log_bytes) = std::uint64_t(pages) * kPageBytes;
  return SQLITE_OK;
}

// Whether nothing of a transaction whose COMMIT failed so can be in the log in full. A write that found no space was of
// a frame that is thereby not whole: SQLite writes no padding behind the last one where overwriting is safe from power
// cuts, as its default file system says (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
bool is_certainly_refused(int extended_code, const base::Error& error) {
  switch (extended_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
    case SQLITE_FULL:
      return true;
    default:
      return extended_code == SQLITE_IOERR_WRITE && error.code() == "STORE_FULL";
  }
}

}  // namespace

SqliteSession::SqliteSession(std::unique_ptr<SqliteConnection> connection, std::atomic<std::uint64_t>& log_bytes)
    : connection_(std::move(connection)), log_bytes_(log_bytes) {
  sqlite3_wal_hook(connection_->handle(), remember_log_size, &log_bytes_);
}

void SqliteSession::begin() { connection_->execute("BEGIN IMMEDIATE"); }

void SqliteSession::write_marker(const std::string& writer, std::int64_t sequence) {
  connection_->execute(kWriteMarker, {writer, sequence, base::SystemClock().now()});
}

void SqliteSession::savepoint() { connection_->execute("SAVEPOINT work"); }

void SqliteSession::release() { connection_->execute("RELEASE work"); }

void SqliteSession::rollback_to() {
  try {
    connection_->execute("ROLLBACK TO work");
    connection_->execute("RELEASE work");
  } catch (...) {
    lost_ = true;
    throw;
  }
}

CommitResult SqliteSession::commit() noexcept {
  try {
    connection_->execute("COMMIT");
    return {};
  } catch (const base::Error& error) {
    const bool refused = is_certainly_refused(connection_->failure_code(), error);
    return {refused ? CommitOutcome::refused : CommitOutcome::unknown, std::current_exception()};
  }
}

void SqliteSession::rollback() noexcept {
  if (!connection_->in_transaction()) return;
  try {
    connection_->execute("ROLLBACK");
  } catch (const base::Error&) {
    lost_ = true;  // closing the connection rolls back
  }
}

void SqliteSession::tend() noexcept {
  if (log_bytes_ < restart_above_) return;
  const base::Duration patience = connection_->busy_timeout();
  connection_->set_busy_timeout(kRestartPatience);
  const int code =
      sqlite3_wal_checkpoint_v2(connection_->handle(), "main", SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  connection_->set_busy_timeout(patience);
  restart_above_ = code == SQLITE_OK ? kLogSoftLimit : log_bytes_ + kLogSoftLimit;
}

Transaction& SqliteReadSession::begin() {
  connection_.execute("BEGIN");
  return connection_;
}

void SqliteReadSession::end() noexcept {
  if (!connection_.in_transaction()) return;
  try {
    connection_.execute("ROLLBACK");
  } catch (const base::Error&) {
    connection_.give_up();
  }
}

void SqliteMigrationSession::rollback() noexcept {
  if (!connection_.in_transaction()) return;
  try {
    connection_.run_script("ROLLBACK");
  } catch (const base::Error&) {
    connection_.give_up();
  }
}

Checkpointer::Checkpointer(std::string path) : path_(std::move(path)), thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Checkpointer::run() {
  std::unique_ptr<SqliteConnection> connection;
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kCheckpointInterval, [&] { return stopping_; })) {
    lock.unlock();
    try {
      if (!connection) {
        connection = std::make_unique<SqliteConnection>(path_, SqliteMode::write);
        // A connection that has read nothing does not know that there is a log: its checkpoints do nothing.
        connection->query("SELECT count(*) FROM sqlite_schema");
      }
      const int code =
          sqlite3_wal_checkpoint_v2(connection->handle(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
      if (code != SQLITE_OK && code != SQLITE_BUSY) connection.reset();
    } catch (const base::Error&) {
      connection.reset();  // a writer finds the same fault, and tells; here the next turn tries again
    }
    lock.lock();
  }
}

}  // namespace slipway::store
