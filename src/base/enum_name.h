#pragma once
// Described enums as the names that stand in the store.

#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <string>

#include "base/error.h"

namespace slipway::base {

// Empty for what is no value of it.
template <class Enum>
std::string name_of(Enum value) {
  return boost::describe::enum_to_string(value, "");
}

// Of a name that only this program has written: any other is a broken promise, not input.
template <class Enum>
Enum value_of(const std::string& name) {
  Enum value{};
  SLIPWAY_ASSERT(boost::describe::enum_from_string(name.c_str(), value));
  return value;
}

}  // namespace slipway::base
