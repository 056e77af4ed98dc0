#pragma once
// Values as PostgreSQL's text format has them, both ways.

#include <span>
#include <string>
#include <vector>

#include "store/store.h"

struct pg_result;

namespace slipway::store {

// Pointers for libpq; they live as long as this.
class TextParameters {
 public:
  explicit TextParameters(std::span<const Parameter> parameters);
  const char* const* data() const { return pointers_.data(); }
  int size() const { return int(pointers_.size()); }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

Rows rows_of(const pg_result* result);
std::int64_t changed_rows(pg_result* result);

}  // namespace slipway::store
