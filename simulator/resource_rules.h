#pragma once
// What the API accepts: ids, known members, and what the members may hold. Facts of the v1 discovery document.

#include <string_view>

#include "base/json.h"
#include "simulator/resource.h"

namespace slipway::simulator {

// Throws INVALID_ARGUMENT; `parameter` is the query parameter that holds the id.
void check_id(std::string_view id, std::string_view parameter);

// The client's part of `body`, checked: unknown members are refused as the front end does, output-only ones are
// dropped, defaults are filled in.
json::Object accept_fields(Kind kind, const json::Value& body);

// `fields` with the members named by `update_mask` (comma-separated, snake_case or camelCase, dotted) taken from
// `body`. Throws INVALID_ARGUMENT for a path that is unknown, immutable or output only.
json::Object apply_update(Kind kind, const json::Object& fields, const json::Value& body, std::string_view update_mask);

// The machine type of a config, and its zones: defaults where it says nothing.
std::string machine_type_of(const json::Object& config_fields);

}  // namespace slipway::simulator
