#pragma once
// Why a webhook or one of its deliveries is in the state it is in.

#include "api/why_view.h"
#include "fleet/webhook_delivery.h"

namespace slipway::api {

// Whether the id is one of a webhook or a delivery.
bool is_webhook_id(const std::string& id);
// Throws NOT_FOUND.
Why explain_webhook(store::Transaction& tx, const fleet::Scope& scope, const std::string& id, base::Instant now);

}  // namespace slipway::api
