#include "fleet/audit.h"

namespace slipway::fleet {

void audit(store::Transaction& tx, const AuditEntry& entry) {
  tx.execute(
      "INSERT INTO audit (at, actor_id, action, resource_type, resource_id, request_id, remote, details) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      {entry.at, entry.actor_id, entry.action, entry.resource_type, entry.resource_id, entry.request_id, entry.remote,
       json::print_value(entry.details)});
}

std::vector<AuditEntry> list_audit(store::Transaction& tx, std::optional<std::int64_t> before, std::int64_t limit) {
  std::vector<AuditEntry> entries;
  for (const auto& row :
       tx.query("SELECT seq, at, actor_id, action, resource_type, resource_id, request_id, remote, details FROM audit "
                "WHERE (seq < $1 OR $1 IS NULL) ORDER BY seq DESC LIMIT $2",
                {before, limit}))
    entries.push_back({row.integer(0), row.instant(1), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6),
                       row.text(7), json::parse_value(row.text(8))});
  return entries;
}

std::int64_t count_audit(store::Transaction& tx) { return tx.query("SELECT COUNT(*) FROM audit").front().integer(0); }

}  // namespace slipway::fleet
