#pragma once
// Whether a message can ever work (WP-1). Plain functions, for anything that may come.

#include <array>
#include <expected>
#include <string>
#include <string_view>

#include "fleet/received_message.h"
#include "workflows/workstation_request.h"

namespace slipway::workflows {

// All reasons of refusals, for metrics.
inline constexpr std::array<std::string_view, 7> kRefusalReasons = {
    "too_large", "not_utf8", "not_json", "not_an_object", "missing_field", "unknown_tier", "invalid_field"};

// The order in a message's data, or why it is none. Never throws because of the data.
std::expected<Order, fleet::Refusal> judge_order(std::string_view data, const fleet::Tiers& tiers);

}  // namespace slipway::workflows
