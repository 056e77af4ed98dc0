#include "durable/start_keys.h"

#include <algorithm>

namespace slipway::durable::queues {
namespace {

// A key as it is wanted, and as it stands.
struct Key {
  std::string_view kind;
  std::string name;
  RunId run;
  Duration kept{0};  // after the run's end
  Instant until;     // of a leading debounce: starts before this are the same
  Instant latest;    // no later start moves `until`, or the run's time, beyond this
};

Key wanted(const RunRecord& record) {
  const Ticket& ticket = *record.ticket;
  if (!ticket.debounce)
    return {.kind = "dedup",
            .name = ticket.dedup_key,
            .run = record.id,
            .kept = ticket.dedup_kept,
            .until = {},
            .latest = {}};
  const Debounce& debounce = *ticket.debounce;
  const bool leads = debounce.mode == DebounceMode::leading;
  return {.kind = leads ? "leading" : "trailing",
          .name = debounce.key,
          .run = record.id,
          .kept = Duration(0),
          .until = leads ? record.started_at + debounce.wait : Instant{},
          .latest = record.started_at + debounce.wait_max};
}

// As it stands, with its row locked; the wanted one where there was none.
Key find_or_insert(store::Transaction& tx, const RunRecord& record, Key key) {
  const auto rows = tx.query(
      "INSERT INTO start_keys (kind, type, owner_id, start_key, run_id, ttl_ms, until_at, latest_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kind, type, owner_id, start_key) "
      "DO UPDATE SET kind = start_keys.kind RETURNING run_id, ttl_ms, until_at, latest_at",
      {key.kind, record.type, record.owner_id, key.name, key.run.str(), key.kept.count(), key.until, key.latest});
  key.run = RunId(rows.front().text(0));
  key.kept = Duration(rows.front().integer(1));
  key.until = rows.front().instant(2);
  key.latest = rows.front().instant(3);
  return key;
}

void update(store::Transaction& tx, const RunRecord& record, const Key& key) {
  tx.execute(
      "UPDATE start_keys SET run_id = $5, ttl_ms = $6, until_at = $7, latest_at = $8 "
      "WHERE kind = $1 AND type = $2 AND owner_id = $3 AND start_key = $4",
      {key.kind, record.type, record.owner_id, key.name, key.run.str(), key.kept.count(), key.until, key.latest});
}

bool still_means_its_run(store::Transaction& tx, const Key& key, Instant now) {
  const auto rows = tx.query("SELECT completed_at FROM runs WHERE id = $1", {key.run.str()});
  if (rows.empty()) return false;
  const auto ended = rows.front().instant_or_null(0);
  return !ended || *ended + key.kept > now;
}

// The run waits on, with the input of this start.
bool replace_input(store::Transaction& tx, const RunRecord& record, const Key& key) {
  constexpr std::string_view kSqlite = "SELECT tag FROM queue_entries WHERE run_id = $1 AND admitted_at IS NULL";
  constexpr std::string_view kPostgres =
      "SELECT tag FROM queue_entries WHERE run_id = $1 AND admitted_at IS NULL FOR UPDATE";
  const auto rows = tx.query(tx.dialect() == store::Dialect::postgres ? kPostgres : kSqlite, {key.run.str()});
  if (rows.empty()) return false;
  tx.execute("UPDATE runs SET input = $2 WHERE id = $1", {key.run.str(), json::print_value(record.input)});
  const bool stands_in_line = !rows.front().is_null(0);  // its time had come: it keeps its place
  if (!stands_in_line)
    tx.execute("UPDATE queue_entries SET due_at = $2 WHERE run_id = $1",
               {key.run.str(), std::min(record.started_at + record.ticket->debounce->wait, key.latest)});
  return true;
}

}  // namespace

std::optional<RunId> take_key(store::Transaction& tx, const RunRecord& record) {
  const Ticket& ticket = *record.ticket;
  if (ticket.dedup_key.empty() && !ticket.debounce) return std::nullopt;
  const Key mine = wanted(record);
  Key found = find_or_insert(tx, record, mine);
  if (found.run == mine.run) return std::nullopt;
  if (!ticket.debounce) {
    if (still_means_its_run(tx, found, record.started_at)) return found.run;
  } else if (ticket.debounce->mode == DebounceMode::trailing) {
    if (replace_input(tx, record, found)) return found.run;
  } else if (record.started_at < found.until) {
    found.until = std::max(found.until, std::min(mine.until, found.latest));
    update(tx, record, found);
    return found.run;
  }
  update(tx, record, mine);
  return std::nullopt;
}

}  // namespace slipway::durable::queues
