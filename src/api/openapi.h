#pragma once
// The OpenAPI 3.1 document of the API (WF-47), made from what the routes say of themselves.

#include <string>
#include <string_view>

#include "api/router.h"

namespace slipway::api {

// Throws INTERNAL_ERROR where a route says nothing of itself, and where routes contradict each other: two operations or
// two types of one name.
json::Value describe(const Router& router, std::string_view version);

}  // namespace slipway::api
