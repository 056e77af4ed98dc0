#include "store/postgres_values.h"

#include <libpq-fe.h>

#include <charconv>
#include <cstring>

namespace slipway::store {
namespace {

// Object identifiers of types, fixed by PostgreSQL: src/include/catalog/pg_type.dat.
enum : Oid { kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kFloat4 = 700, kFloat8 = 701, kNumeric = 1700 };

template <class Number>
std::string as_text(Number number) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return std::string(buffer, end);
}

template <class Number>
Number parse(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  SLIPWAY_ASSERT(error == std::errc() && end == text.data() + text.size());
  return number;
}

Value parse_value(std::string_view text, Oid type) {
  switch (type) {
    case kBool:
      return std::int64_t(text == "t");
    case kInt2:
    case kInt4:
    case kInt8:
      return parse<std::int64_t>(text);
    case kFloat4:
    case kFloat8:
      return parse<double>(text);
    // What sum() of BIGINT answers: whole as in SQLite, unless it is not.
    case kNumeric:
      if (text.find_first_not_of("-0123456789") == std::string_view::npos && text.size() <= 18)
        return parse<std::int64_t>(text);
      return parse<double>(text);
    default:
      return std::string(text);
  }
}

}  // namespace

TextParameters::TextParameters(std::span<const Parameter> parameters) {
  texts_.reserve(parameters.size());  // so that they do not move
  pointers_.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    if (const auto text = parameter.text()) {
      pointers_.push_back(texts_.emplace_back(*text).c_str());
    } else if (const auto* whole = parameter.whole()) {
      pointers_.push_back(texts_.emplace_back(as_text(*whole)).c_str());
    } else if (const auto* real = parameter.real()) {
      pointers_.push_back(texts_.emplace_back(as_text(*real)).c_str());
    } else {
      pointers_.push_back(nullptr);
    }
  }
}

Rows rows_of(const pg_result* result) {
  const int columns = PQnfields(result);
  const int count = PQntuples(result);
  Rows rows;
  rows.reserve(std::size_t(count));
  for (int row = 0; row < count; ++row) {
    std::vector<Value> values;
    values.reserve(std::size_t(columns));
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, row, column)) {
        values.emplace_back(std::monostate());
      } else {
        const std::string_view text(PQgetvalue(result, row, column), std::size_t(PQgetlength(result, row, column)));
        values.push_back(parse_value(text, PQftype(result, column)));
      }
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

std::int64_t changed_rows(pg_result* result) {
  const std::string_view command = PQcmdStatus(result);
  if (command.starts_with("SELECT")) return 0;
  const std::string_view count = PQcmdTuples(result);
  return count.empty() ? 0 : parse<std::int64_t>(count);
}

}  // namespace slipway::store
