#pragma once
// The failures that a store reports, made in one place so that both databases say the same.

#include <string>
#include <string_view>

#include "base/error.h"

namespace slipway::store {

// `kind` is "unique", "foreign_key", "check" or "not_null"; `constraint` may be empty when the database does not tell.
base::Error constraint_violated(std::string_view kind, std::string_view constraint, std::string_view message);
base::Error store_full(std::string_view message);
base::Error store_busy(std::string_view message);
base::Error store_unavailable(std::string_view message);
base::Error wrong_sql(std::string_view message, std::string_view sql);
// A text that one of the databases cannot hold: a NUL in it, or not UTF-8.
base::Error text_not_storable(std::string_view reason);

}  // namespace slipway::store
