// Webhook endpoints: list, make, change, rotate their secrets, pause, take away (WF-45). Their deliveries:
// webhook_deliveries.cpp.

#include "api/commit.h"
#include "api/conditional.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/webhook_view.h"
#include "base/digest.h"
#include "notify/webhook_deliverer.h"
#include "notify/webhook_events.h"
#include "notify/webhook_message.h"
#include "notify/webhook_target.h"

namespace slipway::api {
namespace {

using base::WebhookId;
using fleet::Scope;
using fleet::Webhook;
using fleet::WebhookDefinition;
using fleet::WebhookScope;
using fleet::WebhookStatus;
using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::int64_t kWebhooksMax = 50;  // of one owner: each change is matched against each
constexpr std::size_t kReasonMax = 500;    // characters
constexpr base::Duration kGraceUsual = std::chrono::hours(24);
constexpr std::int64_t kGraceMaxMs = std::int64_t(7) * 24 * 3'600'000;

enum class WebhookOwner { me, all };
BOOST_DESCRIBE_ENUM(WebhookOwner, me, all)

struct ListWebhooks {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
  std::optional<WebhookStatus> status;
  WebhookOwner owner = WebhookOwner::me;
};
SLIPWAY_JSON_CAMEL(ListWebhooks, limit, page, cursor, status, owner)
inline const json::Rules& json_rules(const ListWebhooks*) {
  static const json::Rules rules{kLimitRule,
                                 kPageRule,
                                 kCursorRule,
                                 {.member = "status", .description = "Of this status"},
                                 {.member = "owner", .description = "all: everyone's, for admins"}};
  return rules;
}

struct PauseWebhook {
  std::optional<std::string> reason;
};
SLIPWAY_JSON_CAMEL(PauseWebhook, reason)
inline const json::Rules& json_rules(const PauseWebhook*) {
  static const json::Rules rules{{.member = "reason", .description = "For people", .max_length = kReasonMax}};
  return rules;
}

struct RotateSecret {
  std::optional<base::Duration> grace_ms;
};
SLIPWAY_JSON_CAMEL(RotateSecret, grace_ms)
inline const json::Rules& json_rules(const RotateSecret*) {
  static const json::Rules rules{{.member = "grace_ms",
                                  .description =
                                      "How long messages are signed with both secrets; a day, if not given. While an "
                                      "old one is good, only 0 is taken, which ends it and the present one at once",
                                  .maximum = kGraceMaxMs}};
  return rules;
}

struct DeletedWebhook {
  WebhookId id;
};
SLIPWAY_JSON_CAMEL(DeletedWebhook, id)

WebhookId id_of(const Call& call) { return WebhookId(call.parameters.at(0)); }

std::string etag(const Webhook& webhook) {
  // The version for If-Match, and all that is shown for If-None-Match: health makes no version.
  constexpr std::size_t kDigits = 8;
  return "\"" + std::to_string(webhook.version) + "-" +
         base::sha256_hex(json::print(view_webhook(webhook))).substr(0, kDigits) + "\"";
}

void check_definition(const Call& call, const WebhookDefinition& definition) {
  notify::validate_target("url", definition.url, call.hub.webhooks.guard());
  notify::validate_event_types("eventTypes", definition.event_types);
}

// It is the owner who hears, whoever asks for it.
void check_scope(store::Transaction& tx, const Webhook& webhook) {
  if (webhook.definition.scope == WebhookScope::own) return;
  const auto owner = fleet::find_user(tx, webhook.owner_id);
  if (!owner || owner->role != fleet::Role::admin)
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin's webhook may hear of everyone's changes");
}

// A secret that was promised to be good until then does not end before.
void check_rotation(const Webhook& webhook, base::Duration grace, base::Instant now) {
  if (grace.count() == 0 || !webhook.old_secret_until || *webhook.old_secret_until <= now) return;
  throw base::Error(base::ErrorClass::conflict, "CONFLICT",
                    "the secret before this one is good until " + base::format_rfc3339(*webhook.old_secret_until) +
                        "; with graceMs 0 both end now");
}

Deed deed(const Call& call, int status, std::string action, const Webhook& webhook, const WebhookView& view,
          json::Value details) {
  Deed done{.answer = call.success(status, json::to_value(view, json::Secrets::revealed)),
            .action = std::move(action),
            .resource_type = "webhook",
            .resource_id = webhook.id.str(),
            .details = std::move(details)};
  done.answer.headers.set("ETag", etag(webhook));
  return done;
}

// ---- reading

Answer list_all(Call& call) {
  const auto query = parse_query<ListWebhooks>(call);
  const auto paging = paging_of(query);
  if (query.owner == WebhookOwner::all && !call.caller->is_admin())
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin may list everyone's webhooks");
  const auto scope = query.owner == WebhookOwner::all ? call.caller->scope() : Scope::owner(call.caller->user);
  const fleet::WebhookFilter filter{.status = query.status,
                                    .after = read_cursor(call, paging.cursor),
                                    .offset = paging.offset(),
                                    .limit = paging.limit + 1};
  std::vector<Webhook> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = fleet::list_webhooks(tx, scope, filter);
    page.total = fleet::count_webhooks(tx, scope, filter);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().id.str());
  }
  json::Array items;
  for (const auto& webhook : found) items.push_back(json::to_value(view_webhook(webhook)));
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  std::optional<Webhook> webhook;
  co_await read(call.hub,
                [&](store::Transaction& tx) { webhook = fleet::get_webhook(tx, call.caller->scope(), id_of(call)); });
  const auto tag = etag(*webhook);
  co_return if_changed(call, tag, call.success(200, json::to_value(view_webhook(*webhook))));
}

