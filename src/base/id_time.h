#pragma once
// The time in an identifier (base/id.h): the first ten of its 26 characters.

#include <string>
#include <string_view>

#include "base/time.h"

namespace slipway::base {

// What the ids of that prefix begin with that are made in the millisecond of `at`. By itself it sorts before all of
// them and after all of the millisecond before. Times that no id can have give the nearest.
std::string id_beginning(std::string_view prefix, Instant at);

}  // namespace slipway::base
