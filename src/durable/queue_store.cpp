#include "durable/queue_store.h"

#include "base/error.h"

namespace slipway::durable::queues {
namespace {

#define QUEUE_COLUMNS                                                                                               \
  "name, concurrency, key_concurrency, rate_count, rate_period_ms, size_max, paused_at, paused_by, paused_reason, " \
  "rate_used_until_us, admissions "
#define QUEUE_BY_NAME "SELECT " QUEUE_COLUMNS "FROM queues WHERE name = $1"

QueueRow to_queue(const store::Row& row) {
  QueueRow found;
  found.queue.name = row.text(0);
  QueueLimits& limits = found.queue.limits;
  limits.concurrency = row.integer_or_null(1);
  limits.key_concurrency = row.integer_or_null(2);
  if (!row.is_null(3)) limits.rate = Rate{.count = row.integer(3), .period = Duration(row.integer(4))};
  limits.size = row.integer_or_null(5);
  if (!row.is_null(6)) found.queue.pause = Pause{.at = row.instant(6), .by = row.text(7), .reason = row.text(8)};
  found.rate_used_until_us = row.integer(9);
  found.admissions = row.integer(10);
  return found;
}

std::optional<QueueRow> first(const store::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return to_queue(rows.front());
}

}  // namespace

std::optional<QueueRow> find(store::Transaction& tx, std::string_view name) {
  return first(tx.query(QUEUE_BY_NAME, {name}));
}

std::optional<QueueRow> find_for_update(store::Transaction& tx, std::string_view name) {
  return first(tx.dialect() == store::Dialect::postgres ? tx.query(QUEUE_BY_NAME " FOR NO KEY UPDATE", {name})
                                                        : tx.query(QUEUE_BY_NAME, {name}));
}

std::vector<QueueRow> list(store::Transaction& tx) {
  std::vector<QueueRow> found;
  for (const auto& row : tx.query("SELECT " QUEUE_COLUMNS "FROM queues ORDER BY name")) found.push_back(to_queue(row));
  return found;
}

void put(store::Transaction& tx, const std::string& name, const QueueLimits& limits, Instant now) {
  validate_queue_name(name);
  validate(limits);
  std::optional<std::int64_t> count, period;
  if (limits.rate) {
    count = limits.rate->count;
    period = limits.rate->period.count();
  }
  tx.execute(
      "INSERT INTO queues (name, concurrency, key_concurrency, rate_count, rate_period_ms, size_max, updated_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET concurrency = excluded.concurrency, "
      "key_concurrency = excluded.key_concurrency, rate_count = excluded.rate_count, "
      "rate_period_ms = excluded.rate_period_ms, size_max = excluded.size_max, updated_at = excluded.updated_at",
      {name, limits.concurrency, limits.key_concurrency, count, period, limits.size, now});
}

void set_pause(store::Transaction& tx, const std::string& name, const std::optional<Pause>& pause, Instant now) {
  std::optional<Instant> at;
  std::optional<std::string> by, reason;
  if (pause) {
    at = pause->at;
    by = pause->by;
    reason = pause->reason;
  }
  if (tx.execute(
          "UPDATE queues SET paused_at = $2, paused_by = $3, paused_reason = $4, updated_at = $5 WHERE name = $1",
          {name, at, by, reason, now}) == 0)
    throw base::not_found("queue", name);
}

void remove(store::Transaction& tx, const std::string& name) {
  if (name == kDefaultQueue) throw base::invalid_state("the default queue stays; take its limits away instead");
  // Waits for those who are on their way in, and keeps others out.
  const auto rows = tx.dialect() == store::Dialect::postgres ? tx.query(QUEUE_BY_NAME " FOR UPDATE", {name})
                                                             : tx.query(QUEUE_BY_NAME, {name});
  if (rows.empty()) throw base::not_found("queue", name);
  tx.execute("DELETE FROM queue_entries WHERE queue = $1 AND admitted_at IS NOT NULL", {name});
  tx.execute("UPDATE queue_entries SET queue = $2, tag = NULL WHERE queue = $1", {name, kDefaultQueue});
  tx.execute("DELETE FROM queue_classes WHERE queue = $1", {name});
  tx.execute("DELETE FROM queue_keys WHERE queue = $1", {name});
  tx.execute("DELETE FROM queues WHERE name = $1", {name});
}

Counts counts(store::Transaction& tx, std::string_view queue) {
  const auto rows =
      tx.query("SELECT COUNT(*), MIN(queued_at) FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL", {queue});
  return {.waiting = rows.front().integer(0),
          .admitted = count_admitted(tx, queue),
          .waiting_since = rows.front().instant_or_null(1)};
}

std::int64_t count_admitted(store::Transaction& tx, std::string_view queue) {
  return tx.query("SELECT COUNT(*) FROM queue_entries WHERE queue = $1 AND admitted_at IS NOT NULL", {queue})
      .front()
      .integer(0);
}

std::int64_t count_admitted(store::Transaction& tx, std::string_view queue, std::string_view key) {
  return tx
      .query("SELECT COUNT(*) FROM queue_entries WHERE queue = $1 AND queue_key = $2 AND admitted_at IS NOT NULL",
             {queue, key})
      .front()
      .integer(0);
}

std::vector<KeyCounts> keys(store::Transaction& tx, std::string_view queue, std::int64_t limit) {
  std::vector<KeyCounts> found;
  for (const auto& row :
       tx.query("SELECT queue_key, COUNT(CASE WHEN admitted_at IS NULL THEN 1 END) AS waiting, COUNT(admitted_at), "
                "MIN(CASE WHEN admitted_at IS NULL THEN queued_at END) "
                "FROM queue_entries WHERE queue = $1 GROUP BY queue_key ORDER BY waiting DESC, queue_key LIMIT $2",
                {queue, limit}))
    found.push_back({.key = row.text(0),
                     .waiting = row.integer(1),
                     .admitted = row.integer(2),
                     .waiting_since = row.instant_or_null(3)});
  return found;
}

std::vector<Glance> glance(store::Transaction& tx, Instant now) {
  std::vector<Glance> found;
  for (const auto& row : tx.query(
           "SELECT " QUEUE_COLUMNS ", CASE WHEN "
           "EXISTS (SELECT 1 FROM queue_entries WHERE queue = name AND admitted_at IS NULL AND tag IS NOT NULL) OR "
           "EXISTS (SELECT 1 FROM queue_entries WHERE queue = name AND admitted_at IS NULL AND tag IS NULL "
           "AND due_at <= $1) THEN 1 ELSE 0 END FROM queues ORDER BY name",
           {now})) {
    const QueueRow queue = to_queue(row);
    const bool waited_for = row.integer(11) != 0;
    const bool is_open = waited_for && places_in(queue, count_admitted(tx, queue.queue.name), now).free > 0;
    found.push_back({.name = queue.queue.name, .may_admit = is_open});
  }
  return found;
}

}  // namespace slipway::durable::queues
