#include "store/testing/memory_database.h"

#include <sqlite3.h>

#include <cstring>

#include "store/bells.h"
#include "store/guarded_transaction.h"
#include "store/migrations.h"
#include "store/sqlite_session.h"

namespace slipway::store::testing {
namespace {

// The file image of a migrated, empty database: migrating anew would cost each simulated world milliseconds.
const std::string& migrated_image() {
  static const std::string image = [] {
    SqliteConnection connection("", SqliteMode::memory);
    connection.run_script("PRAGMA page_size=1024");
    SqliteMigrationSession session(connection);
    migrate(session, embedded_migrations());
    sqlite3_int64 size = 0;
    unsigned char* data = sqlite3_serialize(connection.handle(), "main", &size, 0);
    SLIPWAY_ASSERT(data);
    std::string copy(reinterpret_cast<const char*>(data), std::size_t(size));
    sqlite3_free(data);
    return copy;
  }();
  return image;
}

std::unique_ptr<SqliteConnection> connect() {
  const std::string& image = migrated_image();
  auto connection = std::make_unique<SqliteConnection>("", SqliteMode::memory);
  auto* data = static_cast<unsigned char*>(sqlite3_malloc64(image.size()));
  SLIPWAY_ASSERT(data);
  std::memcpy(data, image.data(), image.size());
  const auto size = sqlite3_int64(image.size());
  const int code = sqlite3_deserialize(connection->handle(), "main", data, size, size,
                                       SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
  SLIPWAY_ASSERT(code == SQLITE_OK);
  return connection;
}

std::atomic<std::uint64_t> no_log = 0;

}  // namespace

MemoryDatabase::MemoryDatabase()
    : session_(std::make_unique<SqliteSession>(connect(), no_log)),
      held_(std::make_unique<HeldAnswers>()),
      endings_(std::make_unique<Endings>()),
      left_(std::make_unique<LeftItems>(*endings_)),
      listeners_(std::make_unique<Listeners>()) {}

MemoryDatabase::~MemoryDatabase() { rollback(); }

void MemoryDatabase::add_ending(std::string name, Ending ending) { endings_->add(std::move(name), std::move(ending)); }

std::vector<std::exception_ptr> MemoryDatabase::apply(std::span<Work> works) {
  if (!open_) {
    held_->forget();
    left_->forget();
    session_->begin();
  }
  open_ = true;
  std::vector<std::exception_ptr> failures;
  for (Work& work : works) {
    failures.push_back(run_work(*session_, work, Savepoint::around, *held_, *left_).failure);
    SLIPWAY_ASSERT(!session_->doomed());  // in memory nothing can be full, busy or gone
  }
  return failures;
}

std::exception_ptr MemoryDatabase::apply(Work work) { return apply(std::span<Work>(&work, 1)).front(); }

void MemoryDatabase::commit() {
  if (!open_) return;
  if (const auto failure = run_endings(*session_, *held_, *left_)) {
    rollback();
    std::rethrow_exception(failure);
  }
  const CommitResult result = session_->commit();
  if (result.failure) {
    rollback();
    std::rethrow_exception(result.failure);
  }
  open_ = false;
}

void MemoryDatabase::rollback() {
  session_->rollback();
  open_ = false;
}

bool MemoryDatabase::in_transaction() const { return open_; }

std::unique_ptr<Listening> MemoryDatabase::listen(std::string channel, Bell bell) {
  return listeners_->add(std::move(channel), std::move(bell));
}

void MemoryDatabase::ring(std::string_view channel, std::string_view word) { listeners_->call(channel, word); }

void MemoryDatabase::read(Work work) {
  SLIPWAY_ASSERT(!open_);
  session_->begin();
  held_->forget();
  LeftItems nothing = left_->with_same_endings();
  const auto failure = run_work(*session_, work, Savepoint::none, *held_, nothing).failure;
  session_->rollback();
  if (failure) std::rethrow_exception(failure);
  SLIPWAY_ASSERT(nothing.empty());  // a read leaves nothing
}

void MemoryDatabase::write(Work work) {
  SLIPWAY_ASSERT(!open_);
  const auto failure = apply(std::move(work));
  failure ? rollback() : commit();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace slipway::store::testing
