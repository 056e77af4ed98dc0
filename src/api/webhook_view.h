#pragma once
// Webhook endpoints and deliveries as the API shows them, and as they are asked for.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "fleet/webhook_delivery.h"

namespace slipway::api {

struct WebhookView {
  base::WebhookId id;
  base::UserId owner_id;
  std::string url;
  std::string description;
  std::vector<std::string> event_types;
  std::optional<std::string> resource_type, resource_id, run_type;
  fleet::WebhookScope scope = fleet::WebhookScope::own;
  bool ordered = false;
  fleet::WebhookFormat format = fleet::WebhookFormat::standard;
  fleet::WebhookStatus status = fleet::WebhookStatus::active;
  std::optional<std::string> status_reason;
  std::int64_t failures = 0;
  std::optional<base::Instant> failing_since, hold_until, last_success_at, last_failure_at;
  std::optional<base::Instant> old_secret_until;
  std::optional<base::Secret> secret;
  std::int64_t version = 1;
  base::Instant created_at, updated_at;
};
SLIPWAY_JSON_CAMEL(WebhookView, id, owner_id, url, description, event_types, resource_type, resource_id, run_type,
                   scope, ordered, format, status, status_reason, failures, failing_since, hold_until, last_success_at,
                   last_failure_at, old_secret_until, secret, version, created_at, updated_at)
const json::Rules& json_rules(const WebhookView*);

struct CreateWebhook {
  std::string url;
  std::vector<std::string> event_types;
  std::optional<std::string> description;
  std::optional<std::string> resource_type, resource_id, run_type;
  std::optional<fleet::WebhookScope> scope;
  std::optional<bool> ordered;
  std::optional<fleet::WebhookFormat> format;
};
SLIPWAY_JSON_CAMEL(CreateWebhook, url, event_types, description, resource_type, resource_id, run_type, scope, ordered,
                   format)
const json::Rules& json_rules(const CreateWebhook*);

struct ChangeWebhook {
  std::optional<std::string> url;
  std::optional<std::vector<std::string>> event_types;
  std::optional<std::string> description;
  std::optional<std::string> resource_type, resource_id, run_type;
  std::optional<fleet::WebhookScope> scope;
  std::optional<bool> ordered;
  std::optional<fleet::WebhookFormat> format;
};
SLIPWAY_JSON_CAMEL(ChangeWebhook, url, event_types, description, resource_type, resource_id, run_type, scope, ordered,
                   format)
const json::Rules& json_rules(const ChangeWebhook*);

enum class DeliveryWait {
  answer,   // it is being sent
  attempt,  // for the time of the next one
  turn,     // for those before it in the line of its resource
  resume,   // the endpoint is paused
};
BOOST_DESCRIBE_ENUM(DeliveryWait, answer, attempt, turn, resume)

struct DeliveryView {
  base::DeliveryId id;
  base::WebhookId webhook_id;
  std::string event_type;
  std::string resource;
  fleet::DeliveryStatus status = fleet::DeliveryStatus::pending;
  std::optional<DeliveryWait> waits_for;
  std::int64_t attempt_count = 0;
  std::optional<base::Instant> next_attempt_at, last_attempt_at;
  std::optional<std::int64_t> last_status;
  std::optional<std::string> last_error;
  base::Instant created_at;
  std::optional<base::Instant> ended_at;
};
SLIPWAY_JSON_CAMEL(DeliveryView, id, webhook_id, event_type, resource, status, waits_for, attempt_count,
                   next_attempt_at, last_attempt_at, last_status, last_error, created_at, ended_at)
const json::Rules& json_rules(const DeliveryView*);

struct DeliveryErrorView {
  std::string code;
  std::string message;
};
SLIPWAY_JSON_CAMEL(DeliveryErrorView, code, message)
struct DeliveryAnswerView {
  std::int64_t status = 0;
  json::Value headers;
  std::string body;
};
SLIPWAY_JSON_CAMEL(DeliveryAnswerView, status, headers, body)
const json::Rules& json_rules(const DeliveryAnswerView*);
struct DeliveryAttemptView {
  std::int64_t number = 0;
  base::Instant at;
  base::Duration duration_ms{0};
  std::optional<std::string> url;
  std::optional<DeliveryAnswerView> response;
  std::optional<DeliveryErrorView> error;
};
SLIPWAY_JSON_CAMEL(DeliveryAttemptView, number, at, duration_ms, url, response, error)
const json::Rules& json_rules(const DeliveryAttemptView*);
struct DeliveryRequestView {
  std::string url;
  std::map<std::string, std::string> headers;
  std::string body;
};
SLIPWAY_JSON_CAMEL(DeliveryRequestView, url, headers, body)
const json::Rules& json_rules(const DeliveryRequestView*);

// One delivery in full.
struct DeliveryDetailView {
  DeliveryView delivery;
  DeliveryRequestView request;
  std::vector<DeliveryAttemptView> attempts;
};
SLIPWAY_JSON_CAMEL(DeliveryDetailView, delivery, request, attempts)

WebhookView view_webhook(const fleet::Webhook& webhook);
DeliveryView view_delivery(const fleet::Webhook& webhook, const fleet::Delivery& delivery);
DeliveryDetailView view_delivery(const fleet::Webhook& webhook, const fleet::Delivery& delivery,
                                 const std::vector<fleet::DeliveryAttempt>& attempts);

fleet::WebhookDefinition to_definition(const CreateWebhook& request);
// RFC 7396: what the body names is replaced, null takes a filter away. Throws VALIDATION_ERROR.
fleet::WebhookDefinition merge_definition(const fleet::WebhookDefinition& current, const json::Value& patch);

}  // namespace slipway::api
