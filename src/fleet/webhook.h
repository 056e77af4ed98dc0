#pragma once
// Webhook endpoints: who is told of what, and where (WF-12, WF-45). Deliveries to them: webhook_delivery.h.

#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

using base::WebhookId;

enum class WebhookStatus {
  active,
  paused,    // by a person: deliveries wait
  disabled,  // because it failed for too long: nothing is kept for it
};
BOOST_DESCRIBE_ENUM(WebhookStatus, active, paused, disabled)
enum class WebhookFormat { standard, cloudevents };
BOOST_DESCRIBE_ENUM(WebhookFormat, standard, cloudevents)
enum class WebhookScope {
  own,
  all,  // everyone's changes, for as long as the owner is an admin
};
BOOST_DESCRIBE_ENUM(WebhookScope, own, all)

// What its owner decides.
struct WebhookDefinition {
  std::string url;
  std::string description;
  std::vector<std::string> event_types;  // run.failed, run.*, *
  std::optional<std::string> resource_type, resource_id, run_type;
  WebhookScope scope = WebhookScope::own;
  bool ordered = false;
  WebhookFormat format = WebhookFormat::standard;
};

// How its receiver has answered lately.
struct WebhookHealth {
  std::int64_t failures = 0;  // since the last success
  std::optional<base::Instant> failing_since;
  std::optional<base::Instant> hold_until;  // nothing is sent before
  std::optional<base::Instant> last_success_at, last_failure_at;
};

struct Webhook {
  WebhookId id;
  base::UserId owner_id;
  WebhookDefinition definition;
  WebhookStatus status = WebhookStatus::active;
  std::string status_reason;
  WebhookHealth health;
  std::optional<base::Instant> old_secret_until;
  std::int64_t since_seq = 0;
  std::int64_t version = 1;  // grows with every change, but not with health
  base::Instant created_at, updated_at;
};

// As they lie in the store; after a rotation both are good for a while.
struct WebhookSecrets {
  std::string sealed;
  std::optional<std::string> sealed_old;
  std::optional<base::Instant> old_until;
};

// Whoever decides about deliveries calls this first: of several replicas, one decides at a time.
void lock_webhooks(store::Transaction& tx);

// It hears of what is told after this. The caller has locked.
void insert_webhook(store::Transaction& tx, Webhook& webhook, const std::string& sealed_secret);
std::optional<Webhook> find_webhook(store::Transaction& tx, const Scope& scope, const WebhookId& id);
// Throws NOT_FOUND: what belongs to others is not there.
Webhook get_webhook(store::Transaction& tx, const Scope& scope, const WebhookId& id);
struct WebhookFilter {
  std::optional<WebhookStatus> status;
  std::string after;  // cursor: ids greater than this
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// Oldest first.
std::vector<Webhook> list_webhooks(store::Transaction& tx, const Scope& scope, const WebhookFilter& filter);
std::int64_t count_webhooks(store::Transaction& tx, const Scope& scope, const WebhookFilter& filter);
// Those that hear of changes now: active and paused ones, of scope all only if the owner is an admin.
std::vector<Webhook> listening_webhooks(store::Transaction& tx);
// Whether there are some; cheap.
bool has_listening_webhooks(store::Transaction& tx);
bool any_webhook_wants_steps(store::Transaction& tx);

// Stores definition, status and reason, and counts the version up.
void update_webhook(store::Transaction& tx, Webhook& webhook, base::Instant now);
void set_webhook_health(store::Transaction& tx, const WebhookId& id, const WebhookHealth& health);
// It hears of what is told from now on, with a clean slate.
void start_listening(store::Transaction& tx, Webhook& webhook);
WebhookSecrets webhook_secrets(store::Transaction& tx, const WebhookId& id);
// The present secret becomes the old one, good until `old_until`.
void rotate_webhook_secret(store::Transaction& tx, const WebhookId& id, const std::string& sealed,
                           base::Instant old_until);
// It is gone for everybody; its deliveries are taken away bit by bit (`forget_deliveries`).
void remove_webhook(store::Transaction& tx, const WebhookId& id);

// Where the feed of changes has been read to. For those who have locked.
std::int64_t webhook_feed_position(store::Transaction& tx);
void set_webhook_feed_position(store::Transaction& tx, std::int64_t seq);

}  // namespace slipway::fleet
