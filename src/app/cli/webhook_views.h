#pragma once
// Webhooks and deliveries as the API answers them (docs/api.md), as far as the command line shows them.

#include "app/cli/views.h"

namespace slipway::app::cli {

struct WebhookView {
  std::string id, url, description, scope, format, status;
  std::optional<std::string> status_reason;
  std::vector<std::string> event_types;
  std::optional<std::string> resource_type, resource_id, run_type;
  bool ordered = false;
  std::int64_t failures = 0;
  std::optional<base::Instant> hold_until, last_success_at, last_failure_at, old_secret_until;
  std::optional<std::string> secret;
};
SLIPWAY_JSON_CAMEL(WebhookView, id, url, description, scope, format, status, status_reason, event_types, resource_type,
                   resource_id, run_type, ordered, failures, hold_until, last_success_at, last_failure_at,
                   old_secret_until, secret)

struct DeliveryView {
  std::string id, event_type, resource, status;
  std::optional<std::string> waits_for, last_error;
  std::int64_t attempt_count = 0;
  std::optional<std::int64_t> last_status;
  std::optional<base::Instant> next_attempt_at;
  base::Instant created_at;
};
SLIPWAY_JSON_CAMEL(DeliveryView, id, event_type, resource, status, waits_for, last_error, attempt_count, last_status,
                   next_attempt_at, created_at)

struct DeliveryRequestView {
  std::string url, body;
};
SLIPWAY_JSON_CAMEL(DeliveryRequestView, url, body)

struct DeliveryAnswerView {
  std::int64_t status = 0;
  std::string body;
};
SLIPWAY_JSON_CAMEL(DeliveryAnswerView, status, body)

struct DeliveryAttemptView {
  std::int64_t number = 0;
  base::Instant at;
  base::Duration duration_ms{0};
  std::optional<DeliveryAnswerView> response;
  std::optional<ErrorView> error;
};
SLIPWAY_JSON_CAMEL(DeliveryAttemptView, number, at, duration_ms, response, error)

struct DeliveryDetailView {
  DeliveryView delivery;
  DeliveryRequestView request;
  std::vector<DeliveryAttemptView> attempts;
};
SLIPWAY_JSON_CAMEL(DeliveryDetailView, delivery, request, attempts)

}  // namespace slipway::app::cli
