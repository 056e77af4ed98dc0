#include "store/commit_marker.h"
#include "store/drivers.h"
#include "store/group_writer.h"
#include "store/migrations.h"
#include "store/postgres_bells.h"
#include "store/postgres_session.h"
#include "store/reader_pool.h"

namespace slipway::store {
namespace {

constexpr std::size_t kReaders = 4;
constexpr int kMigrationTries = 3;

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::string url, Patience patience)
      : url_(std::move(url)),
        name_(make_writer_name()),
        prepared_(prepare(url_)),
        bells_(url_),
        writer_([this] { return std::make_unique<PostgresSession>(url_, name_); },
                {.writer = name_, .give_up_after = patience.give_up_after}, endings_),
        readers_([this] { return std::make_unique<PostgresReadSession>(url_); },
                 {.threads = kReaders, .give_up_after = patience.give_up_after}) {}

  void add_ending(std::string name, Ending ending) override { endings_.add(std::move(name), std::move(ending)); }
  void write(Work work, Done done) override { writer_.write(std::move(work), std::move(done)); }
  void read(Work work, Done done) override { readers_.read(std::move(work), std::move(done)); }
  std::unique_ptr<Listening> listen(std::string channel, Bell bell) override {
    return bells_.listen(std::move(channel), std::move(bell));
  }
  void ring(std::string_view channel, std::string_view word) override { bells_.ring(channel, word); }
  Dialect dialect() const override { return Dialect::postgres; }
  Statistics statistics() const override {
    Statistics result = writer_.statistics();
    result.has_bells = bells_.has_bells();
    return result;
  }

 private:
  // A migration that the server ended under us, as it does when this process stands still for kSilenceMax, is begun
  // again; those before it are done. A server that is not there throws at once.
  static bool prepare(const std::string& url) {
    for (int left = kMigrationTries;; --left) {
      PostgresConnection connection(url, "slipway migration", PostgresMode::write);
      try {
        PostgresMigrationSession session(connection);
        migrate(session, embedded_migrations());
        forget_old_markers(connection);
        return true;
      } catch (const base::Error&) {
        if (left == 1 || !connection.lost()) throw;
      }
    }
  }

  const std::string url_;
  const std::string name_;
  const bool prepared_;
  PostgresBells bells_;  // before the writer, whose Dones ring
  Endings endings_;      // before the writer, which reads them
  GroupWriter writer_;
  ReaderPool readers_;
};

}  // namespace

std::unique_ptr<Database> open_postgres(std::string_view url, Patience patience) {
  return std::make_unique<PostgresDatabase>(std::string(url), patience);
}

}  // namespace slipway::store
