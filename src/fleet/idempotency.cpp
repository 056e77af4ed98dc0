#include "fleet/idempotency.h"

namespace slipway::fleet {

std::optional<StoredAnswer> find_answer(store::Transaction& tx, const std::string& caller, const std::string& key,
                                        base::Instant now) {
  const auto rows = tx.query(
      "SELECT request_hash, status, headers, body FROM idempotency_keys "
      "WHERE caller = $1 AND idempotency_key = $2 AND created_at > $3",
      {caller, key, now - kIdempotencyKept});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return StoredAnswer{row.text(0), row.integer(1), row.text(2), row.text(3)};
}

void store_answer(store::Transaction& tx, const std::string& caller, const std::string& key, const StoredAnswer& answer,
                  base::Instant now) {
  tx.execute("DELETE FROM idempotency_keys WHERE caller = $1 AND idempotency_key = $2 AND created_at <= $3",
             {caller, key, now - kIdempotencyKept});
  tx.execute(
      "INSERT INTO idempotency_keys (caller, idempotency_key, request_hash, status, headers, body, created_at) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7)",
      {caller, key, answer.request_hash, answer.status, answer.headers, answer.body, now});
}

std::int64_t forget_old_answers(store::Transaction& tx, base::Instant now) {
  return tx.execute(
      "DELETE FROM idempotency_keys WHERE (caller, idempotency_key) IN "
      "(SELECT caller, idempotency_key FROM idempotency_keys WHERE created_at <= $1 LIMIT 1000)",
      {now - kIdempotencyKept});
}

}  // namespace slipway::fleet
