#include "fleet/connect_ticket.h"

#include "base/random.h"

namespace slipway::fleet {

base::Secret make_ticket() { return base::Secret(std::string(kTicketPrefix) + base::random_token(32)); }

void insert_ticket(store::Transaction& tx, const base::Secret& ticket, const base::WorkspaceId& workspace,
                   const base::KeyId& key, base::Instant now) {
  tx.execute("DELETE FROM connect_tickets WHERE expires_at < $1", {now});
  tx.execute("INSERT INTO connect_tickets (hash, workspace_id, key_id, expires_at) VALUES ($1, $2, $3, $4)",
             {hash_of(ticket), workspace.str(), key.str(), now + kTicketGoodFor});
}

bool is_ticket(store::Transaction& tx, const base::Secret& ticket) {
  return !tx.query("SELECT 1 FROM connect_tickets WHERE hash = $1", {hash_of(ticket)}).empty();
}

std::optional<ApiKey> redeem_ticket(store::Transaction& tx, const base::Secret& ticket,
                                    const base::WorkspaceId& workspace, base::Instant now) {
  const auto rows = tx.query(
      "DELETE FROM connect_tickets WHERE hash = $1 AND workspace_id = $2 AND expires_at >= $3 RETURNING key_id",
      {hash_of(ticket), workspace.str(), now});
  if (rows.empty()) return std::nullopt;
  return find_key(tx, base::KeyId(rows.front().text(0)));
}

}  // namespace slipway::fleet
