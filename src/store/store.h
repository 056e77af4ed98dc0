#pragma once
// SQL behind one interface: the embedded SQLite and PostgreSQL answer the same statements.
//
// Statements use numbered parameters ($1, $2 …), `INSERT … ON CONFLICT … RETURNING`, and the types BIGINT, DOUBLE
// PRECISION and TEXT; times are BIGINT milliseconds since 1970, JSON is TEXT. What differs stands in the drivers.
//
// Writes of many callers share one transaction and one sync (group commit). One that throws undoes nothing of its
// neighbours: the group is then run again, each write under a savepoint of its own. Nothing is reported as done before
// the group is durable: the output gate of everything above.

#include <any>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace slipway::store {

using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

// A parameter: whatever has a meaning as a Value, so that callers can write {run.str(), at, std::nullopt}.
class Parameter {
 public:
  Parameter(std::nullopt_t) {}
  Parameter(std::int64_t value) : value_(value) {}
  Parameter(int value) : value_(std::int64_t(value)) {}
  Parameter(bool value) : value_(std::int64_t(value)) {}
  Parameter(double value) : value_(value) {}
  Parameter(std::string value) : value_(std::move(value)) {}
  Parameter(std::string_view value) : value_(std::string(value)) {}
  Parameter(const char* value) : value_(std::string(value)) {}
  Parameter(base::Instant at) : value_(base::to_unix_ms(at)) {}
  template <class T>
  Parameter(const std::optional<T>& value) {
    if (value) value_ = Parameter(*value).value_;
  }
  // A text that outlives the call of the statement, and is not copied: for many rows.
  static Parameter view(std::string_view text) {
    Parameter parameter(std::nullopt);
    parameter.value_ = text;
    return parameter;
  }

  bool operator==(const Parameter& other) const { return value() == other.value(); }
  Value value() const;
  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const std::int64_t* whole() const { return std::get_if<std::int64_t>(&value_); }
  const double* real() const { return std::get_if<double>(&value_); }
  std::optional<std::string_view> text() const {
    if (const auto* own = std::get_if<std::string>(&value_)) return *own;
    if (const auto* viewed = std::get_if<std::string_view>(&value_)) return *viewed;
    return std::nullopt;
  }

 private:
  std::variant<std::monostate, std::int64_t, double, std::string, std::string_view> value_;
};

// One row of an answer. Columns count from 0. A column of another type than asked for is a broken invariant.
class Row {
 public:
  explicit Row(std::vector<Value> columns) : columns_(std::move(columns)) {}
  bool is_null(std::size_t column) const { return std::holds_alternative<std::monostate>(columns_.at(column)); }
  std::int64_t integer(std::size_t column) const;
  double real(std::size_t column) const;
  const std::string& text(std::size_t column) const;
  base::Instant instant(std::size_t column) const { return base::from_unix_ms(integer(column)); }
  std::optional<std::int64_t> integer_or_null(std::size_t column) const;
  std::optional<std::string> text_or_null(std::size_t column) const;
  std::optional<base::Instant> instant_or_null(std::size_t column) const;
  std::size_t size() const { return columns_.size(); }

 private:
  std::vector<Value> columns_;
};

using Rows = std::vector<Row>;

enum class Dialect { sqlite, postgres };

// A transaction in progress, for use on the thread that was given it and only during the call. Every failure is a
// base::Error: CONSTRAINT_VIOLATED (conflict; details.constraint names it where the database tells, details.kind is
// "unique", "foreign_key", "check" or "not_null"), STORE_FULL, STORE_BUSY, STORE_UNAVAILABLE (transient),
// TEXT_NOT_STORABLE (user) for a NUL or what is not UTF-8, or INTERNAL_ERROR for SQL that is wrong. After one, all that
// follow fail too, and so does the work, even if it swallowed the exception.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // `sql` should be a literal: prepared statements are kept by its address and length (and prepared anew when another
  // text is found there).
  virtual Rows query(std::string_view sql, std::span<const Parameter> parameters) = 0;
  // As `query`, but in a group of writes asked only once with the same parameters: for a fence, which every write asks
  // for and which cannot change before the group ends, because the query locks it or nobody else is there. Rows are
  // remembered, none are not; and all is asked anew after `execute` or a `query` that writes.
  virtual Rows query_held(std::string_view sql, std::span<const Parameter> parameters) {
    return query(sql, parameters);
  }
  // Returns how many rows were changed.
  virtual std::int64_t execute(std::string_view sql, std::span<const Parameter> parameters) = 0;
  // The same change for many rows of parameters, `columns` each, as one statement where the database can: the fast way
  // to write. `sql` is one of
  //   INSERT INTO table (…) VALUES (…) [ON CONFLICT …]
  //   UPDATE table SET … WHERE …            of these two, no record may be meant by two rows
  //   DELETE FROM table WHERE …
  // without other tables, with parameters of the columns' own types, in an INSERT only between the parentheses of its
  // VALUES. It is not waited for: what goes wrong may be told by a later statement, or only to the work's Done. Who
  // needs to know within the work, as to say it in other words, uses `execute`.
  virtual void execute_many(std::string_view sql, std::size_t columns, std::span<const Parameter> parameters) = 0;
  // Leaves `item` to an ending (Database::add_ending): it is handed over once the group's last work has run, if this
  // work succeeds. Throws INTERNAL_ERROR where nothing can be left: no ending of that name, a read, an ending.
  virtual void leave_to(std::string_view ending, std::any item);
  virtual Dialect dialect() const = 0;

  Rows query(std::string_view sql, std::initializer_list<Parameter> parameters = {}) {
    return query(sql, std::span<const Parameter>(parameters.begin(), parameters.size()));
  }
  Rows query_held(std::string_view sql, std::initializer_list<Parameter> parameters) {
    return query_held(sql, std::span<const Parameter>(parameters.begin(), parameters.size()));
  }
  std::int64_t execute(std::string_view sql, std::initializer_list<Parameter> parameters = {}) {
    return execute(sql, std::span<const Parameter>(parameters.begin(), parameters.size()));
  }
};

