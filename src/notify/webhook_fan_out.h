#pragma once
// From the feed of changes to deliveries: each change once to each endpoint that wants it, whoever does it, because the
// place in the feed moves in the transaction that adds the deliveries.

#include "base/id.h"
#include "fleet/webhook.h"
#include "fleet/webhook_delivery.h"
#include "notify/webhook_events.h"

namespace slipway::notify {

// How many changes one transaction takes.
inline constexpr std::int64_t kFanOutMax = 500;

// The caller has locked (fleet/webhook.h). Reads up to `settled` (fleet/change_feed.h) and gives how many changes those
// were: with kFanOutMax, there may be more.
std::int64_t fan_out(store::Transaction& tx, base::IdGenerator& ids, std::int64_t settled, base::Instant now);

// A delivery that tells of nothing but itself: type webhook.ping.
fleet::Delivery add_ping(store::Transaction& tx, const fleet::Webhook& webhook, base::IdGenerator& ids,
                         base::Instant now);

// Ends what is pending, and tells the feed (webhook.disabled), so that other endpoints and live streams hear of it.
void disable(store::Transaction& tx, fleet::Webhook& webhook, const std::string& reason, base::Instant now);

}  // namespace slipway::notify
