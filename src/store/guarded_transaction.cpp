#include "store/guarded_transaction.h"

#include <algorithm>

#include "store/errors.h"

namespace slipway::store {
namespace {

void refuse_nul(std::span<const Parameter> parameters) {
  for (const Parameter& parameter : parameters) {
    const auto text = parameter.text();
    if (text && text->find('\0') != std::string_view::npos) throw text_not_storable("it contains a NUL character");
  }
}

bool is_transient(const std::exception_ptr& failure) {
  return base::as_error(failure).error_class() == base::ErrorClass::transient;
}

// Trouble of the database itself is for the writer to see, whatever the work made of it.
std::exception_ptr told_by(const GuardedTransaction& transaction, std::exception_ptr thrown) {
  const bool is_of_database = transaction.failure() && is_transient(transaction.failure());
  return is_of_database ? transaction.failure() : thrown;
}

}  // namespace

const Rows* HeldAnswers::find(std::string_view sql, std::span<const Parameter> parameters) const {
  const auto is_the_same = [](const Parameter& parameter, const Value& value) { return parameter.value() == value; };
  for (const Answer& answer : answers_)
    if (answer.sql == sql && std::ranges::equal(parameters, answer.parameters, is_the_same)) return &answer.rows;
  return nullptr;
}

void HeldAnswers::keep(std::string_view sql, std::span<const Parameter> parameters, Rows rows) {
  Answer answer{std::string(sql), {}, std::move(rows)};
  for (const Parameter& parameter : parameters) answer.parameters.push_back(parameter.value());
  answers_.push_back(std::move(answer));
}

template <class Call>
auto GuardedTransaction::guard(std::span<const Parameter> parameters, Call call) {
  if (failure_) std::rethrow_exception(failure_);
  try {
    refuse_nul(parameters);
    return call();
  } catch (...) {
    failure_ = std::current_exception();
    throw;
  }
}

void GuardedTransaction::note_write() {
  has_written_ = true;
  held_.forget();
}

Rows GuardedTransaction::query(std::string_view sql, std::span<const Parameter> parameters) {
  if (!sql.starts_with("SELECT ")) note_write();
  return guard(parameters, [&] { return inner_.query(sql, parameters); });
}

Rows GuardedTransaction::query_held(std::string_view sql, std::span<const Parameter> parameters) {
  if (const Rows* rows = held_.find(sql, parameters); rows && !failure_) return *rows;
  Rows rows = query(sql, parameters);
  if (!rows.empty()) held_.keep(sql, parameters, rows);
  return rows;
}

std::int64_t GuardedTransaction::execute(std::string_view sql, std::span<const Parameter> parameters) {
  note_write();
  return guard(parameters, [&] { return inner_.execute(sql, parameters); });
}

void GuardedTransaction::execute_many(std::string_view sql, std::size_t columns,
                                      std::span<const Parameter> parameters) {
  SLIPWAY_ASSERT(columns > 0 && parameters.size() % columns == 0);
  has_written_ = true;
  guard(parameters, [&] { inner_.execute_many(sql, columns, parameters); });
}

void GuardedTransaction::leave_to(std::string_view ending, std::any item) {
  if (!left_) return Transaction::leave_to(ending, std::move(item));
  left_->leave(ending, std::move(item));
}

WorkResult run_work(Session& session, Work& work, Savepoint savepoint, HeldAnswers& held, LeftItems& left) {
  LeftItems left_by_work = left.with_same_endings();
  GuardedTransaction transaction(session.transaction(), held, &left_by_work);
  std::exception_ptr failure;
  try {
    if (savepoint == Savepoint::around) session.savepoint();
    work(transaction);
    failure = transaction.failure();
    if (!failure && savepoint == Savepoint::around) session.release();
  } catch (...) {
    failure = told_by(transaction, std::current_exception());
  }
  if (!failure) left.take_from(std::move(left_by_work));
  WorkResult result{failure, transaction.failure() != nullptr, failure && !transaction.is_untouched()};
  if (!failure || savepoint == Savepoint::none || session.doomed()) return result;
  result.leaves_traces = false;
  held.forget();
  try {
    session.rollback_to();
  } catch (...) {
    SLIPWAY_ASSERT(session.doomed());  // otherwise a neighbour would commit what this work left behind
  }
  return result;
}

std::exception_ptr run_endings(Session& session, HeldAnswers& held, const LeftItems& left) {
  if (left.empty()) return nullptr;
  GuardedTransaction transaction(session.transaction(), held, nullptr);
  try {
    left.run(transaction);
    return transaction.failure();
  } catch (...) {
    return told_by(transaction, std::current_exception());
  }
}

}  // namespace slipway::store
