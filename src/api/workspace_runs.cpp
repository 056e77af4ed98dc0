#include "api/workspace_runs.h"

#include "fleet/job.h"

namespace slipway::api {

void give_to(durable::RunRecord& run, const base::UserId& owner) {
  run.owner_id = owner.str();
  if (run.ticket == nullptr) return;
  durable::Ticket ticket = *run.ticket;
  ticket.key = run.owner_id;
  run.ticket = std::make_shared<const durable::Ticket>(std::move(ticket));
}

void check_nobody_at_work(store::Transaction& tx, const base::WorkspaceId& id) {
  for (const auto& other : durable::journal::unfinished_on(tx, id.str()))
    throw base::invalid_state("run " + other.record.id.str() +
                              " is at work on this workspace; wait for it or cancel it");
  for (const auto& job : fleet::unfinished_jobs(tx, id))
    throw base::invalid_state("job " + job.id.str() + " is at work on this workspace; wait for it or cancel it");
}

std::string workspace_etag(const fleet::Workspace& workspace) {
  const auto connected = workspace.last_connected_at ? base::to_unix_ms(*workspace.last_connected_at) : 0;
  return "\"" + std::to_string(workspace.version) + "-" + std::to_string(connected) + "\"";
}

}  // namespace slipway::api
