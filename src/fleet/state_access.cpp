#include "fleet/state_access.h"

namespace slipway::fleet {
namespace {

#define JOB_OF_BUILD                                                                                  \
  "SELECT j.status, j.fence, j.salvage_until, b.workspace_id, b.number FROM provisioner_jobs j JOIN " \
  "workspace_builds b ON b.id = j.build_id WHERE j.id = $1"

StateAccess judged(store::Transaction& tx, const store::Rows& rows, const JobId& job, std::int64_t fence) {
  if (rows.empty()) throw base::not_found("job of a workspace's build", job.str());
  const auto& row = rows.front();
  StateAccess access{
      .place = {WorkspaceId(row.text(3)), row.integer(4)}, .job = job, .fence = fence, .may_lock = row.is_null(2)};
  const bool is_current = row.text(0) == "running" && row.integer(1) == fence;
  if (is_current && access.may_lock) return access;
  const auto lock = is_current ? find_lock(tx, access.place.workspace) : std::nullopt;
  if (lock && lock->job_id == job && lock->fence == fence) return access;
  throw state_lease_lost(job);
}

}  // namespace

base::Error state_lease_lost(const JobId& job) {
  return base::Error(
      base::ErrorClass::conflict, "JOB_LEASE_LOST",
      "job '" + job.str() +
          "' has ended, its daemon is lost, or another one has it by now: nothing may be begun in its name");
}

StateAccess state_access(store::Transaction& tx, const JobId& job, std::int64_t fence) {
  const bool is_shared = tx.dialect() == store::Dialect::postgres;  // on SQLite writes are one after another
  return judged(
      tx,
      is_shared ? tx.query(JOB_OF_BUILD " FOR NO KEY UPDATE OF j", {job.str()}) : tx.query(JOB_OF_BUILD, {job.str()}),
      job, fence);
}

StateAccess state_access_now(store::Transaction& tx, const JobId& job, std::int64_t fence) {
  return judged(tx, tx.query(JOB_OF_BUILD, {job.str()}), job, fence);
}

}  // namespace slipway::fleet
