#pragma once
// The mail that tells who is on call of alerts.

#include <string>
#include <vector>

#include "fleet/alert.h"
#include "notify/mail.h"

namespace slipway::notify {

// `alerts` is not empty, `further` are as many more that are open and not in it. `hub` is where people find the hub.
// Its message id is that of the first alert with their number: the same for every attempt to tell of these.
Mail render_alerts(const std::string& to, const std::vector<fleet::Alert>& alerts, std::int64_t further,
                   const std::string& hub);

}  // namespace slipway::notify
