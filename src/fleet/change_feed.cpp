#include "fleet/change_feed.h"

namespace slipway::fleet {

void record_change(store::Transaction& tx, const base::UserId& owner, std::string_view type,
                   const std::string& resource_id, base::Instant at, const json::Value& data) {
  tx.execute("INSERT INTO changes (owner_id, type, resource_id, at, data) VALUES ($1, $2, $3, $4, $5)",
             {owner.str(), type, resource_id, at, json::print_value(data)});
}

std::vector<Change> changes_after(store::Transaction& tx, const Scope& scope, std::int64_t seq, std::int64_t limit) {
  std::vector<Change> changes;
  for (const auto& row : tx.query("SELECT seq, type, resource_id, at, data FROM changes "
                                  "WHERE seq > $2 AND (owner_id = $1 OR $1 IS NULL) ORDER BY seq LIMIT $3",
                                  {scope.owner_id(), seq, limit}))
    changes.push_back({row.integer(0), row.text(1), row.text(2), row.instant(3), json::parse_value(row.text(4))});
  return changes;
}

std::vector<OwnedChange> all_changes_after(store::Transaction& tx, std::int64_t seq, std::int64_t limit) {
  std::vector<OwnedChange> changes;
  for (const auto& row :
       tx.query("SELECT seq, type, resource_id, at, data, owner_id FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2",
                {seq, limit}))
    changes.push_back(
        {row.text(5), {row.integer(0), row.text(1), row.text(2), row.instant(3), json::parse_value(row.text(4))}});
  return changes;
}

std::int64_t last_change(store::Transaction& tx) {
  return tx.query("SELECT COALESCE(MAX(seq), 0) FROM changes").front().integer(0);
}

std::int64_t trim_changes(store::Transaction& tx, base::Instant before) {
  return tx.execute(
      "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE at < $1 ORDER BY seq LIMIT 1000) "
      "AND seq < (SELECT MAX(seq) FROM changes)",
      {before});
}

}  // namespace slipway::fleet
