#pragma once
// Messages to webhook endpoints and every attempt to deliver them. While pending, one is due, being sent under a claim,
// or waits in the line of its resource (endpoints that are `ordered`).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/webhook.h"
#include "store/store.h"

namespace slipway::fleet {

using base::DeliveryId;

enum class DeliveryStatus { pending, delivered, failed };
BOOST_DESCRIBE_ENUM(DeliveryStatus, pending, delivered, failed)

struct Delivery {
  DeliveryId id;  // the message's `webhook-id`, the same in every attempt
  WebhookId endpoint_id;
  std::optional<std::int64_t> place;  // in the feed of changes; none for a ping
  std::string event_type;
  std::string resource;  // type/id: whose line it stands in
  std::string content_type;
  std::string body;
  DeliveryStatus status = DeliveryStatus::pending;
  std::optional<base::Instant> due_at;
  std::optional<base::Instant> claimed_until;
  std::int64_t turn = 0;
  std::int64_t attempts = 0;  // ever
  std::int64_t tries = 0;     // of the present schedule
  std::optional<base::Instant> first_tried_at;
  std::optional<base::Instant> last_attempt_at;
  std::optional<std::int64_t> last_status;
  std::optional<std::string> last_error;
  base::Instant created_at;
  std::optional<base::Instant> ended_at;
};

// What came of one sending.
struct DeliveryAttempt {
  std::int64_t number = 0;
  base::Instant at;
  base::Duration duration{0};
  std::optional<std::int64_t> status;  // of the answer, if there was one
  std::optional<std::string> error_code, error_message;
  json::Value headers = json::Object{};
  std::string body;                // its beginning
  std::optional<std::string> url;  // where it went, without the query; none for old attempts
};

// ---- for those who look

std::optional<WebhookId> endpoint_of(store::Transaction& tx, const DeliveryId& id);
std::optional<Delivery> find_delivery(store::Transaction& tx, const WebhookId& endpoint, const DeliveryId& id);
struct DeliveryFilter {
  std::optional<DeliveryStatus> status;
  std::optional<std::string> event_type;
  std::optional<base::Instant> since;
  std::string before;  // cursor: ids smaller than this
  std::int64_t limit = 50;
};
// Newest first, without their bodies.
std::vector<Delivery> list_deliveries(store::Transaction& tx, const WebhookId& endpoint, const DeliveryFilter& filter);
// How many there are without the cursor; counted up to kCountMax only, so that a long history costs nothing.
inline constexpr std::int64_t kCountMax = 10'000;
struct DeliveryCount {
  std::int64_t count = 0;
  bool is_capped = false;  // there are more
};
DeliveryCount count_deliveries(store::Transaction& tx, const WebhookId& endpoint, const DeliveryFilter& filter);
// Oldest first.
std::vector<DeliveryAttempt> delivery_attempts(store::Transaction& tx, const DeliveryId& id);

// ---- for those who decide: they have locked (`lock_webhooks`)

// Adds new ones, due now, or in line behind others of their resource where the endpoint is ordered.
void insert_deliveries(store::Transaction& tx, const std::vector<Delivery>& deliveries, bool ordered,
                       base::Instant now);
// Begins a new schedule of attempts for one that has ended. Throws INVALID_STATE_TRANSITION when it has not.
Delivery redeliver(store::Transaction& tx, const Webhook& endpoint, const DeliveryId& id, base::Instant now);
// The same for all that failed and were made since; how many.
std::int64_t recover_deliveries(store::Transaction& tx, const Webhook& endpoint, base::Instant since,
                                base::Instant now);
// After `ordered` was changed: everyone into line, or out of it.
void rearrange(store::Transaction& tx, const Webhook& endpoint, base::Instant now);
// Ends all that is pending, as when the endpoint is disabled.
void fail_pending(store::Transaction& tx, const WebhookId& endpoint, const std::string& reason, base::Instant now);

// Claims up to `limit` due ones of that endpoint until `until`, oldest first.
std::vector<Delivery> claim_deliveries(store::Transaction& tx, const WebhookId& endpoint, std::int64_t limit,
                                       base::Instant now, base::Instant until);
// Claims that have run out, because whoever made them is gone: due again.
std::int64_t release_claims(store::Transaction& tx, base::Instant expired_before, base::Instant now);
// How many are being sent, by all replicas.
struct UnderWay {
  std::map<std::string, std::int64_t> to_endpoint, to_owner;
};
UnderWay deliveries_under_way(store::Transaction& tx);
// The delivery, if the claim of that turn still stands.
std::optional<Delivery> find_claimed(store::Transaction& tx, const DeliveryId& id, std::int64_t turn);
// Ends a claim: stores the delivery's new state and the attempt, and lets the next one of its line go.
void settle(store::Transaction& tx, const Delivery& delivery, const DeliveryAttempt& attempt, base::Instant now);

// When something of an endpoint that may be sent to is due next: the earliest, over all of them. Cheap: a look at each
// active endpoint.
struct DueEndpoint {
  WebhookId id;
  base::UserId owner_id;
  base::Instant due_at;       // of its oldest, or when its hold ends if that is later
  std::int64_t failures = 0;  // in a row
};
std::vector<DueEndpoint> due_endpoints(store::Transaction& tx);
// Whether a claim has run out.
bool has_expired_claims(store::Transaction& tx, base::Instant now);

// Pending ones by endpoint.
std::map<std::string, std::int64_t> pending_by_endpoint(store::Transaction& tx);
bool has_forgettable_deliveries(store::Transaction& tx, base::Instant before);
// Removes what ended before that time, or belongs to removed endpoints: at most kRemovedAtOnce; how many.
std::int64_t forget_deliveries(store::Transaction& tx, base::Instant before);

}  // namespace slipway::fleet
