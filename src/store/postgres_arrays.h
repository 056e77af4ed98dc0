#pragma once
// Rows of parameters as one binary array for each column: what one statement over arrays is sent with.

#include <span>
#include <string>
#include <vector>

#include "store/set_statement.h"
#include "store/store.h"

namespace slipway::store {

class PostgresArrays {
 public:
  explicit PostgresArrays(std::span<const ColumnType> types);

  // Throws INTERNAL_ERROR when a value is of another type than its column; a whole number is a real one too. Nothing of
  // the row is added then.
  void add_row(std::span<const Parameter> row);
  std::size_t rows() const { return rows_; }
  std::size_t bytes() const { return bytes_; }

  // For libpq; valid until the next row.
  struct Wire {
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
  };
  Wire wire();

 private:
  struct Column {
    ColumnType type;
    bool has_null = false;
    std::string elements;  // a length and the bytes of each, behind room for the header
  };
  static void check(const Column& column, const Parameter& parameter);
  static void add(Column& column, const Parameter& parameter);

  std::vector<Column> columns_;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace slipway::store
