#pragma once
// Why there is an alert, and what makes it go.

#include "api/why_view.h"
#include "fleet/alert.h"

namespace slipway::api {

// Throws NOT_FOUND.
Why explain_alert(store::Transaction& tx, const fleet::Scope& scope, const fleet::AlertId& id);

}  // namespace slipway::api
