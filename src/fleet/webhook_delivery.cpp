#include "fleet/webhook_delivery.h"

#include <algorithm>
#include <set>

#include "base/enum_name.h"

namespace slipway::fleet {
namespace {

#define DELIVERY_COLUMNS(body)                                                                             \
  "SELECT id, endpoint_id, place, event_type, resource, content_type, " body                               \
  ", status, due_at, claimed_until, "                                                                      \
  "turn, attempts, tries, first_tried_at, last_attempt_at, last_status, last_error, created_at, ended_at " \
  "FROM webhook_deliveries "

using base::name_of;

Delivery to_delivery(const store::Row& row) {
  return {.id = DeliveryId(row.text(0)),
          .endpoint_id = WebhookId(row.text(1)),
          .place = row.integer_or_null(2),
          .event_type = row.text(3),
          .resource = row.text(4),
          .content_type = row.text(5),
          .body = row.text(6),
          .status = base::value_of<DeliveryStatus>(row.text(7)),
          .due_at = row.instant_or_null(8),
          .claimed_until = row.instant_or_null(9),
          .turn = row.integer(10),
          .attempts = row.integer(11),
          .tries = row.integer(12),
          .first_tried_at = row.instant_or_null(13),
          .last_attempt_at = row.instant_or_null(14),
          .last_status = row.integer_or_null(15),
          .last_error = row.text_or_null(16),
          .created_at = row.instant(17),
          .ended_at = row.instant_or_null(18)};
}

std::vector<Delivery> to_deliveries(const store::Rows& rows) {
  std::vector<Delivery> deliveries;
  deliveries.reserve(rows.size());
  for (const auto& row : rows) deliveries.push_back(to_delivery(row));
  return deliveries;
}

// Only what is asked for: `(status = $2 OR $2 IS NULL)` would keep the indexes from being used.
struct Condition {
  std::string text;
  std::vector<store::Parameter> parameters;

