#include "durable/queue_admission.h"

#include <algorithm>
#include <unordered_map>

namespace slipway::durable::queues {
namespace {

constexpr std::int64_t kLineUpPage = 2'000;  // arrivals that get their tags in one admission: bounds its length

struct Candidate {
  RunId run;
  std::string key;
  std::int64_t priority = 0;
  std::int64_t tag = 0;
};

json::Array to_array(const std::vector<std::string>& texts) {
  json::Array array;
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

// ---- lining up

Tags load_tags(store::Transaction& tx, const std::string& queue, const std::vector<std::string>& keys) {
  constexpr std::string_view kSqlite =
      "SELECT priority, queue_key, last_tag FROM queue_keys WHERE queue = $1 "
      "AND queue_key IN (SELECT value FROM json_each($2))";
  constexpr std::string_view kPostgres =
      "SELECT priority, queue_key, last_tag FROM queue_keys WHERE queue = $1 "
      "AND queue_key IN (SELECT value FROM json_array_elements_text(CAST($2 AS json)))";
  Tags tags;
  for (const auto& row : tx.query("SELECT priority, virtual_time FROM queue_classes WHERE queue = $1", {queue}))
    tags.set_virtual_time(row.integer(0), row.integer(1));
  for (const auto& row : tx.query(tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite,
                                  {queue, json::print_value(to_array(keys))}))
    tags.set_last(row.integer(0), row.text(1), row.integer(2));
  return tags;
}

// Gives those who came since, in their order, their places among the keys. Returns whether there may be more.
bool line_up(store::Transaction& tx, const std::string& queue, Instant now) {
  const auto arrived = tx.query(
      "SELECT seq, queue_key, priority, weight FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL "
      "AND tag IS NULL AND due_at <= $2 ORDER BY due_at, seq LIMIT $3",
      {queue, now, kLineUpPage});
  if (arrived.empty()) return false;
  std::vector<std::string> keys;
  for (const auto& row : arrived) keys.push_back(row.text(1));
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Tags tags = load_tags(tx, queue, keys);
  std::vector<store::Parameter> given, last;
  for (const auto& row : arrived) {
    given.emplace_back(tags.give(row.integer(2), row.text(1), row.integer(3)));
    given.emplace_back(row.integer(0));
  }
  for (const auto& [at, tag] : tags.last()) last.insert(last.end(), {queue, at.first, at.second, tag});
  tx.execute_many("UPDATE queue_entries SET tag = $1 WHERE seq = $2", 2, given);
  tx.execute_many(
      "INSERT INTO queue_keys (queue, priority, queue_key, last_tag) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (queue, priority, queue_key) DO UPDATE SET last_tag = excluded.last_tag",
      4, last);
  return std::int64_t(arrived.size()) == kLineUpPage;
}

// ---- choosing

// The next of the line whose keys are not among the full ones. One that is being withdrawn is passed over.
#define NEXT_SQLITE(order)                                                                                          \
  "SELECT run_id, queue_key, priority, tag FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL AND tag IS " \
  "NOT "                                                                                                            \
  "NULL AND queue_key NOT IN (SELECT value FROM json_each($2)) ORDER BY " order " LIMIT $3"
#define NEXT_POSTGRES(order)                                                                                        \
  "SELECT run_id, queue_key, priority, tag FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL AND tag IS " \
  "NOT "                                                                                                            \
  "NULL AND queue_key NOT IN (SELECT value FROM json_array_elements_text(CAST($2 AS json))) ORDER BY " order        \
  " LIMIT $3 FOR UPDATE SKIP LOCKED"
#define IN_LINE "priority DESC, tag, seq"
#define BY_AGE "seq"

enum class Order { in_line, by_age };

std::vector<Candidate> next_ones(store::Transaction& tx, const std::string& queue, Order order,
                                 const std::vector<std::string>& full_keys, std::int64_t limit) {
  const bool postgres = tx.dialect() == store::Dialect::postgres;
  const std::string_view sql = order == Order::in_line
                                   ? (postgres ? std::string_view(NEXT_POSTGRES(IN_LINE)) : NEXT_SQLITE(IN_LINE))
                                   : (postgres ? std::string_view(NEXT_POSTGRES(BY_AGE)) : NEXT_SQLITE(BY_AGE));
  std::vector<Candidate> found;
  for (const auto& row : tx.query(sql, {queue, json::print_value(to_array(full_keys)), limit}))
    found.push_back({.run = RunId(row.text(0)), .key = row.text(1), .priority = row.integer(2), .tag = row.integer(3)});
  return found;
}

bool has_several_classes(store::Transaction& tx, const std::string& queue) {
  const auto rows = tx.query(
      "SELECT (SELECT priority FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL AND tag IS NOT NULL "
      "ORDER BY priority DESC LIMIT 1), (SELECT priority FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL "
      "AND tag IS NOT NULL ORDER BY priority LIMIT 1)",
      {queue});
  return !rows.front().is_null(0) && rows.front().integer(0) != rows.front().integer(1);
}

// How full each key is, while a limit for each is set.
class KeyPlaces {
 public:
  KeyPlaces(store::Transaction& tx, const QueueRow& queue) : limit_(queue.queue.limits.key_concurrency) {
    if (!limit_) return;
    for (const auto& row : tx.query("SELECT queue_key, COUNT(*) FROM queue_entries WHERE queue = $1 AND admitted_at IS "
                                    "NOT NULL GROUP BY queue_key",
                                    {queue.queue.name}))
      admitted_[row.text(0)] = row.integer(1);
  }
  bool take(const std::string& key) {
    if (!limit_ || key.empty()) return true;
    auto& admitted = admitted_[key];
    if (admitted >= *limit_) return false;
    ++admitted;
    return true;
  }
  std::vector<std::string> full() const {
    std::vector<std::string> keys;
    for (const auto& [key, admitted] : admitted_)
      if (!key.empty() && admitted >= *limit_) keys.push_back(key);
    return keys;
  }

 private:
  std::optional<std::int64_t> limit_;
  std::unordered_map<std::string, std::int64_t> admitted_;
};

void mark_admitted(store::Transaction& tx, const std::string& queue, Order order,
                   const std::vector<Candidate>& admitted, Instant now) {
  std::vector<store::Parameter> rows;
  std::map<std::int64_t, std::int64_t> reached;
  for (const auto& candidate : admitted) {
    rows.insert(rows.end(), {now, candidate.run.str()});
    auto& at = reached[candidate.priority];
    at = std::max(at, candidate.tag);
  }
  tx.execute_many("UPDATE queue_entries SET admitted_at = $1 WHERE run_id = $2", 2, rows);
  if (order == Order::by_age) return;  // out of turn: the class has not come that far
  std::vector<store::Parameter> classes;
  for (const auto& [priority, tag] : reached) classes.insert(classes.end(), {queue, priority, tag});
  tx.execute_many(
      "INSERT INTO queue_classes (queue, priority, virtual_time) VALUES ($1, $2, $3) "
      "ON CONFLICT (queue, priority) DO UPDATE SET virtual_time = "
      "CASE WHEN excluded.virtual_time > queue_classes.virtual_time THEN excluded.virtual_time "
      "ELSE queue_classes.virtual_time END",
      3, classes);
}

std::vector<RunId> choose(store::Transaction& tx, const QueueRow& queue, std::int64_t room, Instant now) {
  const std::string& name = queue.queue.name;
  const bool several_classes = has_several_classes(tx, name);
  KeyPlaces keys(tx, queue);
  std::vector<RunId> chosen;
  while (std::int64_t(chosen.size()) < room) {
    const auto left = room - std::int64_t(chosen.size());
    const auto until_oldest =
        kPlacesPerOldest - 1 - (queue.admissions + std::int64_t(chosen.size())) % kPlacesPerOldest;
    const Order order = several_classes && until_oldest == 0 ? Order::by_age : Order::in_line;
    const auto limit = !several_classes ? left : order == Order::by_age ? 1 : std::min(left, until_oldest);
    auto admitted = next_ones(tx, name, order, keys.full(), limit);
    std::erase_if(admitted, [&](const Candidate& candidate) { return !keys.take(candidate.key); });
    if (admitted.empty()) break;
    mark_admitted(tx, name, order, admitted, now);
    for (const auto& candidate : admitted) chosen.push_back(candidate.run);
  }
  return chosen;
}

// ---- taking

std::vector<Admitted> take(store::Transaction& tx, const std::string& queue, const std::vector<RunId>& chosen,
                           const ReplicaId& taker, Instant now) {
  std::unordered_map<RunId, std::size_t> place;
  for (std::size_t i = 0; i < chosen.size(); ++i) place[chosen[i]] = i;
  std::vector<Admitted> taken;
  for (auto& run : journal::claim_pending(tx, taker, chosen)) {
    const Instant asked = run.record.started_at;
    taken.push_back({.run = std::move(run),
                     .event = {.seq = 2,
                               .type = EventType::run_admitted,
                               .at = now,
                               .step = {},
                               .data = {{"queue", queue}, {"waitedMs", (now - asked).count()}}}});
  }
  for (auto& [run, event, journal] : taken) {
    if (run.record.retry_of.empty()) continue;
    journal = journal::events(tx, run.record.id);
    event.seq = journal.back().seq + 1;
  }
  std::ranges::sort(taken, {}, [&](const Admitted& admitted) { return place[admitted.run.record.id]; });
  std::vector<journal::Appended> events;
  for (const auto& [run, event, journal] : taken) events.push_back({&run.record.id, &event});
  if (!events.empty()) journal::append(tx, events);
  return taken;
}

std::optional<Instant> next_due(store::Transaction& tx, const std::string& queue, Instant now) {
  return tx
      .query(
          "SELECT MIN(due_at) FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL AND tag IS NULL "
          "AND due_at > $2",
          {queue, now})
      .front()
      .instant_or_null(0);
}

}  // namespace

std::string open_for(store::Transaction& tx, const Ticket& ticket) {
  constexpr std::string_view kSqlite = "SELECT name, size_max FROM queues WHERE name = $1";
  constexpr std::string_view kPostgres = "SELECT name, size_max FROM queues WHERE name = $1 FOR KEY SHARE";
  const auto sql = tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite;
  auto rows = tx.query_held(sql, {ticket.queue});
  if (rows.empty()) rows = tx.query_held(sql, {kDefaultQueue});
  std::string name = rows.front().text(0);
  if (rows.front().is_null(1)) return name;
  const auto row = find_for_update(tx, name);  // so that no two take the last place at a time
  const auto size = row->queue.limits.size;
  if (!size) return name;
  const auto waiting = tx.query(
      "SELECT COUNT(*) FROM (SELECT 1 FROM queue_entries WHERE queue = $1 AND admitted_at IS NULL LIMIT $2) AS line",
      {name, *size});
  if (waiting.front().integer(0) >= *size)
    throw base::Error(base::ErrorClass::quota, "QUEUE_FULL",
                      "queue '" + name + "' is full: " + std::to_string(*size) + " runs wait in it; ask again later",
                      json::Object{{"queue", name}, {"size", *size}});
  return name;
}

void enter(store::Transaction& tx, const RunRecord& record, const std::string& queue) {
  const Ticket& ticket = *record.ticket;
  const Instant asked = record.started_at;
  // What may begin at once is due at 0: clocks differ between replicas, and must not change the order of arrival.
  std::int64_t due = 0;
  if (ticket.not_before && *ticket.not_before > asked) due = base::to_unix_ms(*ticket.not_before);
  if (ticket.debounce && ticket.debounce->mode == DebounceMode::trailing)
    due = base::to_unix_ms(asked + ticket.debounce->wait);
  using store::Parameter;
  const std::array parameters{Parameter::view(record.id.str()),
                              Parameter::view(queue),
                              Parameter::view(ticket.key),
                              Parameter(ticket.priority),
                              Parameter(ticket.weight),
                              Parameter(asked),
                              Parameter(due)};
  tx.execute_many(
      "INSERT INTO queue_entries (run_id, queue, queue_key, priority, weight, queued_at, due_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      parameters.size(), parameters);
}

Admission admit(store::Transaction& tx, const std::string& queue, const ReplicaId& taker, Instant now,
                std::int64_t page) {
  auto row = find_for_update(tx, queue);
  if (!row) return {.runs = {}, .is_gone = true, .again_at = {}};
  const QueueLimits& limits = row->queue.limits;
  const auto admitted_before = count_admitted(tx, queue);
  const Places places = places_in(*row, admitted_before, now);
  const auto room = std::min(places.free, page);
  Admission result;
  while (std::int64_t(result.runs.size()) < room) {
    const bool more_to_line_up = line_up(tx, queue, now);
    const auto chosen = choose(tx, *row, room - std::int64_t(result.runs.size()), now);
    row->admissions += std::int64_t(chosen.size());
    std::ranges::move(take(tx, queue, chosen, taker, now), std::back_inserter(result.runs));
    if (!more_to_line_up) break;
  }
  const auto count = std::int64_t(result.runs.size());
  if (count > 0) {
    if (limits.rate) row->rate_used_until_us = use_rate(*limits.rate, row->rate_used_until_us, count, now);
    tx.execute("UPDATE queues SET admissions = $2, rate_used_until_us = $3 WHERE name = $1",
               {queue, row->admissions, row->rate_used_until_us});
  }
  result.more = count == page;
  const Places left = places_in(*row, admitted_before + count, now);
  result.is_full = left.free == 0 && left.reason == WaitReason::concurrency;
  if (!result.is_full) result.again_at = left.free == 0 ? left.next_at : next_due(tx, queue, now);
  return result;
}

void leave(store::Transaction& tx, const RunId& run) {
  const std::array parameters{store::Parameter::view(run.str())};
  tx.execute_many("DELETE FROM queue_entries WHERE run_id = $1", parameters.size(), parameters);
}

bool withdraw(store::Transaction& tx, const RunId& run) {
  return tx.execute("DELETE FROM queue_entries WHERE run_id = $1 AND admitted_at IS NULL", {run.str()}) > 0;
}

// ---- for the sweep

#define LEFT_BEHIND "NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = queue_entries.run_id AND runs.completed_at IS NULL)"
#define LOST_ITS_PLACE                                                                                     \
  "status = 'pending' AND completed_at IS NULL AND replica_id IS NULL AND wake_at IS NULL AND NOT EXISTS " \
  "(SELECT 1 FROM queue_entries WHERE run_id = runs.id AND admitted_at IS NULL)"

std::int64_t mend(store::Transaction& tx, Instant now) {
  const auto freed = tx.execute("DELETE FROM queue_entries WHERE " LEFT_BEHIND);
  const auto put_back = tx.execute(
      "INSERT INTO queue_entries (run_id, queue, queue_key, priority, weight, queued_at, due_at) "
      "SELECT id, 'default', '', 0, 1, CAST($1 AS BIGINT), 0 FROM runs WHERE " LOST_ITS_PLACE
      " ON CONFLICT (run_id) DO NOTHING",
      {now});
  return freed + put_back;
}

// A key that is not ahead of its class is as one that never came.
#define OLD_KEYS                                                                                                 \
  "queue_keys WHERE last_tag <= (SELECT virtual_time FROM queue_classes c WHERE c.queue = queue_keys.queue AND " \
  "c.priority = queue_keys.priority)"
#define OLD_START_KEYS                                                                                        \
  "start_keys WHERE until_at <= $1 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = start_keys.run_id AND " \
  "(completed_at IS NULL OR completed_at + ttl_ms > $1))"

Examination examine(store::Transaction& tx, Instant now) {
  Examination found;
  for (const auto& row : list(tx)) found.counts.emplace_back(row.queue.name, counts(tx, row.queue.name));
  found.broken = tx.query("SELECT COUNT(*) FROM queue_entries WHERE " LEFT_BEHIND).front().integer(0) +
                 tx.query("SELECT COUNT(*) FROM runs WHERE " LOST_ITS_PLACE).front().integer(0);
  found.has_old_keys = !tx.query("SELECT 1 FROM " OLD_KEYS " LIMIT 1").empty() ||
                       !tx.query("SELECT 1 FROM " OLD_START_KEYS " LIMIT 1", {now}).empty();
  return found;
}

void forget_old_keys(store::Transaction& tx, Instant now) {
  tx.execute("DELETE FROM " OLD_KEYS);
  tx.execute("DELETE FROM " OLD_START_KEYS, {now});
}

}  // namespace slipway::durable::queues
