#include "store/set_statement.h"

#include <array>
#include <cctype>

#include "store/errors.h"

namespace slipway::store {
namespace {

bool is_of_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The word after `prefix`, if `sql` begins with that.
std::string_view name_after(std::string_view sql, std::string_view prefix) {
  if (!sql.starts_with(prefix)) return {};
  sql.remove_prefix(prefix.size());
  std::size_t length = 0;
  while (length < sql.size() && is_of_name(sql[length])) ++length;
  return sql.substr(0, length);
}

// Where `word` stands outside of quotes and parentheses; npos if nowhere.
std::size_t find_outside(std::string_view sql, std::string_view word) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    const char c = sql[at];
    if (!quoted && depth == 0 && sql.substr(at).starts_with(word)) return at;
    if (c == '\'') quoted = !quoted;
    if (quoted) continue;
    if (c == '(') ++depth;
    if (c == ')') --depth;
  }
  return std::string_view::npos;
}

std::string_view array_of(ColumnType type) {
  switch (type) {
    case ColumnType::whole:
      return "bigint[]";
    case ColumnType::real:
      return "double precision[]";
    case ColumnType::text:
      break;
  }
  return "text[]";
}

// unnest($1::bigint[], $2::text[]) AS given (p1, p2)
std::string rows_of_arrays(std::span<const ColumnType> columns) {
  std::string arrays, names;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    const std::string_view separator = i == 0 ? "" : ", ";
    arrays.append(separator).append("$" + number + "::").append(array_of(columns[i]));
    names.append(separator).append("p" + number);
  }
  return "unnest(" + arrays + ") AS given (" + names + ")";
}

// `$2` becomes `given.p2`.
std::string with_columns(std::string_view sql) {
  std::string result;
  bool quoted = false;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    if (sql[at] == '\'') quoted = !quoted;
    if (!quoted && sql[at] == '$')
      result += "given.p";
    else
      result += sql[at];
  }
  return result;
}

constexpr std::string_view kInsert = "INSERT INTO ", kUpdate = "UPDATE ", kDelete = "DELETE FROM ";
constexpr std::string_view kValues = " VALUES (", kWhere = " WHERE ";

std::string insert_over_arrays(std::string_view sql, const std::string& rows) {
  const auto values = find_outside(sql, kValues);
  const auto open = values + kValues.size();
  const auto close = open + find_outside(sql.substr(open), ")");
  return std::string(sql.substr(0, values)) + " SELECT " + with_columns(sql.substr(open, close - open)) + " FROM " +
         rows + std::string(sql.substr(close + 1));
}

std::string change_over_arrays(std::string_view sql, std::string_view joining, const std::string& rows) {
  const auto where = find_outside(sql, kWhere);
  return with_columns(sql.substr(0, where)) + std::string(joining) + rows + with_columns(sql.substr(where));
}

}  // namespace

SetTarget target_of(std::string_view sql) {
  struct Form {
    SetKind kind;
    std::string_view prefix, needed;
  };
  constexpr std::array kForms{Form{SetKind::insert, kInsert, kValues}, Form{SetKind::update, kUpdate, kWhere},
                              Form{SetKind::remove, kDelete, kWhere}};
  for (const Form& form : kForms) {
    const auto table = name_after(sql, form.prefix);
    if (!table.empty() && find_outside(sql, form.needed) != std::string_view::npos) return {form.kind, table};
  }
  throw wrong_sql("it has not the form of a statement for many rows", sql);
}

std::string over_arrays(std::string_view sql, std::span<const ColumnType> columns) {
  const std::string rows = rows_of_arrays(columns);
  switch (target_of(sql).kind) {
    case SetKind::insert:
      return insert_over_arrays(sql, rows);
    case SetKind::update:
      return change_over_arrays(sql, " FROM ", rows);
    case SetKind::remove:
      break;
  }
  return change_over_arrays(sql, " USING ", rows);
}

}  // namespace slipway::store
