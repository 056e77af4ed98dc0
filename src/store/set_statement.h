#pragma once
// Statements for many rows: the form that Transaction::execute_many takes, and how PostgreSQL is told to do it at once.

#include <span>
#include <string>
#include <string_view>

namespace slipway::store {

// What a column of parameters is.
enum class ColumnType { whole, real, text };

enum class SetKind { insert, update, remove };

// What a statement of execute_many does to which table. Throws INTERNAL_ERROR when it is none of
//   INSERT INTO table (…) VALUES (…) [ON CONFLICT …]
//   UPDATE table SET … WHERE …
//   DELETE FROM table WHERE …
struct SetTarget {
  SetKind kind;
  std::string_view table;
};
SetTarget target_of(std::string_view sql);

// The same statement for PostgreSQL over arrays, one parameter each instead of one value: `$2` becomes the second
// column of unnest($1::bigint[], $2::text[] …).
std::string over_arrays(std::string_view sql, std::span<const ColumnType> columns);

}  // namespace slipway::store
