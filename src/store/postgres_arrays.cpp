#include "store/postgres_arrays.h"

#include <bit>
#include <cstring>

#include "store/errors.h"

namespace slipway::store {
namespace {

// Object identifiers of types, fixed by PostgreSQL: src/include/catalog/pg_type.dat.
constexpr std::int32_t kInt8 = 20, kText = 25, kFloat8 = 701;
// An array on the wire: dimensions, whether there are nulls, type of the elements; then for the one dimension its
// length and first index; then the elements, each behind its length. PostgreSQL, array_recv in src/backend/utils/adt.
constexpr std::size_t kHeaderBytes = 5 * sizeof(std::int32_t);
constexpr std::int32_t kNull = -1;

std::int32_t type_of_element(ColumnType type) {
  return type == ColumnType::whole ? kInt8 : type == ColumnType::real ? kFloat8 : kText;
}

// In the order of the network.
template <class Number>
void append(std::string& bytes, Number number) {
  if constexpr (std::endian::native == std::endian::little)
    number = sizeof number == 4 ? Number(__builtin_bswap32(std::uint32_t(number)))
                                : Number(__builtin_bswap64(std::uint64_t(number)));
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_eight_bytes(std::string& bytes, std::int64_t number) {
  append(bytes, std::int32_t(sizeof number));
  append(bytes, number);
}

}  // namespace

PostgresArrays::PostgresArrays(std::span<const ColumnType> types) {
  columns_.reserve(types.size());
  for (const ColumnType type : types) columns_.push_back({.type = type, .elements = std::string(kHeaderBytes, '\0')});
}

void PostgresArrays::add_row(std::span<const Parameter> row) {
  SLIPWAY_ASSERT(row.size() == columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) check(columns_[i], row[i]);
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::size_t before = columns_[i].elements.size();
    add(columns_[i], row[i]);
    bytes_ += columns_[i].elements.size() - before;
  }
  ++rows_;
}

void PostgresArrays::check(const Column& column, const Parameter& parameter) {
  const bool fits = parameter.is_null() || (column.type == ColumnType::text    ? parameter.text().has_value()
                                            : column.type == ColumnType::whole ? parameter.whole() != nullptr
                                                                               : !parameter.text());
  if (!fits) throw base::internal_error("store: a parameter for many rows is of another type than its column");
}

void PostgresArrays::add(Column& column, const Parameter& parameter) {
  if (const auto text = parameter.text()) {
    append(column.elements, std::int32_t(text->size()));
    column.elements.append(*text);
  } else if (const auto* whole = parameter.whole()) {
    append_eight_bytes(column.elements,
                       column.type == ColumnType::real ? std::bit_cast<std::int64_t>(double(*whole)) : *whole);
  } else if (const auto* real = parameter.real()) {
    append_eight_bytes(column.elements, std::bit_cast<std::int64_t>(*real));
  } else {
    append(column.elements, kNull);
    column.has_null = true;
  }
}

PostgresArrays::Wire PostgresArrays::wire() {
  Wire wire;
  for (Column& column : columns_) {
    std::string header;
    for (const std::int32_t field : {std::int32_t(1), std::int32_t(column.has_null), type_of_element(column.type),
                                     std::int32_t(rows_), std::int32_t(1)})
      append(header, field);
    std::memcpy(column.elements.data(), header.data(), kHeaderBytes);
    wire.values.push_back(column.elements.data());
    wire.lengths.push_back(int(column.elements.size()));
    wire.formats.push_back(1);
  }
  return wire;
}

}  // namespace slipway::store
