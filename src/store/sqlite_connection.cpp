#include "store/sqlite_connection.h"

#include <sqlite3.h>

#include <cerrno>

#include "store/errors.h"
#include "store/set_statement.h"

namespace slipway::store {
namespace {

// The program has some hundred statements; more means that somebody builds them anew each time.
constexpr std::size_t kStatementsMax = 1'000;
// A neighbour (the checkpointer, a backup) holds a lock for milliseconds; somebody who holds it for a second is a
// fault.
constexpr base::Duration kBusyTimeout{1'000};

std::string_view constraint_kind(int extended_code) {
  switch (extended_code) {
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return "foreign_key";
    case SQLITE_CONSTRAINT_CHECK:
      return "check";
    case SQLITE_CONSTRAINT_NOTNULL:
      return "not_null";
    default:
      return "unique";
  }
}

// 'UNIQUE constraint failed: things.name' names columns; 'CHECK constraint failed: positive' names the constraint.
std::string_view constraint_name(std::string_view message) {
  const auto colon = message.find(": ");
  return colon == std::string_view::npos ? std::string_view() : message.substr(colon + 2);
}

bool is_out_of_space(int errno_value) { return errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG; }

// SQLite calls only ENOSPC 'full'. What else means it has to be asked of the files: for a COMMIT that failed,
// sqlite3_system_errno says nothing.
bool is_out_of_space(sqlite3* database) {
  if (is_out_of_space(sqlite3_system_errno(database))) return true;
  sqlite3_file* log = nullptr;
  int log_errno = 0;
  sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (log && log->pMethods) log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &log_errno);
  return is_out_of_space(log_errno);
}

}  // namespace

struct SqliteConnection::Statement {
  sqlite3_stmt* handle = nullptr;
  std::vector<int> indexes;  // of $1, $2 …; 0 where the statement does not use one

  ~Statement() { sqlite3_finalize(handle); }
};

namespace {

// A statement that was stepped holds locks until it is reset; its parameters point into the caller's memory.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(sqlite3_stmt* statement) : statement_(statement) {}
  ~ResetAtEnd() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  sqlite3_stmt* statement_;
};

Value column_value(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return std::monostate();
    case SQLITE_INTEGER:
      return std::int64_t(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    default: {
      const auto* text = static_cast<const char*>(sqlite3_column_blob(statement, column));
      return std::string(text ? text : "", std::size_t(sqlite3_column_bytes(statement, column)));
    }
  }
}

}  // namespace

SqliteConnection::SqliteConnection(const std::string& path, SqliteMode mode) {
  const int access = mode == SqliteMode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const char* name = mode == SqliteMode::memory ? ":memory:" : path.c_str();
  const int code = sqlite3_open_v2(name, &database_, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  try {
    if (code != SQLITE_OK) throw store_unavailable(path + ": " + sqlite3_errstr(code));
    set_busy_timeout(kBusyTimeout);
    run_script(
        "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-32768; PRAGMA trusted_schema=OFF;");
    if (mode == SqliteMode::read_only) run_script("PRAGMA query_only=ON");
    // The checkpointer has a connection of its own, so that no commit pays for a checkpoint.
    if (mode == SqliteMode::write)
      run_script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;");
  } catch (...) {
    sqlite3_close_v2(database_);
    throw;
  }
}

SqliteConnection::~SqliteConnection() {
  statements_.clear();
  sqlite3_close_v2(database_);
}

Rows SqliteConnection::query(std::string_view sql, std::span<const Parameter> parameters) {
  Statement& statement = prepare(sql);
  const ResetAtEnd reset(statement.handle);
  bind(statement, parameters);
  Rows rows;
  for (;;) {
    const int code = sqlite3_step(statement.handle);
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW) fail(code, sql);
    std::vector<Value> columns;
    const int count = sqlite3_column_count(statement.handle);
    columns.reserve(std::size_t(count));
    for (int column = 0; column < count; ++column) columns.push_back(column_value(statement.handle, column));
    rows.emplace_back(std::move(columns));
  }
}

