#include "api/webhook_view.h"

#include "notify/webhook_events.h"
#include "notify/webhook_target.h"

namespace slipway::api {
namespace {

constexpr std::size_t kDescriptionMax = 500;
constexpr std::size_t kFilterMax = 100;

// What a person decides, in the words of both requests.
json::Rules definition_rules(bool is_change) {
  return {
      {.member = "url",
       .description = "https:// or http://, without user, password and fragment; not a private address",
       .min_length = 1,
       .max_length = notify::kUrlMax,
       .example = R"("https://example.com/slipway")"},
      {.member = "event_types",
       .description = "Types such as run.failed, families such as run.*, or * for all but steps",
       .max_items = notify::kEventTypesMax,
       .example = R"(["run.failed", "workspace.*"])"},
      {.member = "description", .description = "For people", .max_length = kDescriptionMax, .nullable = is_change},
      {.member = "resource_type",
       .description = "Only of such resources, e.g. workspace",
       .min_length = 1,
       .max_length = kFilterMax,
       .nullable = is_change},
      {.member = "resource_id",
       .description = "Only of this resource",
       .min_length = 1,
       .max_length = kFilterMax,
       .nullable = is_change},
      {.member = "run_type",
       .description = "Only runs and steps of this workflow",
       .min_length = 1,
       .max_length = kFilterMax,
       .nullable = is_change},
      {.member = "scope", .description = "all: everyone's changes, for admins; own, if not given"},
      {.member = "ordered", .description = "Whether the messages about one resource come one after another"},
      {.member = "format",
       .description = "standard: {type, timestamp, data}; cloudevents: CloudEvents 1.0, structured"},
  };
}

}  // namespace

const json::Rules& json_rules(const WebhookView*) {
  static const json::Rules rules{
      {.member = "status_reason", .description = "Why it is paused or disabled"},
      {.member = "failures", .description = "Attempts that failed since the last one that did not"},
      {.member = "hold_until", .description = "Nothing is sent before"},
      {.member = "old_secret_until", .description = "Until then, messages are also signed with the secret before"},
      {.member = "secret", .description = "Shown once, when it is made: whsec_ and 32 bytes in base64"},
      {.member = "version", .description = "Grows with every change of the definition or status"}};
  return rules;
}

const json::Rules& json_rules(const CreateWebhook*) {
  static const json::Rules rules = definition_rules(false);
  return rules;
}

const json::Rules& json_rules(const ChangeWebhook*) {
  static const json::Rules rules = definition_rules(true);
  return rules;
}

const json::Rules& json_rules(const DeliveryView*) {
  static const json::Rules rules{
      {.member = "id", .description = "The message's webhook-id, the same in every attempt"},
      {.member = "resource", .description = "What it is about: type/id"},
      {.member = "waits_for",
       .description =
           "answer: it is being sent; attempt: for its time; turn: for those before it; resume: the endpoint "
           "is paused"},
      {.member = "last_status", .description = "HTTP status of the last answer; absent when there was none"}};
  return rules;
}

const json::Rules& json_rules(const DeliveryAnswerView*) {
  static const json::Rules rules{{.member = "headers", .description = "Names and values, the first 4 KB"},
                                 {.member = "body", .description = "The first 4 KB"}};
  return rules;
}

const json::Rules& json_rules(const DeliveryAttemptView*) {
  static const json::Rules rules{{.member = "url", .description = "Where it went, without the query"}};
  return rules;
}

const json::Rules& json_rules(const DeliveryRequestView*) {
  static const json::Rules rules{
      {.member = "url", .description = "Of the webhook as it is now; attempts say where they went"},
      {.member = "headers", .description = "As sent; webhook-timestamp is each attempt's own time"}};
  return rules;
}

WebhookView view_webhook(const fleet::Webhook& webhook) {
  const auto& definition = webhook.definition;
  const auto& health = webhook.health;
  return {.id = webhook.id,
          .owner_id = webhook.owner_id,
          .url = definition.url,
          .description = definition.description,
          .event_types = definition.event_types,
          .resource_type = definition.resource_type,
          .resource_id = definition.resource_id,
          .run_type = definition.run_type,
          .scope = definition.scope,
          .ordered = definition.ordered,
          .format = definition.format,
          .status = webhook.status,
          .status_reason = webhook.status_reason.empty() ? std::nullopt : std::optional(webhook.status_reason),
          .failures = health.failures,
          .failing_since = health.failing_since,
          .hold_until = health.hold_until,
          .last_success_at = health.last_success_at,
          .last_failure_at = health.last_failure_at,
          .old_secret_until = webhook.old_secret_until,
          .secret = {},
          .version = webhook.version,
          .created_at = webhook.created_at,
          .updated_at = webhook.updated_at};
}

DeliveryView view_delivery(const fleet::Webhook& webhook, const fleet::Delivery& delivery) {
  DeliveryView view{.id = delivery.id,
                    .webhook_id = delivery.endpoint_id,
                    .event_type = delivery.event_type,
                    .resource = delivery.resource,
                    .status = delivery.status,
                    .waits_for = {},
                    .attempt_count = delivery.attempts,
                    .next_attempt_at = delivery.due_at,
                    .last_attempt_at = delivery.last_attempt_at,
                    .last_status = delivery.last_status,
                    .last_error = delivery.last_error,
                    .created_at = delivery.created_at,
                    .ended_at = delivery.ended_at};
  if (delivery.status != fleet::DeliveryStatus::pending) return view;
  if (delivery.claimed_until) {
    view.waits_for = DeliveryWait::answer;
  } else if (webhook.status == fleet::WebhookStatus::paused) {
    view.waits_for = DeliveryWait::resume;
  } else {
    view.waits_for = delivery.due_at ? DeliveryWait::attempt : DeliveryWait::turn;
  }
  if (delivery.due_at && webhook.health.hold_until)
    view.next_attempt_at = std::max(*delivery.due_at, *webhook.health.hold_until);
  return view;
}

DeliveryDetailView view_delivery(const fleet::Webhook& webhook, const fleet::Delivery& delivery,
                                 const std::vector<fleet::DeliveryAttempt>& attempts) {
  DeliveryDetailView view{.delivery = view_delivery(webhook, delivery),
                          .request = {.url = webhook.definition.url,
                                      .headers = {{"content-type", delivery.content_type},
                                                  {"webhook-id", delivery.id.str()},
                                                  {"webhook-signature", std::string(base::kRedacted)}},
                                      .body = delivery.body},
                          .attempts = {}};
  if (delivery.last_attempt_at)
    view.request.headers["webhook-timestamp"] = std::to_string(base::to_unix_ms(*delivery.last_attempt_at) / 1'000);
  for (const auto& attempt : attempts) {
    DeliveryAttemptView shown{.number = attempt.number,
                              .at = attempt.at,
                              .duration_ms = attempt.duration,
                              .url = attempt.url,
                              .response = {},
                              .error = {}};
    if (attempt.status) shown.response = DeliveryAnswerView{*attempt.status, attempt.headers, attempt.body};
    if (attempt.error_code) shown.error = DeliveryErrorView{*attempt.error_code, attempt.error_message.value_or("")};
    view.attempts.push_back(std::move(shown));
  }
  return view;
}

fleet::WebhookDefinition to_definition(const CreateWebhook& request) {
  return {.url = request.url,
          .description = request.description.value_or(""),
          .event_types = request.event_types,
          .resource_type = request.resource_type,
          .resource_id = request.resource_id,
          .run_type = request.run_type,
          .scope = request.scope.value_or(fleet::WebhookScope::own),
          .ordered = request.ordered.value_or(false),
          .format = request.format.value_or(fleet::WebhookFormat::standard)};
}

fleet::WebhookDefinition merge_definition(const fleet::WebhookDefinition& current, const json::Value& patch) {
  json::from_value<ChangeWebhook>(patch);
  CreateWebhook whole{.url = current.url,
                      .event_types = current.event_types,
                      .description = current.description,
                      .resource_type = current.resource_type,
                      .resource_id = current.resource_id,
                      .run_type = current.run_type,
                      .scope = current.scope,
                      .ordered = current.ordered,
                      .format = current.format};
  auto merged = json::to_value(whole).as_object();
  for (const auto& [name, value] : patch.as_object()) {
    if (value.is_null()) {
      merged.erase(name);
    } else {
      merged.insert_or_assign(name, value);
    }
  }
  return to_definition(json::from_value<CreateWebhook>(merged));
}

}  // namespace slipway::api
