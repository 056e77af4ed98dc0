#pragma once
// For this room.

#include <stop_token>

#include "base/time.h"

namespace slipway::google {

// Blocks for so long; false when `stop` fired, and at once.
bool wait_for(base::Duration duration, const std::stop_token& stop);

}  // namespace slipway::google
