#include "api/why_webhook.h"

namespace slipway::api {
namespace {

using fleet::Delivery;
using fleet::DeliveryStatus;
using fleet::Webhook;
using fleet::WebhookStatus;

std::string plural(std::int64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

void explain_health(Why& why, const Webhook& webhook, base::Instant now) {
  if (webhook.health.failures > 0)
    why.because.push_back("its receiver has failed " + plural(webhook.health.failures, "time") + " in a row, since " +
                          base::format_rfc3339(webhook.health.failing_since.value_or(now)));
  if (webhook.health.hold_until && *webhook.health.hold_until > now)
    why.next.push_back({"it is tried again", webhook.health.hold_until});
}

Why explain_endpoint(store::Transaction& tx, const Webhook& webhook, base::Instant now) {
  Why why{.id = webhook.id.str(),
          .kind = "webhook",
          .state = boost::describe::enum_to_string(webhook.status, ""),
          .because = {},
          .next = {}};
  if (!webhook.status_reason.empty()) why.because.push_back(webhook.status_reason);
  explain_health(why, webhook, now);
  const auto pending = fleet::count_deliveries(
      tx, webhook.id, {.status = DeliveryStatus::pending, .event_type = {}, .since = {}, .before = ""});
  if (pending.count > 0)
    why.because.push_back((pending.is_capped ? "more than " : "") + std::to_string(pending.count) +
                          (pending.count == 1 ? " delivery is" : " deliveries are") + " pending");
  if (why.because.empty()) why.because.push_back("everything was delivered");
  if (webhook.status != WebhookStatus::active) why.next.push_back({"nothing, until it is resumed", {}});
  if (webhook.status == WebhookStatus::active && why.next.empty())
    why.next.push_back({pending.count > 0 ? "what is pending is sent" : "the next change is told", {}});
  return why;
}

Why explain_delivery(const Webhook& webhook, const Delivery& delivery, base::Instant now) {
  Why why{.id = delivery.id.str(),
          .kind = "webhook delivery",
          .state = boost::describe::enum_to_string(delivery.status, ""),
          .because = {},
          .next = {}};
  if (delivery.attempts > 0) why.because.push_back(plural(delivery.attempts, "attempt") + " made");
  if (delivery.last_error) why.because.push_back("last: " + *delivery.last_error);
  if (delivery.status != DeliveryStatus::pending) {
    if (why.because.empty()) why.because.push_back("it was never sent");
    why.next.push_back({"nothing, unless it is redelivered", {}});
    return why;
  }
  if (webhook.status != WebhookStatus::active) {
    why.because.push_back("its webhook is " + std::string(boost::describe::enum_to_string(webhook.status, "")));
    why.next.push_back({"it is sent when the webhook is resumed", {}});
  } else if (delivery.claimed_until) {
    why.because.push_back("it is being sent");
    why.next.push_back({"the answer is recorded; without one it is sent again", delivery.claimed_until});
  } else if (!delivery.due_at) {
    why.because.push_back("another message about " + delivery.resource + " goes before it");
    why.next.push_back({"it is sent when that one has ended", {}});
  } else {
    explain_health(why, webhook, now);
    why.next.push_back(
        {"it is sent", std::max(*delivery.due_at, webhook.health.hold_until.value_or(*delivery.due_at))});
  }
  if (why.because.empty()) why.because.push_back("it has not been sent yet");
  return why;
}

}  // namespace

bool is_webhook_id(const std::string& id) {
  return base::is_prefixed_id(id, base::WebhookKind::prefix) || base::is_prefixed_id(id, base::DeliveryKind::prefix);
}

Why explain_webhook(store::Transaction& tx, const fleet::Scope& scope, const std::string& id, base::Instant now) {
  if (base::is_prefixed_id(id, base::WebhookKind::prefix))
    return explain_endpoint(tx, fleet::get_webhook(tx, scope, base::WebhookId(id)), now);
  const base::DeliveryId delivery(id);
  const auto endpoint = fleet::endpoint_of(tx, delivery);
  const auto webhook = endpoint ? fleet::find_webhook(tx, scope, *endpoint) : std::nullopt;
  if (!webhook) throw base::not_found("webhook delivery", id);
  return explain_delivery(*webhook, fleet::find_delivery(tx, webhook->id, delivery).value(), now);
}

}  // namespace slipway::api