  std::string parameter(store::Parameter value) {
    parameters.push_back(std::move(value));
    return "$" + std::to_string(parameters.size());
  }
  void add(std::string_view comparison, store::Parameter value) {
    text += (text.empty() ? "" : " AND ") + std::string(comparison) + parameter(std::move(value));
  }
};

// The least id that could have been made at that time: ids grow with it, and so bound how far back is looked.
std::string first_id_at(base::Instant at) {
  struct Then final : base::Clock {
    explicit Then(base::Instant instant) : at(instant) {}
    base::Instant now() const override { return at; }
    base::Instant at;
  } then(std::max(at, base::from_unix_ms(1)));
  struct Least final : base::Random {
    std::uint64_t next() override { return 0; }
  } least;
  return base::IdGenerator(then, least).make<DeliveryId>().str();
}

Condition condition_of(const WebhookId& endpoint, const DeliveryFilter& filter) {
  Condition condition;
  condition.add("endpoint_id = ", endpoint.str());
  if (filter.status) condition.add("status = ", name_of(*filter.status));
  if (filter.event_type) condition.add("event_type = ", *filter.event_type);
  if (filter.since) {
    condition.add("created_at >= ", *filter.since);
    condition.add("id >= ", first_id_at(*filter.since));
  }
  return condition;
}

bool has_pending(store::Transaction& tx, const WebhookId& endpoint, const std::string& resource) {
  return !tx.query(
                "SELECT 1 FROM webhook_deliveries WHERE endpoint_id = $1 AND resource = $2 AND status = 'pending' "
                "LIMIT 1",
                {endpoint.str(), resource})
              .empty();
}

// The first of the line becomes due, unless it is, or is being sent.
void release_next(store::Transaction& tx, const WebhookId& endpoint, const std::string& resource, base::Instant now) {
  const auto rows = tx.query(
      "SELECT id, due_at, claimed_until FROM webhook_deliveries WHERE endpoint_id = $1 AND resource = $2 "
      "AND status = 'pending' ORDER BY place LIMIT 1",
      {endpoint.str(), resource});
  if (rows.empty() || !rows.front().is_null(1) || !rows.front().is_null(2)) return;
  tx.execute("UPDATE webhook_deliveries SET due_at = $2 WHERE id = $1", {rows.front().text(0), now});
}

// Of every line of which nothing is due or being sent, the first.
void release_lines(store::Transaction& tx, const WebhookId& endpoint, base::Instant now) {
  tx.execute(
      "UPDATE webhook_deliveries SET due_at = $2 WHERE endpoint_id = $1 AND status = 'pending' AND due_at IS NULL "
      "AND claimed_until IS NULL AND NOT EXISTS (SELECT 1 FROM webhook_deliveries o WHERE o.endpoint_id = $1 "
      "AND o.resource = webhook_deliveries.resource AND o.status = 'pending' "
      "AND (o.place < webhook_deliveries.place OR o.due_at IS NOT NULL OR o.claimed_until IS NOT NULL))",
      {endpoint.str(), now});
}

}  // namespace

// ---- for those who look

std::optional<WebhookId> endpoint_of(store::Transaction& tx, const DeliveryId& id) {
  const auto rows = tx.query("SELECT endpoint_id FROM webhook_deliveries WHERE id = $1", {id.str()});
  if (rows.empty()) return std::nullopt;
  return WebhookId(rows.front().text(0));
}

std::optional<Delivery> find_delivery(store::Transaction& tx, const WebhookId& endpoint, const DeliveryId& id) {
  const auto rows = tx.query(DELIVERY_COLUMNS("body") "WHERE id = $1 AND endpoint_id = $2", {id.str(), endpoint.str()});
  if (rows.empty()) return std::nullopt;
  return to_delivery(rows.front());
}

std::vector<Delivery> list_deliveries(store::Transaction& tx, const WebhookId& endpoint, const DeliveryFilter& filter) {
  auto condition = condition_of(endpoint, filter);
  if (!filter.before.empty()) condition.add("id < ", filter.before);
  const auto limit = condition.parameter(filter.limit);
  const std::string sql = DELIVERY_COLUMNS("''") "WHERE " + condition.text + " ORDER BY id DESC LIMIT " + limit;
  return to_deliveries(tx.query(sql, condition.parameters));
}

DeliveryCount count_deliveries(store::Transaction& tx, const WebhookId& endpoint, const DeliveryFilter& filter) {
  auto condition = condition_of(endpoint, filter);
  const auto limit = condition.parameter(kCountMax + 1);
  const std::string sql = "SELECT COUNT(*) FROM (SELECT 1 FROM webhook_deliveries WHERE " + condition.text + " LIMIT " +
                          limit + ") AS counted";
  const auto count = tx.query(sql, condition.parameters).front().integer(0);
  return {std::min(count, kCountMax), count > kCountMax};
}

std::vector<DeliveryAttempt> delivery_attempts(store::Transaction& tx, const DeliveryId& id) {
  std::vector<DeliveryAttempt> attempts;
  for (const auto& row : tx.query("SELECT number, at, duration_ms, status, error_code, error_message, headers, body, "
                                  "url FROM webhook_attempts WHERE delivery_id = $1 ORDER BY number",
                                  {id.str()}))
    attempts.push_back({.number = row.integer(0),
                        .at = row.instant(1),
                        .duration = base::Duration(row.integer(2)),
                        .status = row.integer_or_null(3),
                        .error_code = row.text_or_null(4),
                        .error_message = row.text_or_null(5),
                        .headers = json::parse_value(row.text(6)),
                        .body = row.text(7),
                        .url = row.text_or_null(8)});
  return attempts;
}

// ---- for those who decide

void insert_deliveries(store::Transaction& tx, const std::vector<Delivery>& deliveries, bool ordered,
                       base::Instant now) {
  constexpr std::size_t kColumns = 9;
  std::set<std::string> lines;
  std::vector<store::Parameter> rows;
  rows.reserve(deliveries.size() * kColumns);
  for (const auto& delivery : deliveries) {
    const bool waits =
        ordered && (lines.contains(delivery.resource) || has_pending(tx, delivery.endpoint_id, delivery.resource));
    if (ordered) lines.insert(delivery.resource);
    rows.emplace_back(delivery.id.str());
    rows.emplace_back(delivery.endpoint_id.str());
    rows.emplace_back(delivery.place);
    rows.emplace_back(delivery.event_type);
    rows.emplace_back(delivery.resource);
    rows.emplace_back(delivery.content_type);
    rows.emplace_back(delivery.body);
    rows.push_back(waits ? store::Parameter(std::nullopt) : store::Parameter(now));
    rows.emplace_back(delivery.created_at);
  }
  if (rows.empty()) return;
  tx.execute_many(
      "INSERT INTO webhook_deliveries (id, endpoint_id, place, event_type, resource, content_type, body, due_at, "
      "created_at, status, turn, attempts, tries) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, 0, 0) "
      "ON CONFLICT (endpoint_id, place) DO NOTHING",
      kColumns, rows);
}

Delivery redeliver(store::Transaction& tx, const Webhook& endpoint, const DeliveryId& id, base::Instant now) {
  const auto found = find_delivery(tx, endpoint.id, id);
  if (!found) throw base::not_found("webhook delivery", id.str());
  if (found->status == DeliveryStatus::pending) throw base::invalid_state("the delivery is still under way");
  const bool waits = endpoint.definition.ordered && has_pending(tx, endpoint.id, found->resource);
  tx.execute(
      "UPDATE webhook_deliveries SET status = 'pending', due_at = $2, tries = 0, first_tried_at = NULL, "
      "ended_at = NULL WHERE id = $1",
      {id.str(), waits ? store::Parameter(std::nullopt) : store::Parameter(now)});
  return *find_delivery(tx, endpoint.id, id);
}

std::int64_t recover_deliveries(store::Transaction& tx, const Webhook& endpoint, base::Instant since,
                                base::Instant now) {
  const auto count = tx.execute(
      "UPDATE webhook_deliveries SET status = 'pending', due_at = $3, tries = 0, first_tried_at = NULL, "
      "ended_at = NULL WHERE endpoint_id = $1 AND status = 'failed' AND created_at >= $2",
      {endpoint.id.str(), since, now});
  if (endpoint.definition.ordered) rearrange(tx, endpoint, now);
  return count;
}

void rearrange(store::Transaction& tx, const Webhook& endpoint, base::Instant now) {
  if (!endpoint.definition.ordered) {
    tx.execute(
        "UPDATE webhook_deliveries SET due_at = $2 WHERE endpoint_id = $1 AND status = 'pending' AND due_at IS NULL "
        "AND claimed_until IS NULL",
        {endpoint.id.str(), now});
    return;
  }
  tx.execute(
      "UPDATE webhook_deliveries SET due_at = NULL WHERE endpoint_id = $1 AND status = 'pending' "
      "AND due_at IS NOT NULL AND EXISTS (SELECT 1 FROM webhook_deliveries o WHERE o.endpoint_id = $1 "
      "AND o.resource = webhook_deliveries.resource AND o.status = 'pending' "
      "AND (o.place < webhook_deliveries.place OR o.claimed_until IS NOT NULL))",
      {endpoint.id.str()});
  release_lines(tx, endpoint.id, now);
}

void fail_pending(store::Transaction& tx, const WebhookId& endpoint, const std::string& reason, base::Instant now) {
  tx.execute(
      "UPDATE webhook_deliveries SET status = 'failed', due_at = NULL, claimed_until = NULL, turn = turn + 1, "
      "last_error = $2, ended_at = $3 WHERE endpoint_id = $1 AND status = 'pending'",
      {endpoint.str(), reason, now});
}

std::vector<Delivery> claim_deliveries(store::Transaction& tx, const WebhookId& endpoint, std::int64_t limit,
                                       base::Instant now, base::Instant until) {
  auto claimed =
      to_deliveries(tx.query(DELIVERY_COLUMNS("body") "WHERE endpoint_id = $1 AND due_at IS NOT NULL AND due_at <= $2 "
                                                      "ORDER BY due_at, id LIMIT $3",
                             {endpoint.str(), now, limit}));
  std::vector<store::Parameter> rows;
  for (auto& delivery : claimed) {
    delivery.due_at.reset();
    delivery.claimed_until = until;
    ++delivery.turn;
    rows.emplace_back(delivery.id.str());
    rows.emplace_back(until);
  }
  if (!rows.empty())
    tx.execute_many("UPDATE webhook_deliveries SET due_at = NULL, claimed_until = $2, turn = turn + 1 WHERE id = $1", 2,
                    rows);
  return claimed;
}

std::int64_t release_claims(store::Transaction& tx, base::Instant expired_before, base::Instant now) {
  return tx.execute(
      "UPDATE webhook_deliveries SET due_at = $2, claimed_until = NULL, turn = turn + 1 "
      "WHERE claimed_until IS NOT NULL AND claimed_until < $1",
      {expired_before, now});
}

UnderWay deliveries_under_way(store::Transaction& tx) {
  UnderWay counts;
  // Counted here: for a GROUP BY, SQLite would rather walk all deliveries in the order of their endpoints.
  for (const auto& row : tx.query("SELECT d.endpoint_id, (SELECT w.owner_id FROM webhook_endpoints w "
                                  "WHERE w.id = d.endpoint_id) "
                                  "FROM webhook_deliveries d WHERE d.claimed_until IS NOT NULL")) {
    ++counts.to_endpoint[row.text(0)];
    if (const auto owner = row.text_or_null(1)) ++counts.to_owner[*owner];
  }
  return counts;
}

std::optional<Delivery> find_claimed(store::Transaction& tx, const DeliveryId& id, std::int64_t turn) {
  const auto rows =
      tx.query(DELIVERY_COLUMNS("body") "WHERE id = $1 AND turn = $2 AND claimed_until IS NOT NULL", {id.str(), turn});
  if (rows.empty()) return std::nullopt;
  return to_delivery(rows.front());
}

void settle(store::Transaction& tx, const Delivery& delivery, const DeliveryAttempt& attempt, base::Instant now) {
  tx.execute_many(
      "INSERT INTO webhook_attempts (delivery_id, number, at, duration_ms, status, error_code, error_message, headers, "
      "body, url) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      10,
      std::vector<store::Parameter>{
          delivery.id.str(), attempt.number, attempt.at, std::int64_t(attempt.duration.count()), attempt.status,
          attempt.error_code, attempt.error_message, json::print_value(attempt.headers), attempt.body, attempt.url});
  tx.execute(
      "UPDATE webhook_deliveries SET status = $2, due_at = $3, claimed_until = NULL, attempts = $4, tries = $5, "
      "first_tried_at = $6, last_attempt_at = $7, last_status = $8, last_error = $9, ended_at = $10 WHERE id = $1",
      {delivery.id.str(), name_of(delivery.status), delivery.due_at, delivery.attempts, delivery.tries,
       delivery.first_tried_at, attempt.at, attempt.status, attempt.error_message, delivery.ended_at});
  if (delivery.status != DeliveryStatus::pending) release_next(tx, delivery.endpoint_id, delivery.resource, now);
}

std::vector<DueEndpoint> due_endpoints(store::Transaction& tx) {
  std::vector<DueEndpoint> due;
  for (const auto& row :
       tx.query("SELECT w.id, w.hold_until, w.failures, w.owner_id, (SELECT MIN(d.due_at) FROM webhook_deliveries d "
                "WHERE d.endpoint_id = w.id AND d.due_at IS NOT NULL) "
                "FROM webhook_endpoints w WHERE w.status = 'active' ORDER BY w.id")) {
    const auto at = row.instant_or_null(4);
    if (!at) continue;
    due.push_back({.id = WebhookId(row.text(0)),
                   .owner_id = base::UserId(row.text(3)),
                   .due_at = std::max(*at, row.instant_or_null(1).value_or(*at)),
                   .failures = row.integer(2)});
  }
  return due;
}

bool has_expired_claims(store::Transaction& tx, base::Instant now) {
  return !tx.query("SELECT 1 FROM webhook_deliveries WHERE claimed_until IS NOT NULL AND claimed_until < $1 LIMIT 1",
                   {now})
              .empty();
}

std::map<std::string, std::int64_t> pending_by_endpoint(store::Transaction& tx) {
  std::map<std::string, std::int64_t> counts;
  for (const auto& row : tx.query("SELECT endpoint_id, COUNT(*) FROM webhook_deliveries WHERE status = 'pending' "
                                  "GROUP BY endpoint_id"))
    counts[row.text(0)] = row.integer(1);
  return counts;
}

bool has_forgettable_deliveries(store::Transaction& tx, base::Instant before) {
  return !tx.query("SELECT 1 FROM webhook_endpoints WHERE status = 'removed' LIMIT 1").empty() ||
         !tx.query("SELECT 1 FROM webhook_deliveries WHERE ended_at IS NOT NULL AND ended_at < $1 LIMIT 1", {before})
              .empty();
}

std::int64_t forget_deliveries(store::Transaction& tx, base::Instant before) {
  std::vector<store::Parameter> ids;
  for (const auto& row : tx.query("SELECT id FROM webhook_deliveries WHERE ended_at IS NOT NULL AND ended_at < $1 "
                                  "ORDER BY ended_at LIMIT $2",
                                  {before, kRemovedAtOnce}))
    ids.emplace_back(row.text(0));
  const auto room = kRemovedAtOnce - std::int64_t(ids.size());
  for (const auto& row : tx.query("SELECT d.id FROM webhook_deliveries d JOIN webhook_endpoints w "
                                  "ON w.id = d.endpoint_id WHERE w.status = 'removed' LIMIT $1",
                                  {room}))
    ids.emplace_back(row.text(0));
  if (ids.empty()) {
    tx.execute("DELETE FROM webhook_endpoints WHERE status = 'removed'");
    return 0;
  }
  tx.execute_many("DELETE FROM webhook_attempts WHERE delivery_id = $1", 1, ids);
  tx.execute_many("DELETE FROM webhook_deliveries WHERE id = $1", 1, ids);
  return std::int64_t(ids.size());
}

}  // namespace slipway::fleet
