#include "fleet/state_access.h"

#include "fleet/job_rows.h"

namespace slipway::fleet {
namespace {

#define JOB_OF_BUILD                                                                         \
  "SELECT j.status, j.fence, j.salvage_until, b.workspace_id, b.number, j.error_code, b.id " \
  "FROM provisioner_jobs j JOIN workspace_builds b ON b.id = j.build_id WHERE j.id = $1"

// The newest build still (an admin's state has a number of its own, too), which nobody has begun again since.
#define AT_REST_SINCE                                                                            \
  "SELECT 1 FROM workspace_builds b JOIN built_workspaces w ON w.workspace_id = b.workspace_id " \
  "AND w.build_number = b.number WHERE b.id = $1 AND b.job_id = $2 AND b.status = 'failed'"

store::Row found(store::Rows rows, const JobId& job) {
  if (rows.empty()) throw base::not_found("job of a workspace's build", job.str());
  return std::move(rows.front());
}

// On SQLite writes are one after another.
store::Row locked(store::Transaction& tx, const JobId& job) {
  const bool is_shared = tx.dialect() == store::Dialect::postgres;
  return found(
      is_shared ? tx.query(JOB_OF_BUILD " FOR NO KEY UPDATE OF j", {job.str()}) : tx.query(JOB_OF_BUILD, {job.str()}),
      job);
}

StatePlace place_of(const store::Row& row) { return {WorkspaceId(row.text(3)), row.integer(4)}; }

std::optional<StateAccess> granted(store::Transaction& tx, const store::Row& row, const JobId& job,
                                   std::int64_t fence) {
  StateAccess access{.place = place_of(row), .job = job, .fence = fence, .may_lock = row.is_null(2)};
  const bool is_current = row.text(0) == "running" && row.integer(1) == fence;
  if (is_current && access.may_lock) return access;
  const auto lock = is_current ? find_lock(tx, access.place.workspace) : std::nullopt;
  if (lock && lock->job_id == job && lock->fence == fence) return access;
  return std::nullopt;
}

// Given up with its daemon, and nothing has begun since.
bool is_awaited(store::Transaction& tx, const store::Row& row, const JobId& job, std::int64_t fence) {
  if (row.text(0) != "failed" || row.integer(1) != fence || row.text_or_null(5) != kProvisionerLost) return false;
  const auto build = row.text(6);
  const bool is_shared = tx.dialect() == store::Dialect::postgres;
  return !(is_shared ? tx.query(AT_REST_SINCE " FOR SHARE", {build, job.str()})
                     : tx.query(AT_REST_SINCE, {build, job.str()}))
              .empty();
}

}  // namespace

base::Error state_lease_lost(const JobId& job) {
  return base::Error(
      base::ErrorClass::conflict, "JOB_LEASE_LOST",
      "job '" + job.str() +
          "' has ended, its daemon is lost, or another one has it by now: nothing may be begun in its name");
}

StateAccess state_access(store::Transaction& tx, const JobId& job, std::int64_t fence) {
  if (auto access = granted(tx, locked(tx, job), job, fence)) return *std::move(access);
  throw state_lease_lost(job);
}

StateAccess state_access_now(store::Transaction& tx, const JobId& job, std::int64_t fence) {
  if (auto access = granted(tx, found(tx.query(JOB_OF_BUILD, {job.str()}), job), job, fence)) return *std::move(access);
  throw state_lease_lost(job);
}

StateAccess last_state_access(store::Transaction& tx, const JobId& job, std::int64_t fence) {
  const auto row = locked(tx, job);
  if (auto access = granted(tx, row, job, fence)) return *std::move(access);
  if (!is_awaited(tx, row, job, fence)) throw state_lease_lost(job);
  return {.place = place_of(row), .job = job, .fence = fence, .may_lock = false, .is_late = true};
}

}  // namespace slipway::fleet