std::int64_t SqliteConnection::execute(std::string_view sql, std::span<const Parameter> parameters) {
  Statement& statement = prepare(sql);
  const ResetAtEnd reset(statement.handle);
  bind(statement, parameters);
  int code;
  while ((code = sqlite3_step(statement.handle)) == SQLITE_ROW) {
  }
  if (code != SQLITE_DONE) fail(code, sql);
  return sqlite3_stmt_readonly(statement.handle) ? 0 : sqlite3_changes64(database_);
}

void SqliteConnection::execute_many(std::string_view sql, std::size_t columns, std::span<const Parameter> parameters) {
  if (parameters.empty()) return;
  target_of(sql);  // what PostgreSQL would refuse is refused here too
  Statement& statement = prepare(sql);
  const ResetAtEnd reset(statement.handle);
  for (; !parameters.empty(); parameters = parameters.subspan(columns)) {
    bind(statement, parameters.first(columns));
    const int code = sqlite3_step(statement.handle);
    if (code != SQLITE_DONE) fail(code, sql);
    sqlite3_reset(statement.handle);
  }
}

void SqliteConnection::run_script(const std::string& sql) {
  const int code = sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

void SqliteConnection::start_log_over() {
  query("SELECT count(*) FROM sqlite_schema");  // a connection that has read nothing does not know that there is a log
  const int code = sqlite3_wal_checkpoint_v2(database_, "main", SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, "checkpoint");
}

void SqliteConnection::set_busy_timeout(base::Duration timeout) {
  busy_timeout_ = timeout;
  sqlite3_busy_timeout(database_, int(timeout.count()));
}

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

SqliteConnection::Statement& SqliteConnection::prepare(std::string_view sql) {
  auto& slot = statements_[Key{sql.data(), sql.size()}];
  // The address of a text that was built, not written as a literal, may have held another one before.
  if (slot && sqlite3_sql(slot->handle) == sql) return *slot;
  if (statements_.size() > kStatementsMax) {
    statements_.clear();
    return prepare(sql);
  }
  auto statement = std::make_unique<Statement>();
  const int code = sqlite3_prepare_v3(database_, sql.data(), int(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement->handle, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  if (!statement->handle) throw wrong_sql("it is empty", sql);
  const int count = sqlite3_bind_parameter_count(statement->handle);
  for (int i = 0; i < count; ++i) {
    const std::string name = "$" + std::to_string(i + 1);
    statement->indexes.push_back(sqlite3_bind_parameter_index(statement->handle, name.c_str()));
  }
  slot = std::move(statement);
  return *slot;
}

void SqliteConnection::bind(Statement& statement, std::span<const Parameter> parameters) {
  if (parameters.size() != statement.indexes.size())
    throw wrong_sql("it takes " + std::to_string(statement.indexes.size()) + " parameters, not " +
                        std::to_string(parameters.size()),
                    sqlite3_sql(statement.handle));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const int index = statement.indexes[i];
    int code = SQLITE_OK;
    if (const auto* whole = parameters[i].whole()) {
      code = sqlite3_bind_int64(statement.handle, index, *whole);
    } else if (const auto* real = parameters[i].real()) {
      code = sqlite3_bind_double(statement.handle, index, *real);
    } else if (const auto text = parameters[i].text()) {
      code = sqlite3_bind_text64(statement.handle, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(statement.handle, index);
    }
    if (code != SQLITE_OK) fail(code, sqlite3_sql(statement.handle));
  }
}

void SqliteConnection::fail(int code, std::string_view sql) {
  const std::string message = sqlite3_errmsg(database_);
  failure_code_ = code;
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      throw constraint_violated(constraint_kind(code), constraint_name(message), message);
    case SQLITE_FULL:
      throw store_full(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      throw store_busy(message);
    case SQLITE_IOERR:
      if (is_out_of_space(database_)) throw store_full(message);
      [[fallthrough]];
    case SQLITE_CANTOPEN:
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      broken_ = true;
      throw store_unavailable(message);
    default:
      throw wrong_sql(message, sql);
  }
}

}  // namespace slipway::store