// ---- making and changing

Answer create(Call& call) {
  parse_query<NoQuery>(call);
  const auto definition = to_definition(parse_body<CreateWebhook>(call));
  check_definition(call, definition);
  const auto now = call.hub.clock.now();
  const Webhook made{.id = call.hub.ids.make<WebhookId>(),
                     .owner_id = call.caller->user,
                     .definition = definition,
                     .created_at = now,
                     .updated_at = now};
  const auto secret = notify::make_webhook_secret();
  const auto sealed = call.hub.sealer.seal(secret);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    if (fleet::count_webhooks(tx, Scope::owner(call.caller->user), {.status = {}, .after = {}}) >= kWebhooksMax)
      throw base::Error(base::ErrorClass::quota, "QUOTA_EXCEEDED",
                        "you have " + std::to_string(kWebhooksMax) + " webhooks already");
    Webhook webhook = made;
    check_scope(tx, webhook);
    fleet::insert_webhook(tx, webhook, sealed);
    auto view = view_webhook(webhook);
    view.secret = secret;
    auto done =
        deed(call, 201, "webhook.create", webhook, view, json::Object{{"origin", notify::origin_of(definition.url)}});
    done.answer.headers.set("Location", "/v1/webhooks/" + webhook.id.str());
    return done;
  });
  call.hub.webhooks.wake();
  co_return std::move(committed.answer);
}

// Does `edit` to the webhook and answers with what it is then. The edit stores what it changes.
template <class Edit>
Answer change(Call& call, std::string_view action, json::Value details, Edit edit) {
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    auto webhook = fleet::get_webhook(tx, call.caller->scope(), id_of(call));
    check_if_match(call, "webhook", webhook.version, etag(webhook));
    edit(tx, webhook);
    return deed(call, 200, std::string(action), webhook, view_webhook(webhook), details);
  });
  call.hub.webhooks.wake();
  co_return std::move(committed.answer);
}

Answer patch(Call& call) {
  parse_query<NoQuery>(call);
  const auto body = body_value(call);
  json::from_value<ChangeWebhook>(body);
  json::Array names;
  for (const auto& [name, value] : body.as_object()) names.emplace_back(name);
  const auto now = call.hub.clock.now();
  co_return co_await change(call, "webhook.change", json::Object{{"changed", names}},
                            [&](store::Transaction& tx, Webhook& webhook) {
                              const auto before = webhook.definition;
                              webhook.definition = merge_definition(before, body);
                              check_definition(call, webhook.definition);
                              check_scope(tx, webhook);
                              fleet::update_webhook(tx, webhook, now);
                              if (webhook.definition.ordered != before.ordered) fleet::rearrange(tx, webhook, now);
                              if (webhook.definition.url == before.url) return;
                              webhook.health = {};  // that was another receiver's
                              fleet::set_webhook_health(tx, webhook.id, webhook.health);
                            });
}

Answer pause(Call& call) {
  parse_query<NoQuery>(call);
  const auto reason = parse_body<PauseWebhook>(call).reason.value_or("");
  const auto now = call.hub.clock.now();
  co_return co_await change(call, "webhook.pause", json::Object{{"reason", reason}},
                            [&](store::Transaction& tx, Webhook& webhook) {
                              if (webhook.status != WebhookStatus::active)
                                throw base::invalid_state("the webhook is not active");
                              webhook.status = WebhookStatus::paused;
                              webhook.status_reason = reason;
                              fleet::update_webhook(tx, webhook, now);
                            });
}

Answer resume(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  const auto now = call.hub.clock.now();
  co_return co_await change(call, "webhook.resume", json::Object{}, [&](store::Transaction& tx, Webhook& webhook) {
    if (webhook.status == WebhookStatus::active) throw base::invalid_state("the webhook is active");
    if (webhook.status == WebhookStatus::disabled) fleet::start_listening(tx, webhook);
    webhook.status = WebhookStatus::active;
    webhook.status_reason.clear();
    webhook.health = {.last_success_at = webhook.health.last_success_at,
                      .last_failure_at = webhook.health.last_failure_at};
    fleet::update_webhook(tx, webhook, now);
    fleet::set_webhook_health(tx, webhook.id, webhook.health);
  });
}

