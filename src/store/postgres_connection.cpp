#include "store/postgres_connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>

#include "store/errors.h"
#include "store/postgres_errors.h"
#include "store/postgres_values.h"

namespace slipway::store {
namespace {

// The program has some hundred statements; more means that somebody builds them anew each time.
constexpr std::size_t kStatementsMax = 1'000;
// Statements that wait for one round trip: more do not save any worth counting, and their results wait in memory.
constexpr std::size_t kPipelineMax = 256;
// Rows of one statement: as many bytes as are worth gathering, and far from PostgreSQL's limit of a gigabyte for a
// value.
constexpr std::size_t kSetBytesMax = 8u << 20;

std::string trimmed(std::string_view message) {
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.remove_suffix(1);
  return std::string(message);
}

ColumnType column_type(Oid type, std::string_view sql) {
  switch (type) {
    case 20:  // int8, int2, int4: pg_type.dat
    case 21:
    case 23:
      return ColumnType::whole;
    case 700:  // float4, float8
    case 701:
      return ColumnType::real;
    case 25:  // text, varchar
    case 1043:
      return ColumnType::text;
    default:
      throw wrong_sql("a parameter for many rows must be of a column of BIGINT, DOUBLE PRECISION or TEXT", sql);
  }
}

void ignore_notice(void*, const pg_result*) {}

}  // namespace

// What the address in the URL sets goes before what stands in front of it, and after it what must not be changed.
pg_conn* connect_to_postgres(const std::string& url, const std::string& name, PostgresMode mode) {
  const std::string connect_seconds = std::to_string(kConnectTimeout.count() / 1000);
  const std::string unacknowledged_ms = std::to_string(kAnswerTimeout.count());
  // Of several servers the one that takes writes, also for reading: a standby may not have yet what was just committed.
  const char* const target = mode == PostgresMode::write ? "read-write" : "primary";
  const char* const keys[] = {"connect_timeout",     "tcp_user_timeout",     "keepalives_idle",
                              "keepalives_interval", "target_session_attrs", "dbname",
                              "application_name",    "client_encoding",      nullptr};
  const char* const values[] = {connect_seconds.c_str(),
                                unacknowledged_ms.c_str(),
                                "10",
                                "5",
                                target,
                                url.c_str(),
                                name.c_str(),
                                "UTF8",
                                nullptr};
  return PQconnectdbParams(keys, values, 1);
}

void PostgresConnection::FreeResult::operator()(pg_result* result) const { PQclear(result); }

PostgresConnection::PostgresConnection(const std::string& url, const std::string& name, PostgresMode mode)
    : connection_(connect_to_postgres(url, name, mode)), mode_(mode) {
  try {
    if (PQstatus(connection_) != CONNECTION_OK) fail_lost();
    PQsetNoticeReceiver(connection_, ignore_notice, nullptr);
    require(PQsetnonblocking(connection_, 1) == 0);
    require(PQenterPipelineMode(connection_));
    run_script("SET statement_timeout = " + std::to_string(kStatementTimeout.count()) +
               "; SET idle_in_transaction_session_timeout = " + std::to_string(kSilenceMax.count()));
  } catch (...) {
    PQfinish(connection_);
    throw;
  }
}

PostgresConnection::~PostgresConnection() { PQfinish(connection_); }

Rows PostgresConnection::query(std::string_view sql, std::span<const Parameter> parameters) {
  forget_statements_if_many();
  send_deferred();
  send(sql, parameters, false);
  return rows_of(round_trip().get());
}

std::int64_t PostgresConnection::execute(std::string_view sql, std::span<const Parameter> parameters) {
  forget_statements_if_many();
  send_deferred();
  send(sql, parameters, false);
  return changed_rows(round_trip().get());
}

void PostgresConnection::execute_many(std::string_view sql, std::size_t columns,
                                      std::span<const Parameter> parameters) {
  if (parameters.empty()) return;
  if (lost_) fail_lost();
  const auto form = set_form_of(sql);
  if (columns != form->columns.size())
    throw wrong_sql("it takes " + std::to_string(form->columns.size()) + " parameters", sql);
  while (!parameters.empty()) {
    PostgresArrays& waiting = rows_waiting_for(form);
    while (!parameters.empty() && waiting.bytes() < kSetBytesMax) {
      waiting.add_row(parameters.first(columns));
      parameters = parameters.subspan(columns);
    }
  }
  if (mode_ == PostgresMode::read_only || deferred_.size() >= kPipelineMax) flush();
}

// The rows to which one more of `form` may be added without being told apart from one behind all that waits.
PostgresArrays& PostgresConnection::rows_waiting_for(const std::shared_ptr<SetForm>& form) {
  for (auto deferred = deferred_.rbegin(); deferred != deferred_.rend(); ++deferred) {
    auto* set = std::get_if<RowSet>(&*deferred);
    if (!set || form->kind != SetKind::insert) break;
    if (set->form == form && set->rows.bytes() < kSetBytesMax) return set->rows;
    if (!inserts_pass_ || set->form->kind != SetKind::insert || set->form->table == form->table) break;
  }
  return std::get<RowSet>(deferred_.emplace_back(RowSet{form, PostgresArrays(form->columns)})).rows;
}

void PostgresConnection::flush() {
  const auto has_rows = [](const Deferred& deferred) { return std::holds_alternative<RowSet>(deferred); };
  if (std::ranges::none_of(deferred_, has_rows)) return;
  send_deferred();
  round_trip();
}

void PostgresConnection::forget_rows() {
  std::erase_if(deferred_, [](const Deferred& deferred) { return std::holds_alternative<RowSet>(deferred); });
}

void PostgresConnection::defer(std::string_view sql, std::vector<Parameter> parameters) {
  deferred_.push_back(Control{sql, std::move(parameters)});
}

void PostgresConnection::run_script(const std::string& sql) {
  SLIPWAY_ASSERT(deferred_.empty() && expected_.empty());
  require(PQexitPipelineMode(connection_));
  const Result result(PQexec(connection_, sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    if (PQstatus(connection_) == CONNECTION_OK) PQenterPipelineMode(connection_);
    fail(result.get(), sql);
  }
  require(PQenterPipelineMode(connection_));
}

bool PostgresConnection::commit() {
  send_deferred();
  send("COMMIT", {}, false);
  const Result result = round_trip();
  doomed_ = false;
  return std::string_view(PQcmdStatus(result.get())) == "COMMIT";
}

void PostgresConnection::rollback() noexcept {
  deferred_.clear();
  if (!lost_ && PQtransactionStatus(connection_) != PQTRANS_IDLE) {
    try {
      execute("ROLLBACK");
    } catch (const base::Error&) {
      lost_ = true;  // the server rolls back what a closed connection leaves
    }
  }
  doomed_ = false;
}

PostgresConnection::StatementPtr PostgresConnection::new_statement(std::string_view sql) {
  return std::make_shared<Statement>(Statement{"s" + std::to_string(++statements_made_), std::string(sql)});
}

PostgresConnection::StatementPtr PostgresConnection::statement_for(std::string_view sql) {
  auto& slot = statements_[Key{sql.data(), sql.size()}];
  // The address of a text that was built, not written as a literal, may have held another one before.
  if (!slot || slot->sql != sql) slot = new_statement(sql);
  return slot;
}

// Asks the server of which types the parameters are, once for each statement.
std::shared_ptr<PostgresConnection::SetForm> PostgresConnection::set_form_of(std::string_view sql) {
  const StatementPtr statement = statement_for(sql);
  if (statement->set) return statement->set;
  const SetTarget target = target_of(sql);
  send_deferred();
  prepare(statement, false);
  require(PQsendDescribePrepared(connection_, statement->name.c_str()));
  expected_.push_back({statement, Step::description, false});
  const Result description = round_trip();
  SetForm form{target.kind, std::string(target.table), {}, nullptr};
  for (int i = 0; i < PQnparams(description.get()); ++i)
    form.columns.push_back(column_type(PQparamtype(description.get(), i), sql));
  form.statement = new_statement(over_arrays(sql, form.columns));
  statement->set = std::make_shared<SetForm>(std::move(form));
  return statement->set;
}

void PostgresConnection::prepare(const StatementPtr& statement, bool is_control) {
  const bool is_on_its_way = std::ranges::any_of(
      expected_, [&](const Expected& e) { return e.statement == statement && e.step == Step::preparation; });
  if (statement->prepared || is_on_its_way) return;
  require(PQsendPrepare(connection_, statement->name.c_str(), statement->sql.c_str(), 0, nullptr));
  expected_.push_back({statement, Step::preparation, is_control});
}

void PostgresConnection::send(std::string_view sql, std::span<const Parameter> parameters, bool is_control) {
  const StatementPtr statement = statement_for(sql);
  prepare(statement, is_control);
  const TextParameters texts(parameters);
  require(PQsendQueryPrepared(connection_, statement->name.c_str(), texts.size(), texts.data(), nullptr, nullptr, 0));
  expected_.push_back({statement, Step::execution, is_control});
}

void PostgresConnection::send(RowSet& set) {
  const StatementPtr& statement = set.form->statement;
  prepare(statement, false);
  const PostgresArrays::Wire wire = set.rows.wire();
  require(PQsendQueryPrepared(connection_, statement->name.c_str(), int(wire.values.size()), wire.values.data(),
                              wire.lengths.data(), wire.formats.data(), 0));
  expected_.push_back({statement, Step::execution, false});
}

void PostgresConnection::send_deferred() {
  if (lost_) fail_lost();
  for (Deferred& deferred : deferred_) {
    if (auto* control = std::get_if<Control>(&deferred))
      send(control->sql, control->parameters, true);
    else
      send(std::get<RowSet>(deferred));
  }
  deferred_.clear();
}

void PostgresConnection::forget_statements_if_many() {
  if (lost_ || statements_.size() <= kStatementsMax || PQtransactionStatus(connection_) == PQTRANS_INERROR) return;
  statements_.clear();
  for (Deferred& deferred : deferred_)
    if (auto* set = std::get_if<RowSet>(&deferred)) set->form->statement->prepared = false;
  send("DEALLOCATE ALL", {}, true);
}

// Ends the pipeline and reads what it answered: the last result, or the first failure.
PostgresConnection::Result PostgresConnection::round_trip() {
  require(PQpipelineSync(connection_));
  const Deadline deadline = std::chrono::steady_clock::now() + kAnswerTimeout;
  Result last, failure;
  Expected failed{};
  for (; !expected_.empty(); expected_.pop_front()) {
    const Expected expected = expected_.front();
    Result result = next_result(deadline);
    const ExecStatusType status = PQresultStatus(result.get());
    while (next_result(deadline)) {
    }
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      if (expected.step == Step::preparation) expected.statement->prepared = true;
      last = std::move(result);
    } else if (status != PGRES_PIPELINE_ABORTED && !failure) {
      failure = std::move(result);
      failed = expected;
    }
  }
  const Result sync = next_result(deadline);
  if (failure) {
    doomed_ = doomed_ || failed.is_control;
    fail(failure.get(), failed.statement->sql);
  }
  return last;
}

// Null at the end of one statement's results.
PostgresConnection::Result PostgresConnection::next_result(Deadline deadline) {
  while (PQisBusy(connection_)) wait_for_socket(deadline);
  return Result(PQgetResult(connection_));
}

void PostgresConnection::wait_for_socket(Deadline deadline) {
  const int unsent = PQflush(connection_);
  if (unsent < 0) fail_lost();
  const auto left = std::chrono::ceil<base::Duration>(deadline - std::chrono::steady_clock::now());
  if (left.count() <= 0) fail_lost("no answer within " + base::format_duration(kAnswerTimeout));
  pollfd socket{PQsocket(connection_), short(unsent ? POLLIN | POLLOUT : POLLIN), 0};
  if (::poll(&socket, 1, int(left.count())) < 0 && errno != EINTR) fail_lost("poll failed");
  if ((socket.revents & ~POLLOUT) != 0 && !PQconsumeInput(connection_)) fail_lost();
}

void PostgresConnection::require(int sent) {
  if (!sent) fail_lost();
}

void PostgresConnection::fail_lost(std::string_view reason) {
  lost_ = true;
  expected_.clear();
  deferred_.clear();
  throw store_unavailable(reason.empty() ? trimmed(PQerrorMessage(connection_)) : std::string(reason));
}

void PostgresConnection::fail(const pg_result* result, std::string_view sql) {
  const PostgresFailure failure = translate(result, sql, mode_ == PostgresMode::write);
  lost_ = lost_ || failure.loses_connection || PQstatus(connection_) != CONNECTION_OK;
  doomed_ = doomed_ || failure.dooms_transaction;
  throw failure.error;
}

}  // namespace slipway::store
