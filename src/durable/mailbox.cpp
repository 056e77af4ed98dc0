#include "durable/mailbox.h"

namespace slipway::durable::mailbox {

void send(store::Transaction& tx, const Input& input) {
  const std::optional<std::string> key = input.key.empty() ? std::nullopt : std::optional(input.key);
  tx.execute(
      "INSERT INTO run_inputs (run_id, kind, name, input_key, payload, sender, at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
      "ON CONFLICT (run_id, kind, input_key) DO NOTHING",
      {input.run.str(), boost::describe::enum_to_string(input.kind, ""), input.name, key,
       json::print_value(input.payload), input.sender, input.at});
}

void remove(store::Transaction& tx, const std::vector<std::int64_t>& inputs) {
  for (const auto id : inputs) tx.execute("DELETE FROM run_inputs WHERE id = $1", {id});
}

std::optional<std::string> waiting_cancel(store::Transaction& tx, const base::RunId& run) {
  const auto rows = tx.query("SELECT sender FROM run_inputs WHERE run_id = $1 AND kind = 'cancel'", {run.str()});
  return rows.empty() ? std::nullopt : std::optional(rows.front().text(0));
}

std::vector<Letter> letters_for(store::Transaction& tx, const base::ReplicaId& replica, std::int64_t limit) {
  std::vector<Letter> letters;
  for (const auto& row :
       tx.query("SELECT i.id, i.run_id, i.kind, i.name, i.input_key, i.payload, i.sender, i.at, r.replica_id, "
                "r.completed_at FROM run_inputs i JOIN runs r ON r.id = i.run_id "
                "WHERE r.completed_at IS NOT NULL OR (r.parked_reason IS NULL AND r.status <> 'pending' AND "
                "(r.replica_id = $1 OR r.replica_id IS NULL)) ORDER BY i.id LIMIT $2",
                {replica.str(), limit})) {
    Letter letter;
    letter.input = {.id = row.integer(0),
                    .run = base::RunId(row.text(1)),
                    .kind = InputKind::signal,
                    .name = row.text(3),
                    .key = row.text_or_null(4).value_or(""),
                    .payload = json::parse_value(row.text(5)),
                    .sender = row.text(6),
                    .at = row.instant(7)};
    if (!boost::describe::enum_from_string(row.text(2).c_str(), letter.input.kind)) continue;  // of a newer version
    if (const auto owner = row.text_or_null(8)) letter.replica = base::ReplicaId(*owner);
    letter.run_ended = !row.is_null(9);
    letters.push_back(std::move(letter));
  }
  return letters;
}

}  // namespace slipway::durable::mailbox
