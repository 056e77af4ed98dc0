// Terraform's lock on a workspace's state. The contract: workspace_state.h.

#include "fleet/workspace_state.h"

namespace slipway::fleet {
namespace {

void insert(store::Transaction& tx, const WorkspaceId& workspace, const StateLock& lock) {
  tx.execute(
      "INSERT INTO workspace_state_locks (workspace_id, lock_id, info, job_id, fence, locked_at) "
      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace_id) DO NOTHING",
      {workspace.str(), lock.lock_id, lock.info, lock.job_id.str(), lock.fence, lock.locked_at});
}

bool is_same(const StateLock& a, const StateLock& b) {
  return a.lock_id == b.lock_id && a.job_id == b.job_id && a.fence == b.fence;
}

}  // namespace

std::optional<StateLock> find_lock(store::Transaction& tx, const WorkspaceId& workspace) {
  const auto rows =
      tx.query("SELECT lock_id, info, job_id, fence, locked_at FROM workspace_state_locks WHERE workspace_id = $1",
               {workspace.str()});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return StateLock{.lock_id = row.text(0),
                   .info = row.text(1),
                   .job_id = JobId(row.text(2)),
                   .fence = row.integer(3),
                   .locked_at = row.instant(4)};
}

void break_stale_lock(store::Transaction& tx, const WorkspaceId& workspace) {
  tx.execute(
      "DELETE FROM workspace_state_locks WHERE workspace_id = $1 AND NOT EXISTS (SELECT 1 FROM provisioner_jobs j "
      "WHERE j.id = workspace_state_locks.job_id AND j.status = 'running' "
      "AND j.fence = workspace_state_locks.fence)",
      {workspace.str()});
}

std::optional<StateLock> lock_state(store::Transaction& tx, const WorkspaceId& workspace, const StateLock& wanted) {
  break_stale_lock(tx, workspace);
  insert(tx, workspace, wanted);
  auto holder = find_lock(tx, workspace);
  if (!holder || is_same(*holder, wanted)) return std::nullopt;
  return holder;
}

bool unlock_state(store::Transaction& tx, const WorkspaceId& workspace, const std::string& lock_id) {
  if (!find_lock(tx, workspace)) return true;  // an answer that was lost
  return tx.execute("DELETE FROM workspace_state_locks WHERE workspace_id = $1 AND (lock_id = $2 OR $2 = '')",
                    {workspace.str(), lock_id}) > 0;
}

void break_lock(store::Transaction& tx, const WorkspaceId& workspace) {
  tx.execute("DELETE FROM workspace_state_locks WHERE workspace_id = $1", {workspace.str()});
}

void break_lock_of_job(store::Transaction& tx, const JobId& job) {
  tx.execute("DELETE FROM workspace_state_locks WHERE job_id = $1", {job.str()});
}

}  // namespace slipway::fleet
