#include "notify/webhook_fan_out.h"

#include "fleet/change_feed.h"
#include "notify/webhook_message.h"
#include "notify/webhook_target.h"

namespace slipway::notify {
namespace {

fleet::Delivery make_delivery(const fleet::Webhook& webhook, const Occurrence& occurrence, base::DeliveryId id,
                              const std::string& event_id, base::Instant now) {
  auto message = make_message(webhook.definition.format, occurrence, event_id);
  return {.id = std::move(id),
          .endpoint_id = webhook.id,
          .place = {},
          .event_type = occurrence.type,
          .resource = occurrence.line(),
          .content_type = std::move(message.content_type),
          .body = std::move(message.body),
          .created_at = now};
}

}  // namespace

std::int64_t fan_out(store::Transaction& tx, base::IdGenerator& ids, std::int64_t settled, base::Instant now) {
  const auto changes = fleet::all_changes_between(tx, fleet::webhook_feed_position(tx), settled, kFanOutMax);
  if (changes.empty()) return 0;
  std::vector<Occurrence> occurrences;
  occurrences.reserve(changes.size());
  for (const auto& change : changes) occurrences.push_back(occurrence_of(change));
  for (const auto& webhook : fleet::listening_webhooks(tx)) {
    std::vector<fleet::Delivery> deliveries;
    for (const auto& occurrence : occurrences) {
      if (!wants(webhook, occurrence)) continue;
      deliveries.push_back(
          make_delivery(webhook, occurrence, ids.make<base::DeliveryId>(), std::to_string(occurrence.place), now));
      deliveries.back().place = occurrence.place;
    }
    fleet::insert_deliveries(tx, deliveries, webhook.definition.ordered, now);
  }
  fleet::set_webhook_feed_position(tx, changes.back().change.seq);
  return std::int64_t(changes.size());
}

fleet::Delivery add_ping(store::Transaction& tx, const fleet::Webhook& webhook, base::IdGenerator& ids,
                         base::Instant now) {
  const auto id = ids.make<base::DeliveryId>();
  const Occurrence ping{.place = 0,
                        .owner_id = webhook.owner_id.str(),
                        .type = "webhook.ping",
                        .at = now,
                        .data = json::Object{{"webhookId", webhook.id.str()}, {"deliveryId", id.str()}},
                        .subject = webhook.id.str(),
                        .resource_type = "webhook",
                        .resource_id = id.str(),  // a line of its own
                        .run_type = {}};
  fleet::insert_deliveries(tx, {make_delivery(webhook, ping, id, id.str(), now)}, false, now);
  return *fleet::find_delivery(tx, webhook.id, id);
}

// Others hear of it too, and a URL is often a secret: so they are told its origin only.
void disable(store::Transaction& tx, fleet::Webhook& webhook, const std::string& reason, base::Instant now) {
  webhook.status = fleet::WebhookStatus::disabled;
  webhook.status_reason = reason;
  fleet::update_webhook(tx, webhook, now);
  fleet::fail_pending(tx, webhook.id, "the endpoint was disabled: " + reason, now);
  fleet::record_change(tx, webhook.owner_id, "webhook.disabled", webhook.id.str(), now,
                       json::Object{{"id", webhook.id.str()},
                                    {"origin", origin_of(webhook.definition.url)},
                                    {"description", webhook.definition.description},
                                    {"reason", reason}});
}

}  // namespace slipway::notify
