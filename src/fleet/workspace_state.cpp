#include "fleet/workspace_state.h"

#include "base/digest.h"
#include "base/error.h"
#include "fleet/scope.h"

namespace slipway::fleet {
namespace {

#define STATE_COLUMNS                                                                                \
  "SELECT build_number, writes, sha256, size, job_id, created_at, updated_at, serial, lineage FROM " \
  "workspace_states "

constexpr std::size_t kPieceBytes = 256 * 1024;  // before it is sealed

struct StoredState {
  StateInfo info;
  std::optional<std::int64_t> serial;
  std::optional<std::string> lineage;
};

StoredState to_stored(const store::Row& row) {
  StoredState stored{.info = {.build_number = row.integer(0),
                              .writes = row.integer(1),
                              .sha256 = row.text(2),
                              .size = row.integer(3),
                              .created_at = row.instant(5),
                              .updated_at = row.instant(6)},
                     .serial = row.integer_or_null(7),
                     .lineage = row.text_or_null(8)};
  if (!row.text(4).empty()) stored.info.job_id = JobId(row.text(4));
  return stored;
}

std::optional<StoredState> newest_up_to(store::Transaction& tx, const StatePlace& place) {
  const auto rows =
      tx.query(STATE_COLUMNS "WHERE workspace_id = $1 AND build_number <= $2 ORDER BY build_number DESC LIMIT 1",
               {place.workspace.str(), place.build_number});
  if (rows.empty()) return std::nullopt;
  return to_stored(rows.front());
}

void refuse_older(const StoredState& before, const TerraformStamp& stamp) {
  if (!stamp.lineage || !before.lineage) return;
  const auto refuse = [](std::string message) {
    throw base::Error(base::ErrorClass::conflict, "STATE_BEHIND", std::move(message));
  };
  if (*stamp.lineage != *before.lineage)
    refuse("the state is of another lineage (" + *stamp.lineage + ") than the one that is kept (" + *before.lineage +
           "): it did not begin with it");
  if (*stamp.serial < *before.serial)
    refuse("the state's serial " + std::to_string(*stamp.serial) + " is behind " + std::to_string(*before.serial) +
           ", which is kept already");
}

void write_pieces(store::Transaction& tx, const StatePlace& place, const std::vector<std::string>& pieces) {
  tx.execute("DELETE FROM workspace_state_pieces WHERE workspace_id = $1 AND build_number = $2",
             {place.workspace.str(), place.build_number});
  for (std::size_t i = 0; i < pieces.size(); ++i)
    tx.execute("INSERT INTO workspace_state_pieces (workspace_id, build_number, number, data) VALUES ($1, $2, $3, $4)",
               {place.workspace.str(), place.build_number, std::int64_t(i), pieces[i]});
}

void forget_oldest(store::Transaction& tx, const WorkspaceId& workspace) {
  const auto last = tx.query(
      "SELECT build_number FROM workspace_states WHERE workspace_id = $1 ORDER BY build_number DESC LIMIT 1 OFFSET $2",
      {workspace.str(), kStatesKept});
  if (last.empty()) return;
  for (const std::string_view sql :
       {std::string_view("DELETE FROM workspace_state_pieces WHERE workspace_id = $1 AND build_number <= $2"),
        std::string_view("DELETE FROM workspace_states WHERE workspace_id = $1 AND build_number <= $2")})
    tx.execute(sql, {workspace.str(), last.front().integer(0)});
}

StateInfo keep(store::Transaction& tx, const StatePlace& place, std::string_view job, const SealedState& state,
               Instant now) {
  tx.execute(
      "INSERT INTO workspace_states (workspace_id, build_number, writes, sha256, size, job_id, serial, lineage, "
      "created_at, updated_at) VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $8) "
      "ON CONFLICT (workspace_id, build_number) DO UPDATE SET writes = workspace_states.writes + 1, "
      "sha256 = excluded.sha256, size = excluded.size, job_id = excluded.job_id, serial = excluded.serial, "
      "lineage = excluded.lineage, updated_at = excluded.updated_at",
      {place.workspace.str(), place.build_number, state.sha256, state.size, job, state.stamp.serial,
       state.stamp.lineage, now});
  write_pieces(tx, place, state.pieces);
  forget_oldest(tx, place.workspace);
  return newest_up_to(tx, place)->info;
}

void check_size(std::string_view content) {
  if (content.size() > kStateMax)
    throw base::Error(base::ErrorClass::user, "STATE_TOO_LARGE",
                      "the state has " + std::to_string(content.size()) + " bytes; at most " +
                          std::to_string(kStateMax) + " are kept");
}

base::Error conflict(std::string message) {
  return base::Error(base::ErrorClass::conflict, "CONFLICT", std::move(message));
}

}  // namespace

SealedState seal_state(const durable::Sealer& sealer, std::string_view content) {
  check_size(content);
  SealedState state{.size = std::int64_t(content.size()),
                    .sha256 = base::sha256_hex(content),
                    .stamp = stamp_of(content),
                    .pieces = {}};
  for (std::size_t at = 0; at < content.size(); at += kPieceBytes)
    state.pieces.push_back(sealer.seal(base::Secret(std::string(content.substr(at, kPieceBytes)))));
  return state;
}

StateInfo put_state(store::Transaction& tx, const StatePlace& place, const JobId& job, const SealedState& state,
                    Instant now) {
  if (const auto before = newest_up_to(tx, place)) {
    if (before->info.build_number == place.build_number && before->info.sha256 == state.sha256) return before->info;
    refuse_older(*before, state.stamp);
  }
  return keep(tx, place, job.str(), state, now);
}

StateInfo push_state(store::Transaction& tx, const WorkspaceId& workspace, const SealedState& state, Instant now) {
  const auto numbered = tx.query(
      "UPDATE built_workspaces SET build_number = build_number + 1, updated_at = $2 WHERE workspace_id = $1 "
      "RETURNING build_number",
      {workspace.str(), now});
  if (numbered.empty()) throw base::not_found("workspace that is built from a template", workspace.str());
  if (!tx.query("SELECT 1 FROM workspace_builds WHERE workspace_id = $1 AND status IN ('pending', 'running') LIMIT 1",
                {workspace.str()})
           .empty())
    throw conflict("a build of the workspace is waiting or at work; wait for it, or cancel it");
  break_stale_lock(tx, workspace);
  if (find_lock(tx, workspace)) throw conflict("the state is locked by a job that is at work");
  return keep(tx, {workspace, numbered.front().integer(0)}, "", state, now);
}

std::optional<StateInfo> find_state(store::Transaction& tx, const StatePlace& place) {
  const auto stored = newest_up_to(tx, place);
  return stored ? std::optional(stored->info) : std::nullopt;
}

std::optional<std::string> read_state(store::Transaction& tx, const durable::Sealer& sealer, const StatePlace& place) {
  const auto stored = newest_up_to(tx, place);
  if (!stored) return std::nullopt;
  std::string content;
  content.reserve(std::size_t(stored->info.size));
  for (const auto& row :
       tx.query("SELECT data FROM workspace_state_pieces WHERE workspace_id = $1 AND build_number = $2 ORDER BY number",
                {place.workspace.str(), stored->info.build_number}))
    content += sealer.unseal(row.text(0)).reveal();
  if (base::sha256_hex(content) != stored->info.sha256)
    throw base::internal_error("the state of workspace " + place.workspace.str() + " is not what was written");
  return content;
}

std::vector<StateInfo> list_states(store::Transaction& tx, const WorkspaceId& workspace) {
  std::vector<StateInfo> states;
  for (const auto& row :
       tx.query(STATE_COLUMNS "WHERE workspace_id = $1 ORDER BY build_number DESC", {workspace.str()}))
    states.push_back(to_stored(row).info);
  return states;
}

std::int64_t remove_states_of_gone_workspaces(store::Transaction& tx, Instant before) {
  // The last build took it away, perhaps without writing a state. Pushed by an admin, a state has no build.
  const auto gone = tx.query(
      "SELECT s.workspace_id FROM workspace_states s WHERE NOT EXISTS (SELECT 1 FROM built_workspaces b "
      "WHERE b.workspace_id = s.workspace_id) AND NOT EXISTS (SELECT 1 FROM workspace_builds w "
      "WHERE w.workspace_id = s.workspace_id AND (w.ended_at IS NULL OR w.ended_at >= $1)) "
      "GROUP BY s.workspace_id HAVING MAX(s.updated_at) < $1 LIMIT $2",
      {before, kStatesRemovedAtOnce});
  for (const auto& row : gone)
    for (const std::string_view sql : {std::string_view("DELETE FROM workspace_state_pieces WHERE workspace_id = $1"),
                                       std::string_view("DELETE FROM workspace_states WHERE workspace_id = $1"),
                                       std::string_view("DELETE FROM workspace_state_locks WHERE workspace_id = $1")})
      tx.execute(sql, {row.text(0)});
  return std::int64_t(gone.size());
}

}  // namespace slipway::fleet
