#include <fcntl.h>

#include <cerrno>
#include <system_error>

#include "base/unique_fd.h"
#include "store/bells.h"
#include "store/commit_marker.h"
#include "store/drivers.h"
#include "store/errors.h"
#include "store/file_lock.h"
#include "store/group_writer.h"
#include "store/migrations.h"
#include "store/reader_pool.h"
#include "store/sqlite_session.h"

namespace slipway::store {
namespace {

constexpr std::size_t kReaders = 2;

// The data is nobody else's business; the log and its index take the file's mode over.
void create_private(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) throw store_unavailable(path + ": " + std::generic_category().message(errno));
}

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, Patience patience)
      : path_(std::move(path)),
        lock_(path_),
        prepared_(prepare(path_)),
        checkpointer_(path_),
        writer_([this, patience] { return connect(patience); },
                {.writer = make_writer_name(), .give_up_after = patience.give_up_after}, endings_),
        readers_([this] { return std::make_unique<SqliteReadSession>(path_); },
                 {.threads = kReaders, .give_up_after = patience.give_up_after}) {}

  void add_ending(std::string name, Ending ending) override { endings_.add(std::move(name), std::move(ending)); }
  void write(Work work, Done done) override { writer_.write(std::move(work), std::move(done)); }
  void read(Work work, Done done) override { readers_.read(std::move(work), std::move(done)); }
  std::unique_ptr<Listening> listen(std::string channel, Bell bell) override {
    return bells_.listen(std::move(channel), std::move(bell));
  }
  void ring(std::string_view channel, std::string_view word) override { bells_.ring(channel, word); }
  Dialect dialect() const override { return Dialect::sqlite; }

  Statistics statistics() const override {
    Statistics result = writer_.statistics();
    result.wal_bytes = log_bytes_;
    return result;
  }

 private:
  static bool prepare(const std::string& path) {
    create_private(path);
    SqliteConnection connection(path, SqliteMode::write);
    start_log_over(connection);
    SqliteMigrationSession session(connection);
    migrate(session, embedded_migrations());
    forget_old_markers(connection);
    return true;
  }

  // The last process may have died of a sync that failed: see Session::make_durable.
  static void start_log_over(SqliteConnection& connection) {
    try {
      connection.start_log_over();
    } catch (const base::Error& error) {
      if (error.code() != "STORE_BUSY") throw;  // somebody makes a backup: no reason not to start
    }
  }

  std::unique_ptr<Session> connect(Patience patience) {
    auto connection = std::make_unique<SqliteConnection>(path_, SqliteMode::write);
    connection->set_busy_timeout(patience.busy);
    return std::make_unique<SqliteSession>(std::move(connection), log_bytes_);
  }

  const std::string path_;
  const FileLock lock_;
  const bool prepared_;
  std::atomic<std::uint64_t> log_bytes_ = 0;
  LocalBells bells_;  // before the writer, whose Dones ring
  Checkpointer checkpointer_;
  Endings endings_;  // before the writer, which reads them
  GroupWriter writer_;
  ReaderPool readers_;
};

}  // namespace

std::unique_ptr<Database> open_sqlite(std::string_view path, Patience patience) {
  return std::make_unique<SqliteDatabase>(std::string(path), patience);
}

}  // namespace slipway::store
