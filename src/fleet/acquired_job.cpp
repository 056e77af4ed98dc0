#include "fleet/acquired_job.h"

#include "fleet/state_token.h"
#include "fleet/workspace.h"
#include "fleet/workspace_state.h"

namespace slipway::fleet {
namespace {

std::int64_t daily_cost_now(store::Transaction& tx, const WorkspaceId& workspace) {
  const auto rows = tx.query("SELECT daily_cost FROM built_workspaces WHERE workspace_id = $1", {workspace.str()});
  return rows.empty() ? 0 : rows.front().integer(0);
}

}  // namespace

AcquiredJob to_acquired(store::Transaction& tx, const Sealer& sealer, const Job& job) {
  auto values = job_values(tx, sealer, job.id);
  AcquiredJob acquired{.id = job.id.str(),
                       .fence = job.fence,
                       .type = job.type,
                       .provisioner = job.provisioner,
                       .attempt = job.attempt,
                       .requested_by = job.requested_by_name,
                       .archive = job.archive,
                       .metadata = job.metadata,
                       .variables = std::move(values.variables),
                       .parameters = std::move(values.parameters),
                       .previous_parameters = std::move(values.previous_parameters),
                       .next_log = job.next_log,
                       .debug = job.debug,
                       .cancelled = job.cancel_requested_at.has_value(),
                       .trace = job.trace};
  if (job.type != JobType::workspace_build || !job.workspace_id) return acquired;
  acquired.has_state = find_state(tx, {*job.workspace_id, job.metadata.build_number}).has_value();
  acquired.state_token = make_state_token(sealer, job.id, job.fence).reveal();
  acquired.previous_daily_cost = daily_cost_now(tx, *job.workspace_id);
  if (job.metadata.transition == Transition::start)
    acquired.metadata.agent_token = make_agent_token(sealer, *job.workspace_id).reveal();
  return acquired;
}

}  // namespace slipway::fleet