using Work = std::move_only_function<void(Transaction&)>;
// Called exactly once, with null when the work is durable, else with what went wrong (then nothing of it is stored).
// The one exception is STORE_OUTCOME_UNKNOWN: the connection broke during COMMIT, and the store was closed before it
// could look. Until then a work whose outcome is unknown waits for the truth, however long the database is away. Runs
// on one of the store's threads: it must be short, not throw, and not call back into the store synchronously.
using Done = std::move_only_function<void(std::exception_ptr)>;

// What is done once for all of a group: see Database::add_ending. `items` are those that its works left, in their
// order; never none.
using Ending = std::function<void(Transaction&, std::span<const std::any> items)>;

// Called with a word that was rung, on a thread of the store: it must be short, not throw, and neither listen nor end
// listening; it may ring.
using Bell = std::function<void(std::string_view word)>;
// Listens for as long as it lives; its end waits for a call under way.
class Listening {
 public:
  virtual ~Listening() = default;
};

class Database {
 public:
  virtual ~Database() = default;

  // Adds `work` to the next group. `work` may be run more than once (a group that failed is tried again without its
  // culprit; a lost connection is made anew), so it must only use the transaction and assign, never accumulate.
  // Refused at once with STORE_BUSY when `kQueueMax` writes wait. While the database cannot be written, a write is
  // tried again for some seconds, then fails with the reason. Writes run in the order of these calls.
  virtual void write(Work work, Done done) = 0;
  // Runs `work` on a reading connection, in a snapshot of what is committed; a write in it fails.
  virtual void read(Work work, Done done) = 0;

  // Adds something to do at the end of every group whose works leave items to it (Transaction::leave_to): after the
  // last work, before the COMMIT, in the same transaction. It is the place for a lock that all writers need, such as on
  // the head of a chain: nothing else is locked after it, and it is held only over the COMMIT, so that groups of
  // several replicas wait for it one behind the other and never for each other in a circle. Hence endings run in the
  // order in which they were added, and one that takes such a lock is added last.
  //
  // An ending keeps the rules of a work: it may run more than once for a group, each time with what was left anew, and
  // uses only the transaction. When it fails nothing of the group is stored: the works are run again one by one, and
  // fail alone with its failure.
  //
  // To be called while the program is wired, before the first write that leaves something.
  virtual void add_ending(std::string name, Ending ending) = 0;

  // Bells: hints from replica to replica that there is something to look at, and never more. They get lost, come late,
  // twice, or several as one; whatever rests on them must also look by itself from time to time. A database that has
  // none is silent.
  //
  // Calls `bell` with each word that is rung on `channel`, by whichever replica, this one included; and with an empty
  // word when some may have been missed, as after a lost connection. A channel is named like a column.
  [[nodiscard]] virtual std::unique_ptr<Listening> listen(std::string channel, Bell bell);
  // Thread-safe, at once, never fails; may be called from a Done. What a bell speaks of should be durable by then.
  // Equal words rung at about the same time are sent as one. At most kBellWordMax bytes.
  virtual void ring(std::string_view channel, std::string_view word);

  virtual Dialect dialect() const = 0;

  // The same, waiting for the outcome and rethrowing it. Never from a store thread or an event loop.
  void write_and_wait(Work work);
  void read_and_wait(Work work);

  struct Statistics {
    std::uint64_t groups = 0;         // committed transactions
    std::uint64_t writes = 0;         // works in them
    std::uint64_t failed_groups = 0;  // commits that failed, outcome known by now
    std::uint64_t queued = 0;         // waiting now
    std::uint64_t wal_bytes = 0;      // SQLite: size of the write-ahead log
    bool healthy = true;              // false while the store cannot be written
    bool has_bells = true;            // false when the database turned out to have none
  };
  virtual Statistics statistics() const = 0;
};

// A bell's word is a short name, not a message.
inline constexpr std::size_t kBellWordMax = 200;
// How many writes may wait: at 10,000 commits a second this is some seconds of work; more means the store is stuck, and
// callers are better told.
inline constexpr std::size_t kQueueMax = 50'000;
// How many writes share one transaction at most: beyond it latency grows and throughput does not.
inline constexpr std::size_t kGroupMax = 512;
// For how long a transaction may stand still on our side before a server ends it: a process that is paused, or that
// nobody can reach, must not hold its locks for longer than it takes others to see that it has gone.
inline constexpr base::Duration kSilenceMax{2'000};

// `url` is a file path for SQLite, or postgres://… Opens it, takes the migration lock, and brings the schema up to
// date. Throws STORE_UNAVAILABLE, or MIGRATION_MISMATCH when an applied migration differs from ours or is unknown to
// us.
std::unique_ptr<Database> open(std::string_view url);

}  // namespace slipway::store