Answer rotate_secret(Call& call) {
  parse_query<NoQuery>(call);
  const auto grace = parse_body<RotateSecret>(call).grace_ms.value_or(kGraceUsual);
  const auto now = call.hub.clock.now();
  const auto secret = notify::make_webhook_secret();
  const auto sealed = call.hub.sealer.seal(secret);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    auto webhook = fleet::get_webhook(tx, call.caller->scope(), id_of(call));
    check_if_match(call, "webhook", webhook.version, etag(webhook));
    check_rotation(webhook, grace, now);
    fleet::rotate_webhook_secret(tx, webhook.id, sealed, now + grace);
    webhook.old_secret_until = now + grace;
    fleet::update_webhook(tx, webhook, now);
    auto view = view_webhook(webhook);
    view.secret = secret;
    return deed(call, 200, "webhook.rotate-secret", webhook, view, json::Object{{"graceMs", grace.count()}});
  });
  co_return std::move(committed.answer);
}

Answer remove(Call& call) {
  parse_query<NoQuery>(call);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    const auto webhook = fleet::get_webhook(tx, call.caller->scope(), id_of(call));
    check_if_match(call, "webhook", webhook.version, etag(webhook));
    fleet::remove_webhook(tx, webhook.id);
    return Deed{.answer = call.success(200, json::to_value(DeletedWebhook{webhook.id})),
                .action = "webhook.delete",
                .resource_type = "webhook",
                .resource_id = webhook.id.str(),
                .details = json::Object{{"origin", notify::origin_of(webhook.definition.url)}}};
  });
  call.hub.webhooks.wake();
  co_return std::move(committed.answer);
}

}  // namespace

void add_webhook_routes(Router& router) {
  const std::string base = "/v1/webhooks";
  const std::string tag = "Webhooks";
  router.add(net::Method::get, base, Permission::member, list_all,
             {.id = "listWebhooks",
              .tag = tag,
              .summary = "Webhooks, oldest first",
              .query = query_of<ListWebhooks>(),
              .answer = page_of<WebhookView>(),
              .errors = {403}});
  router.add(net::Method::post, base, Permission::member, create,
             {.id = "createWebhook",
              .tag = tag,
              .summary = "Makes a webhook; its secret is shown in this answer only",
              .body = body_of<CreateWebhook>(),
              .answer = one<WebhookView>(201),
              .etag = true,
              .errors = {403}});
  router.add(net::Method::get, base + "/:id", Permission::member, show,
             {.id = "getWebhook",
              .tag = tag,
              .summary = "One webhook, and how its receiver has answered lately",
              .answer = one<WebhookView>(),
              .etag = true});
  router.add(net::Method::patch, base + "/:id", Permission::member, patch,
             {.id = "changeWebhook",
              .tag = tag,
              .summary = "Changes what the body names",
              .description = "RFC 7396: null takes a filter away. Messages that wait go to the new URL.",
              .body = body_of<ChangeWebhook>(),
              .answer = one<WebhookView>(),
              .etag = true,
              .if_match = true,
              .errors = {403}});
  router.add(net::Method::del, base + "/:id", Permission::member, remove,
             {.id = "deleteWebhook",
              .tag = tag,
              .summary = "Takes a webhook away, with its deliveries",
              .answer = one<DeletedWebhook>(),
              .if_match = true});
  router.add(net::Method::post, base + "/:id/rotate-secret", Permission::member, rotate_secret,
             {.id = "rotateWebhookSecret",
              .tag = tag,
              .summary = "Makes a new secret; for a while, messages are signed with both",
              .body = optional_body_of<RotateSecret>(),
              .answer = one<WebhookView>(),
              .etag = true,
              .if_match = true,
              .errors = {409}});
  router.add(net::Method::post, base + "/:id/pause", Permission::member, pause,
             {.id = "pauseWebhook",
              .tag = tag,
              .summary = "Sends nothing until it is resumed; what happens meanwhile waits",
              .body = optional_body_of<PauseWebhook>(),
              .answer = one<WebhookView>(),
              .etag = true,
              .if_match = true,
              .errors = {409}});
  router.add(net::Method::post, base + "/:id/resume", Permission::member, resume,
             {.id = "resumeWebhook",
              .tag = tag,
              .summary = "Goes on after a pause, or after it was disabled",
              .body = optional_body_of<NoBody>(),
              .answer = one<WebhookView>(),
              .etag = true,
              .if_match = true,
              .errors = {409}});
  add_webhook_delivery_routes(router);
}

}  // namespace slipway::api
