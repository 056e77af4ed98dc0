// What was delivered to a webhook and what was not: look, send again, send a ping (WF-12).

#include "api/commit.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/webhook_view.h"
#include "notify/webhook_deliverer.h"
#include "notify/webhook_fan_out.h"

namespace slipway::api {
namespace {

using base::DeliveryId;
using base::WebhookId;
using fleet::Webhook;
using fleet::WebhookStatus;
using Answer = net::Awaitable<std::optional<net::Response>>;

struct ListDeliveries {
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
  std::optional<fleet::DeliveryStatus> status;
  std::optional<std::string> type;
  std::optional<base::Instant> since;
};
SLIPWAY_JSON_CAMEL(ListDeliveries, limit, cursor, status, type, since)
inline const json::Rules& json_rules(const ListDeliveries*) {
  static const json::Rules rules{kLimitRule,
                                 kCursorRule,
                                 {.member = "status", .description = "Of this status"},
                                 {.member = "type", .description = "Of this type of event"},
                                 {.member = "since", .description = "Made at this time or later"}};
  return rules;
}

struct RecoverDeliveries {
  base::Instant since;
};
SLIPWAY_JSON_CAMEL(RecoverDeliveries, since)
inline const json::Rules& json_rules(const RecoverDeliveries*) {
  static const json::Rules rules{
      {.member = "since", .description = "Failed deliveries made at this time or later are sent again"}};
  return rules;
}

struct RecoveredDeliveries {
  std::int64_t count = 0;
};
SLIPWAY_JSON_CAMEL(RecoveredDeliveries, count)
inline const json::Rules& json_rules(const RecoveredDeliveries*) {
  static const json::Rules rules{{.member = "count", .description = "How many are sent again"}};
  return rules;
}

Webhook webhook_of(const Call& call, store::Transaction& tx) {
  return fleet::get_webhook(tx, call.caller->scope(), WebhookId(call.parameters.at(0)));
}

Webhook enabled_webhook_of(const Call& call, store::Transaction& tx) {
  auto webhook = webhook_of(call, tx);
  if (webhook.status == WebhookStatus::disabled)
    throw base::invalid_state("the webhook is disabled: " + webhook.status_reason + "; resume it first");
  return webhook;
}

Deed delivery_deed(const Call& call, std::string action, const Webhook& webhook, const fleet::Delivery& delivery) {
  Deed done{.answer = call.success(202, json::to_value(view_delivery(webhook, delivery))),
            .action = std::move(action),
            .resource_type = "webhook",
            .resource_id = webhook.id.str(),
            .details = json::Object{{"delivery", delivery.id.str()}}};
  done.answer.headers.set("Location", "/v1/webhooks/" + webhook.id.str() + "/deliveries/" + delivery.id.str());
  done.answer.headers.set("Retry-After", "1");
  return done;
}

Answer list_some(Call& call) {
  const auto query = parse_query<ListDeliveries>(call);
  const fleet::DeliveryFilter filter{.status = query.status,
                                     .event_type = query.type,
                                     .since = query.since,
                                     .before = read_cursor(call, query.cursor.value_or("")),
                                     .limit = query.limit + 1};
  std::optional<Webhook> webhook;
  std::vector<fleet::Delivery> found;
  Page page{.page_size = query.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    webhook = webhook_of(call, tx);
    found = fleet::list_deliveries(tx, webhook->id, filter);
    const auto total = fleet::count_deliveries(tx, webhook->id, filter);
    page.total = total.count;
    page.total_is_estimate = total.is_capped ? std::optional(true) : std::nullopt;
  });
  page.has_more = std::int64_t(found.size()) > query.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().id.str());
  }
  json::Array items;
  for (const auto& delivery : found) items.push_back(json::to_value(view_delivery(*webhook, delivery)));
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  json::Value view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto webhook = webhook_of(call, tx);
    const DeliveryId id(call.parameters.at(1));
    const auto delivery = fleet::find_delivery(tx, webhook.id, id);
    if (!delivery) throw base::not_found("webhook delivery", id.str());
    view = json::to_value(view_delivery(webhook, *delivery, fleet::delivery_attempts(tx, id)));
  });
  co_return call.success(200, view);
}

Answer ping(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    const auto webhook = enabled_webhook_of(call, tx);
    return delivery_deed(call, "webhook.ping", webhook,
                         notify::add_ping(tx, webhook, call.hub.ids, call.hub.clock.now()));
  });
  call.hub.webhooks.wake();
  co_return std::move(committed.answer);
}

Answer redeliver(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    const auto webhook = enabled_webhook_of(call, tx);
    const DeliveryId id(call.parameters.at(1));
    return delivery_deed(call, "webhook.redeliver", webhook, fleet::redeliver(tx, webhook, id, call.hub.clock.now()));
  });
  call.hub.webhooks.wake();
  co_return std::move(committed.answer);
}

Answer recover(Call& call) {
  parse_query<NoQuery>(call);
  const auto since = parse_body<RecoverDeliveries>(call).since;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    const auto webhook = enabled_webhook_of(call, tx);
    const auto count = fleet::recover_deliveries(tx, webhook, since, call.hub.clock.now());
    return Deed{.answer = call.success(200, json::to_value(RecoveredDeliveries{count})),
                .action = "webhook.recover",
                .resource_type = "webhook",
                .resource_id = webhook.id.str(),
                .details = json::Object{{"since", base::format_rfc3339(since)}, {"count", count}}};
  });
  call.hub.webhooks.wake();
  co_return std::move(committed.answer);
}

}  // namespace

void add_webhook_delivery_routes(Router& router) {
  const std::string base = "/v1/webhooks/:id";
  const std::string tag = "Webhooks";
  router.add(net::Method::post, base + "/ping", Permission::member, ping,
             {.id = "pingWebhook",
              .tag = tag,
              .summary = "Sends a webhook.ping, whatever types the webhook asks for",
              .body = optional_body_of<NoBody>(),
              .answer = one<DeliveryView>(202),
              .errors = {409}});
  router.add(net::Method::get, base + "/deliveries", Permission::member, list_some,
             {.id = "listDeliveries",
              .tag = tag,
              .summary = "What was or is to be delivered, newest first",
              .query = query_of<ListDeliveries>(),
              .answer = page_of<DeliveryView>()});
  router.add(net::Method::get, base + "/deliveries/:delivery", Permission::member, show,
             {.id = "getDelivery",
              .tag = tag,
              .summary = "One delivery: the request, and every attempt with its answer",
              .answer = one<DeliveryDetailView>()});
  router.add(net::Method::post, base + "/deliveries/:delivery/redeliver", Permission::member, redeliver,
             {.id = "redeliver",
              .tag = tag,
              .summary = "Sends a delivery that has ended again, under the same id",
              .body = optional_body_of<NoBody>(),
              .answer = one<DeliveryView>(202),
              .errors = {409}});
  router.add(net::Method::post, base + "/recover", Permission::member, recover,
             {.id = "recoverDeliveries",
              .tag = tag,
              .summary = "Sends all deliveries again that failed since a time",
              .body = body_of<RecoverDeliveries>(),
              .answer = one<RecoveredDeliveries>(),
              .errors = {409}});
}

}  // namespace slipway::api
