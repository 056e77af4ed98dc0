#include "durable/queue_standing.h"

#include "durable/queue_store.h"

namespace slipway::durable::queues {
namespace {

constexpr std::int64_t kArrivedMax = 10'000;  // read to know where the last who came will stand

struct Entry {
  std::string queue, key;
  std::int64_t seq = 0, priority = 0;
  Instant queued_at, due_at;
  std::optional<std::int64_t> tag;
};

std::optional<Entry> find_entry(store::Transaction& tx, const base::RunId& run) {
  const auto rows = tx.query(
      "SELECT queue, queue_key, seq, priority, queued_at, due_at, tag FROM queue_entries WHERE run_id = $1 "
      "AND admitted_at IS NULL",
      {run.str()});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return Entry{.queue = row.text(0),
               .key = row.text(1),
               .seq = row.integer(2),
               .priority = row.integer(3),
               .queued_at = row.instant(4),
               .due_at = row.instant(5),
               .tag = row.integer_or_null(6)};
}

// Those who came since the last admission, with the tags that the next one will give them.
struct Arrived {
  std::int64_t seq, priority, tag;
};
std::vector<Arrived> arrived(store::Transaction& tx, const std::string& queue, Instant now) {
  Tags tags;
  for (const auto& row : tx.query("SELECT priority, virtual_time FROM queue_classes WHERE queue = $1", {queue}))
    tags.set_virtual_time(row.integer(0), row.integer(1));
  const auto rows = tx.query(
      "SELECT seq, priority, queue_key, weight FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL "
      "AND tag IS NULL AND due_at <= $2 ORDER BY due_at, seq LIMIT $3",
      {queue, now, kArrivedMax});
  if (!rows.empty())
    for (const auto& row : tx.query("SELECT priority, queue_key, last_tag FROM queue_keys WHERE queue = $1", {queue}))
      tags.set_last(row.integer(0), row.text(1), row.integer(2));
  std::vector<Arrived> found;
  for (const auto& row : rows)
    found.push_back({row.integer(0), row.integer(1), tags.give(row.integer(1), row.text(2), row.integer(3))});
  return found;
}

std::int64_t count_ahead(store::Transaction& tx, const Entry& entry, Instant now) {
  const auto others = arrived(tx, entry.queue, now);
  std::optional<std::int64_t> tag = entry.tag;
  for (const auto& other : others)
    if (other.seq == entry.seq) tag = other.tag;
  // One whose time has not come, or who came after very many, is behind all of its class.
  const auto mine = tag.value_or(std::numeric_limits<std::int64_t>::max());
  auto ahead = tx.query(
                     "SELECT COUNT(*) FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL AND tag IS NOT NULL "
                     "AND (priority > $2 OR (priority = $2 AND (tag < $3 OR (tag = $3 AND seq < $4))))",
                     {entry.queue, entry.priority, mine, entry.seq})
                   .front()
                   .integer(0);
  for (const auto& other : others) {
    if (other.seq == entry.seq) continue;
    const auto order = std::tuple(-other.priority, other.tag, other.seq);
    ahead += order < std::tuple(-entry.priority, mine, entry.seq) ? 1 : 0;
  }
  return ahead;
}

std::string in_words(const Standing& standing, const QueueRow& row) {
  const QueueLimits& limits = row.queue.limits;
  const std::string queue = "queue '" + standing.queue + "'";
  switch (standing.reason) {
    case WaitReason::not_before:
      return "its time has not come";
    case WaitReason::paused:
      return queue + " was paused by " + row.queue.pause->by +
             (row.queue.pause->reason.empty() ? "" : ": " + row.queue.pause->reason);
    case WaitReason::concurrency:
      return "as many runs of " + queue + " are at work as may be (" + std::to_string(*limits.concurrency) + ")";
    case WaitReason::key_concurrency:
      return "as many runs of " + queue + " with the key '" + standing.key + "' are at work as may be (" +
             std::to_string(*limits.key_concurrency) + ")";
    case WaitReason::rate:
      return queue + " lets " + std::to_string(limits.rate->count) + " runs begin in " +
             base::format_duration(limits.rate->period);
    case WaitReason::line:
      return "others are before it in " + queue;
    case WaitReason::next:
      break;
  }
  return "it is about to be admitted from " + queue;
}

}  // namespace

std::optional<Standing> standing_of(store::Transaction& tx, const base::RunId& run, Instant now) {
  const auto entry = find_entry(tx, run);
  if (!entry) return std::nullopt;
  const auto row = find(tx, entry->queue);
  if (!row) return std::nullopt;
  const Places places = places_in(*row, count_admitted(tx, entry->queue), now);
  const auto& key_limit = row->queue.limits.key_concurrency;
  Standing standing{.queue = entry->queue,
                    .key = entry->key,
                    .priority = entry->priority,
                    .since = entry->queued_at,
                    .ahead = count_ahead(tx, *entry, now),
                    .reason = WaitReason::next,
                    .until = {},
                    .explanation = {}};
  if (row->queue.pause) {
    standing.reason = WaitReason::paused;
  } else if (entry->due_at > now) {
    standing.reason = WaitReason::not_before;
    standing.until = entry->due_at;
  } else if (key_limit && !entry->key.empty() && count_admitted(tx, entry->queue, entry->key) >= *key_limit) {
    standing.reason = WaitReason::key_concurrency;
  } else if (places.free == 0) {
    standing.reason = places.reason;
    if (places.reason == WaitReason::rate) standing.until = places.next_at;
  } else if (standing.ahead >= places.free) {
    standing.reason = WaitReason::line;
  }
  standing.explanation = in_words(standing, *row);
  return standing;
}

}  // namespace slipway::durable::queues
