#pragma once
// The transaction that a work sees: the driver's, and a memory of the first failure.

#include <exception>
#include <string>
#include <vector>

#include "store/endings.h"
#include "store/session.h"

namespace slipway::store {

// What query_held answered within one transaction. To be forgotten when a savepoint is rolled back, for its locks go
// with it.
class HeldAnswers {
 public:
  const Rows* find(std::string_view sql, std::span<const Parameter> parameters) const;
  void keep(std::string_view sql, std::span<const Parameter> parameters, Rows rows);
  void forget() { answers_.clear(); }

 private:
  struct Answer {
    std::string sql;
    std::vector<Value> parameters;
    Rows rows;
  };
  std::vector<Answer> answers_;
};

// PostgreSQL refuses every statement after one that failed; SQLite would go on. Here both refuse, and a work that
// swallowed the failure has failed all the same. Also refuses texts that only one database could hold.
class GuardedTransaction final : public Transaction {
 public:
  // What is left goes to `left`; without, nothing can be.
  GuardedTransaction(Transaction& inner, HeldAnswers& held, LeftItems* left)
      : inner_(inner), held_(held), left_(left) {}

  using Transaction::execute;
  using Transaction::query;
  using Transaction::query_held;
  Rows query(std::string_view sql, std::span<const Parameter> parameters) override;
  Rows query_held(std::string_view sql, std::span<const Parameter> parameters) override;
  std::int64_t execute(std::string_view sql, std::span<const Parameter> parameters) override;
  void execute_many(std::string_view sql, std::size_t columns, std::span<const Parameter> parameters) override;
  void leave_to(std::string_view ending, std::any item) override;
  Dialect dialect() const override { return inner_.dialect(); }

  std::exception_ptr failure() const { return failure_; }
  // Whether a work that ends now leaves the database as it found it, and the transaction fit to go on.
  bool is_untouched() const { return !failure_ && !has_written_; }

 private:
  template <class Call>
  auto guard(std::span<const Parameter> parameters, Call call);
  void note_write();

  Transaction& inner_;
  HeldAnswers& held_;
  LeftItems* const left_;
  std::exception_ptr failure_;
  bool has_written_ = false;
};

enum class Savepoint { none, around };

struct WorkResult {
  std::exception_ptr failure = nullptr;  // null when it succeeded
  bool statement_failed = false;
  // It failed, and something of it may be in the transaction still, or keep that from going on.
  bool leaves_traces = false;
};

// Runs `work` on `session`, under a savepoint or not. On failure the savepoint, if there is one, is rolled back, unless
// the session is doomed. What a work leaves that succeeds is added to `left`.
WorkResult run_work(Session& session, Work& work, Savepoint savepoint, HeldAnswers& held, LeftItems& left);

// Hands what the works left to the endings. Null when all went well; after a failure the transaction has to be rolled
// back.
std::exception_ptr run_endings(Session& session, HeldAnswers& held, const LeftItems& left);

}  // namespace slipway::store
