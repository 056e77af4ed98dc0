#include "store/postgres_errors.h"

#include <libpq-fe.h>

#include "store/errors.h"

namespace slipway::store {
namespace {

std::string field(const pg_result* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? text : "";
}

std::string_view constraint_kind(std::string_view state) {
  if (state == "23503" || state == "23001") return "foreign_key";
  if (state == "23514") return "check";
  if (state == "23502") return "not_null";
  return "unique";
}

// A column that must not be null has no constraint's name: it is named as SQLite does.
std::string constraint_name(const pg_result* result) {
  const std::string name = field(result, PG_DIAG_CONSTRAINT_NAME);
  if (!name.empty()) return name;
  return field(result, PG_DIAG_TABLE_NAME) + "." + field(result, PG_DIAG_COLUMN_NAME);
}

}  // namespace

PostgresFailure translate(const pg_result* result, std::string_view sql, bool writes) {
  const std::string state = field(result, PG_DIAG_SQLSTATE);
  const std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  const auto is = [&](std::string_view prefix) { return state.starts_with(prefix); };

  if (is("23")) return {constraint_violated(constraint_kind(state), constraint_name(result), message)};
  if (state == "53100") return {.error = store_full(message), .dooms_transaction = true};  // disk_full
  if (state == "53200") return {.error = store_busy(message), .dooms_transaction = true};  // out_of_memory
  // Deadlock, serialization failure, lock timeout: the whole transaction has to be run again.
  if ((is("40") && state != "40003") || state == "55P03")
    return {.error = store_busy(message), .dooms_transaction = true};
  if (state == "57014") return {store_busy(message)};  // query_canceled: statement_timeout
  if (state == "22021" || state == "22P05") return {text_not_storable(message)};
  if (state == "08P01") return {wrong_sql(message, sql)};  // as libpq is no outsider: a wrong number of parameters
  const bool is_standby = state == "25006" && writes;      // read_only_sql_transaction
  // No state: libpq itself. 08 connection, 53 resources, 57P shutdown, 58 the system's input and output, 25P03 idle in
  // a transaction for too long, 26000 a statement that a pooler prepared elsewhere, 40003 a COMMIT whose outcome the
  // server does not know.
  if (state.empty() || is("08") || is("53") || is("57P") || is("58") || state == "25P03" || state == "26000" ||
      state == "40003" || is_standby)
    return {.error = store_unavailable(message), .loses_connection = true};
  return {wrong_sql(message, sql)};
}

}  // namespace slipway::store
