#include "store/postgres_session.h"

#include "store/commit_marker.h"
#include "store/errors.h"

namespace slipway::store {

PostgresSession::PostgresSession(const std::string& url, const std::string& writer)
    : connection_(url, "slipway " + writer, PostgresMode::write) {
  try {
    connection_.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> "
        "pg_backend_pid()",
        {"slipway " + writer});
  } catch (const base::Error&) {
    if (connection_.lost()) throw;  // not allowed, or not known there: the server's own timeout does it
  }
  try {
    // Writes go by key. A plan that was made while a table was small is kept for long, and must not read all of it
    // then.
    connection_.run_script(
        "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off");
  } catch (const base::Error&) {
    if (connection_.lost()) throw;  // another planner, with other settings
  }
}

void PostgresSession::begin() {
  connection_.let_inserts_pass(true);
  connection_.defer("BEGIN ISOLATION LEVEL READ COMMITTED");
}

void PostgresSession::savepoint() {
  connection_.let_inserts_pass(false);
  connection_.defer("SAVEPOINT work");
}

void PostgresSession::release() {
  connection_.flush();
  connection_.defer("RELEASE SAVEPOINT work");
}

void PostgresSession::write_marker(const std::string& writer, std::int64_t sequence) {
  connection_.defer(kWriteMarker, {writer, sequence, base::SystemClock().now()});
}

void PostgresSession::rollback_to() {
  connection_.forget_rows();
  connection_.defer("ROLLBACK TO SAVEPOINT work");
  connection_.defer("RELEASE SAVEPOINT work");
}

CommitResult PostgresSession::commit() noexcept {
  try {
    if (connection_.commit()) return {};
    return {CommitOutcome::refused,
            std::make_exception_ptr(base::internal_error("the database rolled back at COMMIT"))};
  } catch (const base::Error&) {
    return {connection_.lost() ? CommitOutcome::unknown : CommitOutcome::refused, std::current_exception()};
  }
}

Transaction& PostgresReadSession::begin() {
  connection_.defer("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  return connection_;
}

void PostgresMigrationSession::begin_exclusively() {
  // Any number will do, so long as nobody else uses it: the bytes of 'slipway'. Waiting for another replica's
  // migration may take longer than a statement should.
  connection_.run_script("BEGIN; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(32488822435963257)");
}

}  // namespace slipway::store
