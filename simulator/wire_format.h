#pragma once
// What a client may ask of any answer's form: enums as numbers, and only some of the members.

#include <string_view>

#include "base/json.h"

namespace slipway::simulator {

// `$alt=json;enum-encoding=int`: the enums of Cloud Workstations by their numbers.
void number_enums(json::Value& value);

// Every `state` becomes one of a future version of the API.
void obscure_states(json::Value& value);

// `fields=a,b/c,items(name,state)`: only those members. An unknown one selects nothing; malformed text throws
// INVALID_ARGUMENT.
json::Value select_fields(const json::Value& value, std::string_view mask);

// A list's `filter`, as far as it goes: comparisons `path = "text"`, `path eq text`, `path:text` and `!=`, joined by
// AND. Throws INVALID_ARGUMENT for anything else.
bool passes_filter(const json::Value& value, std::string_view filter);

}  // namespace slipway::simulator
