#include "store/guarded_transaction.h"

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

}  // namespace

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

Rows GuardedTransaction::query(std::string_view sql, std::span<const Parameter> parameters) {
  has_written_ = has_written_ || !sql.starts_with("SELECT ");
  return guard(parameters, [&] { return inner_.query(sql, parameters); });
}

std::int64_t GuardedTransaction::execute(std::string_view sql, std::span<const Parameter> parameters) {
  has_written_ = true;
  return guard(parameters, [&] { return inner_.execute(sql, parameters); });
}

void GuardedTransaction::execute_many(std::string_view sql, std::size_t columns,
                                      std::span<const Parameter> parameters) {
  SLIPWAY_ASSERT(columns > 0 && parameters.size() % columns == 0);
  has_written_ = true;
  guard(parameters, [&] { inner_.execute_many(sql, columns, parameters); });
}

WorkResult run_work(Session& session, Work& work, Savepoint savepoint) {
  GuardedTransaction transaction(session.transaction());
  std::exception_ptr failure;
  try {
    if (savepoint == Savepoint::around) session.savepoint();
    work(transaction);
    failure = transaction.failure();
    if (!failure && savepoint == Savepoint::around) session.release();
  } catch (...) {
    failure = std::current_exception();
    // Trouble of the database itself is for the writer to see, whatever the work made of it.
    if (transaction.failure() && is_transient(transaction.failure())) failure = transaction.failure();
  }
  WorkResult result{failure, transaction.failure() != nullptr, failure && !transaction.is_untouched()};
  if (!failure || savepoint == Savepoint::none || session.doomed()) return result;
  result.leaves_traces = false;
  try {
    session.rollback_to();
  } catch (...) {
    SLIPWAY_ASSERT(session.doomed());  // otherwise a neighbour would commit what this work left behind
  }
  return result;
}

}  // namespace slipway::store
