#include "fleet/change_feed.h"

#include <algorithm>

namespace slipway::fleet {
namespace {

Change to_change(const store::Row& row) {
  return {row.integer(0), row.text(1), row.text(2), row.instant(3), json::parse_value(row.text(4))};
}

OwnedChange to_owned_change(const store::Row& row) { return {row.text(5), to_change(row)}; }

#define OWNED_CHANGES "SELECT seq, type, resource_id, at, data, owner_id FROM changes "

}  // namespace

void record_change(store::Transaction& tx, const base::UserId& owner, std::string_view type,
                   const std::string& resource_id, base::Instant at, const json::Value& data) {
  tx.execute("INSERT INTO changes (owner_id, type, resource_id, at, data) VALUES ($1, $2, $3, $4, $5)",
             {owner.str(), type, resource_id, at, json::print_value(data)});
}

std::vector<Change> changes_between(store::Transaction& tx, const Scope& scope, std::int64_t after, std::int64_t until,
                                    std::int64_t limit) {
  // Two statements: an owner's few changes are found by their index, which one full of ORs would not use.
  const auto rows = scope.is_everything() ? tx.query(
                                                "SELECT seq, type, resource_id, at, data FROM changes "
                                                "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
                                                {after, until, limit})
                                          : tx.query(
                                                "SELECT seq, type, resource_id, at, data FROM changes "
                                                "WHERE owner_id = $4 AND seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
                                                {after, until, limit, scope.owner_id()});
  std::vector<Change> changes;
  for (const auto& row : rows) changes.push_back(to_change(row));
  return changes;
}

std::vector<OwnedChange> all_changes_between(store::Transaction& tx, std::int64_t after, std::int64_t until,
                                             std::int64_t limit) {
  std::vector<OwnedChange> changes;
  for (const auto& row :
       tx.query(OWNED_CHANGES "WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", {after, until, limit}))
    changes.push_back(to_owned_change(row));
  return changes;
}

std::vector<OwnedChange> all_changes_after(store::Transaction& tx, std::int64_t seq, std::int64_t limit) {
  return all_changes_between(tx, seq, std::numeric_limits<std::int64_t>::max(), limit);
}

std::int64_t last_change(store::Transaction& tx) {
  return tx.query("SELECT COALESCE(MAX(seq), 0) FROM changes").front().integer(0);
}

// ---- FeedReader

std::vector<OwnedChange> FeedReader::read(store::Transaction& tx, std::int64_t limit) {
  if (!has_begun_) {
    begin(tx);
    return {};
  }
  const auto rows = tx.query(OWNED_CHANGES "WHERE seq > $1 ORDER BY seq LIMIT $2", {settled_, limit});
  const bool one_writer = tx.dialect() == store::Dialect::sqlite;  // numbers are seen in their order
  std::vector<OwnedChange> changes;
  auto settled = settled_;
  bool is_waiting = false;
  for (const auto& row : rows) {
    const auto seq = row.integer(0);
    if (!one_writer && seq > settled + 1) {  // those between are committed later, or never
      settled = std::clamp(cleared_until_, settled, seq - 1);
      is_waiting = settled < seq - 1;
      if (is_waiting) break;
    }
    settled = seq;
    changes.push_back(to_owned_change(row));
  }
  if (is_waiting) {
    wait_for_writers(tx, rows.back().integer(0));
  } else {
    writers_.clear();
  }
  settled_ = settled;  // nothing fails any more: what is settled is what was returned
  is_waiting_ = is_waiting;
  return changes;
}

void FeedReader::begin(store::Transaction& tx) {
  const auto newest = last_change(tx);
  if (tx.dialect() == store::Dialect::postgres) {
    wait_for_writers(tx, newest);
    is_waiting_ = !writers_.empty();
    if (is_waiting_) return;
    settled_ = cleared_until_;
  } else {
    settled_ = newest;
  }
  has_begun_ = true;
}

// Locks are seen as they are, rows as of the snapshot before: so who has ended now has shown all of his to the next
// read, and who was no writer now had been none of what this snapshot's numbers leave open.
void FeedReader::wait_for_writers(store::Transaction& tx, std::int64_t newest) {
  const auto now = writers(tx);
  if (writers_.empty()) {
    writers_ = now;
    asked_until_ = newest;
  } else {
    std::erase_if(writers_, [&](const std::string& writer) { return !now.contains(writer); });
  }
  if (writers_.empty()) cleared_until_ = std::max(cleared_until_, asked_until_);
}

// A writer has locked the table before his changes are numbered, and holds that until he has committed.
FeedReader::Writers FeedReader::writers(store::Transaction& tx) {
  Writers writers;
  for (const auto& row :
       tx.query("SELECT DISTINCT virtualtransaction || ' ' || COALESCE(pid, 0) FROM pg_locks "
                "WHERE locktype = 'relation' AND relation = CAST('changes' AS regclass) AND mode = 'RowExclusiveLock' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
    writers.insert(row.text(0));
  return writers;
}

void require_feed_support(store::Transaction& tx) {
  if (tx.dialect() != store::Dialect::postgres) return;
  try {
    tx.query("SELECT COUNT(*) FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'");
  } catch (const base::Error& error) {
    if (error.error_class() == base::ErrorClass::transient) throw;
    throw base::Error(base::ErrorClass::user, "UNSUPPORTED_DATABASE",
                      "this database does not let us read pg_locks, which live streams, webhooks and numbers of runs "
                      "need: use PostgreSQL itself, and a role that may read it (" +
                          error.message() + ")");
  }
}

// ---- keeping it small

std::int64_t first_change(store::Transaction& tx) {
  return tx.query("SELECT COALESCE(MIN(seq), 0) FROM changes").front().integer(0);
}

std::int64_t trim_changes(store::Transaction& tx, base::Instant before) {
  return tx.execute(
      "DELETE FROM changes WHERE seq IN (SELECT seq FROM (SELECT seq, at FROM changes ORDER BY seq LIMIT $2) AS oldest "
      "WHERE at < $1 OR seq <= (SELECT MAX(seq) FROM changes) - $3) AND seq < (SELECT MAX(seq) FROM changes) "
      "AND seq <= (SELECT feed_cursor FROM run_rollup_state WHERE id = 1) "
      "AND (seq <= (SELECT w.seq FROM webhook_feed w WHERE w.id = 1) OR seq <= (SELECT MAX(seq) FROM changes) - $3 "
      "OR NOT EXISTS "
      "(SELECT 1 FROM webhook_endpoints e WHERE e.status IN ('active', 'paused')))",
      {before, kRemovedAtOnce, kChangesMax});
}

}  // namespace slipway::fleet
