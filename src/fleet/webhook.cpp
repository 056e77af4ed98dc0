#include "fleet/webhook.h"

#include "base/enum_name.h"
#include "fleet/change_feed.h"

namespace slipway::fleet {
namespace {

#define WEBHOOK_COLUMNS                                                                                           \
  "SELECT w.id, w.owner_id, w.url, w.description, w.event_types, w.resource_type, w.resource_id, w.run_type, "    \
  "w.scope, w.ordered, w.format, w.status, w.status_reason, w.failures, w.failing_since, w.hold_until, "          \
  "w.last_success_at, w.last_failure_at, w.old_secret_until, w.since_seq, w.version, w.created_at, w.updated_at " \
  "FROM webhook_endpoints w "

#define WEBHOOK_FILTER \
  "WHERE (w.owner_id = $1 OR $1 IS NULL) AND (w.status = $2 OR $2 IS NULL) AND w.status <> 'removed' "

using base::name_of;
using base::value_of;

Webhook to_webhook(const store::Row& row) {
  return {.id = WebhookId(row.text(0)),
          .owner_id = base::UserId(row.text(1)),
          .definition = {.url = row.text(2),
                         .description = row.text(3),
                         .event_types = json::parse<std::vector<std::string>>(row.text(4)),
                         .resource_type = row.text_or_null(5),
                         .resource_id = row.text_or_null(6),
                         .run_type = row.text_or_null(7),
                         .scope = value_of<WebhookScope>(row.text(8)),
                         .ordered = row.integer(9) != 0,
                         .format = value_of<WebhookFormat>(row.text(10))},
          .status = value_of<WebhookStatus>(row.text(11)),
          .status_reason = row.text(12),
          .health = {.failures = row.integer(13),
                     .failing_since = row.instant_or_null(14),
                     .hold_until = row.instant_or_null(15),
                     .last_success_at = row.instant_or_null(16),
                     .last_failure_at = row.instant_or_null(17)},
          .old_secret_until = row.instant_or_null(18),
          .since_seq = row.integer(19),
          .version = row.integer(20),
          .created_at = row.instant(21),
          .updated_at = row.instant(22)};
}

store::Parameter status_parameter(const std::optional<WebhookStatus>& status) {
  return status ? store::Parameter(name_of(*status)) : store::Parameter(std::nullopt);
}

std::vector<Webhook> to_webhooks(const store::Rows& rows) {
  std::vector<Webhook> webhooks;
  webhooks.reserve(rows.size());
  for (const auto& row : rows) webhooks.push_back(to_webhook(row));
  return webhooks;
}

// While nobody listens the feed is not read; who begins to listen does not want what came meanwhile.
void skip_what_nobody_heard(store::Transaction& tx, std::int64_t newest) {
  if (!has_listening_webhooks(tx)) set_webhook_feed_position(tx, newest);
}

}  // namespace

void lock_webhooks(store::Transaction& tx) { tx.execute("UPDATE webhook_feed SET turn = turn + 1 WHERE id = 1"); }

void insert_webhook(store::Transaction& tx, Webhook& webhook, const std::string& sealed_secret) {
  const auto& definition = webhook.definition;
  webhook.since_seq = last_change(tx);
  skip_what_nobody_heard(tx, webhook.since_seq);
  tx.execute(
      "INSERT INTO webhook_endpoints (id, owner_id, url, description, event_types, resource_type, resource_id, "
      "run_type, scope, ordered, format, status, status_reason, sealed_secret, since_seq, failures, version, "
      "created_at, updated_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $16, $17, $17)",
      {webhook.id.str(), webhook.owner_id.str(), definition.url, definition.description,
       json::print(definition.event_types), definition.resource_type, definition.resource_id, definition.run_type,
       name_of(definition.scope), definition.ordered, name_of(definition.format), name_of(webhook.status),
       webhook.status_reason, sealed_secret, webhook.since_seq, webhook.version, webhook.created_at});
}

std::optional<Webhook> find_webhook(store::Transaction& tx, const Scope& scope, const WebhookId& id) {
  const auto rows = tx.query(WEBHOOK_COLUMNS WEBHOOK_FILTER "AND w.id = $3",
                             {scope.owner_id(), status_parameter(std::nullopt), id.str()});
  if (rows.empty()) return std::nullopt;
  return to_webhook(rows.front());
}

Webhook get_webhook(store::Transaction& tx, const Scope& scope, const WebhookId& id) {
  auto webhook = find_webhook(tx, scope, id);
  if (!webhook) throw base::not_found("webhook", id.str());
  return *std::move(webhook);
}

std::vector<Webhook> list_webhooks(store::Transaction& tx, const Scope& scope, const WebhookFilter& filter) {
  return to_webhooks(
      tx.query(WEBHOOK_COLUMNS WEBHOOK_FILTER "AND w.id > $3 ORDER BY w.id LIMIT $4 OFFSET $5",
               {scope.owner_id(), status_parameter(filter.status), filter.after, filter.limit, filter.offset}));
}

std::int64_t count_webhooks(store::Transaction& tx, const Scope& scope, const WebhookFilter& filter) {
  return tx
      .query("SELECT COUNT(*) FROM webhook_endpoints w " WEBHOOK_FILTER,
             {scope.owner_id(), status_parameter(filter.status)})
      .front()
      .integer(0);
}

std::vector<Webhook> listening_webhooks(store::Transaction& tx) {
  return to_webhooks(tx.query(WEBHOOK_COLUMNS
                              "JOIN users u ON u.id = w.owner_id WHERE w.status IN ('active', 'paused') "
                              "AND (w.scope = 'own' OR u.role = 'admin') ORDER BY w.id"));
}

bool has_listening_webhooks(store::Transaction& tx) {
  return !tx.query("SELECT 1 FROM webhook_endpoints WHERE status IN ('active', 'paused') LIMIT 1").empty();
}

bool any_webhook_wants_steps(store::Transaction& tx) {
  return !tx.query(
                "SELECT 1 FROM webhook_endpoints WHERE status IN ('active', 'paused') "
                "AND event_types LIKE '%\"step.%' LIMIT 1")
              .empty();
}

void update_webhook(store::Transaction& tx, Webhook& webhook, base::Instant now) {
  const auto& definition = webhook.definition;
  ++webhook.version;
  webhook.updated_at = now;
  tx.execute(
      "UPDATE webhook_endpoints SET url = $2, description = $3, event_types = $4, resource_type = $5, "
      "resource_id = $6, run_type = $7, scope = $8, ordered = $9, format = $10, status = $11, status_reason = $12, "
      "version = $13, updated_at = $14 WHERE id = $1",
      {webhook.id.str(), definition.url, definition.description, json::print(definition.event_types),
       definition.resource_type, definition.resource_id, definition.run_type, name_of(definition.scope),
       definition.ordered, name_of(definition.format), name_of(webhook.status), webhook.status_reason, webhook.version,
       now});
}

void set_webhook_health(store::Transaction& tx, const WebhookId& id, const WebhookHealth& health) {
  tx.execute(
      "UPDATE webhook_endpoints SET failures = $2, failing_since = $3, hold_until = $4, last_success_at = $5, "
      "last_failure_at = $6 WHERE id = $1",
      {id.str(), health.failures, health.failing_since, health.hold_until, health.last_success_at,
       health.last_failure_at});
}

void start_listening(store::Transaction& tx, Webhook& webhook) {
  webhook.since_seq = last_change(tx);
  skip_what_nobody_heard(tx, webhook.since_seq);
  tx.execute("UPDATE webhook_endpoints SET since_seq = $2 WHERE id = $1", {webhook.id.str(), webhook.since_seq});
}

WebhookSecrets webhook_secrets(store::Transaction& tx, const WebhookId& id) {
  const auto rows = tx.query(
      "SELECT sealed_secret, sealed_old_secret, old_secret_until FROM webhook_endpoints WHERE id = $1", {id.str()});
  if (rows.empty()) throw base::not_found("webhook", id.str());
  return {rows.front().text(0), rows.front().text_or_null(1), rows.front().instant_or_null(2)};
}

void rotate_webhook_secret(store::Transaction& tx, const WebhookId& id, const std::string& sealed,
                           base::Instant old_until) {
  tx.execute(
      "UPDATE webhook_endpoints SET sealed_old_secret = sealed_secret, old_secret_until = $3, sealed_secret = $2 "
      "WHERE id = $1",
      {id.str(), sealed, old_until});
}

void remove_webhook(store::Transaction& tx, const WebhookId& id) {
  tx.execute(
      "UPDATE webhook_endpoints SET status = 'removed', sealed_secret = '', sealed_old_secret = NULL WHERE id = $1",
      {id.str()});
}

std::int64_t webhook_feed_position(store::Transaction& tx) {
  return tx.query("SELECT seq FROM webhook_feed WHERE id = 1").front().integer(0);
}

void set_webhook_feed_position(store::Transaction& tx, std::int64_t seq) {
  tx.execute("UPDATE webhook_feed SET seq = $1 WHERE id = 1", {seq});
}

}  // namespace slipway::fleet
