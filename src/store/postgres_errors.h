#pragma once
// What a SQLSTATE means to us. https://www.postgresql.org/docs/15/errcodes-appendix.html

#include <string>
#include <string_view>

#include "base/error.h"

struct pg_result;

namespace slipway::store {

struct PostgresFailure {
  base::Error error;
  bool loses_connection = false;  // the server closes the connection, or it is of no use any more
  bool dooms_transaction = false;
};

// `result` is one with PGRES_FATAL_ERROR. A standby refuses to write: on a writing connection that is a lost one.
PostgresFailure translate(const pg_result* result, std::string_view sql, bool writes);

}  // namespace slipway::store
