#include "workflows/services.h"

#include <algorithm>

#include "base/digest.h"
#include "durable/journal.h"
#include "fleet/identity.h"

namespace slipway::workflows {

using fleet::Scope;

fleet::Workspace Services::workspace(const WorkspaceId& id) const {
  std::optional<fleet::Workspace> found;
  database.read_and_wait(
      [&](store::Transaction& tx) { found = fleet::get(tx, Scope::everything("a run on this workspace"), id); });
  return *std::move(found);
}

providers::Provider& Services::provider_of(const fleet::Workspace& workspace) const {
  return providers.get(workspace.provider);
}

base::Secret Services::agent_token(const WorkspaceId& id) const { return fleet::make_agent_token(sealer, id); }

std::optional<std::string> Services::look_for_agent(const WorkspaceId& id, const RunId& run) const {
  using providers::MachineState;
  if (presence.is_ready_or_wait(id, run)) return std::string(kReady);
  const auto record = workspace(id);
  const auto machine = provider_of(record).status(record.instance_name);
  if (machine.state == MachineState::running || machine.state == MachineState::starting) return std::nullopt;
  return "the machine is " + std::string(boost::describe::enum_to_string(machine.state, "")) +
         (machine.detail.empty() ? "" : ": " + machine.detail);
}

void Services::issue_agent_token(store::Transaction& tx, const WorkspaceId& id) const {
  fleet::set_agent_token(tx, id, fleet::hash_of(agent_token(id)));
}

providers::MachineSpec Services::machine_spec(const fleet::Workspace& workspace) const {
  std::string sealed;
  database.read_and_wait([&](store::Transaction& tx) { sealed = fleet::sealed_environment(tx, workspace.id); });
  const auto url = hub_urls.find(workspace.provider);
  SLIPWAY_ASSERT(url != hub_urls.end());
  return {.name = workspace.instance_name,
          .machine_type = workspace.machine_type,
          .image_tag = workspace.image_tag,
          .zone = workspace.zone,
          .labels = {{"slipway-workspace", workspace.id.str()}, {"slipway-owner", workspace.owner_id.str()}},
          .environment = json::parse<std::map<std::string, std::string>>(sealer.unseal(sealed).reveal()),
          .hub_url = url->second,
          .agent_token = agent_token(workspace.id)};
}

base::Error machine_died(const std::string& how) {
  return base::Error(base::ErrorClass::internal, "MACHINE_DIED", "it died while it started; " + how);
}

bool earlier_runs_have_ended(const Services& services, const WorkspaceId& id, const RunId& own) {
  bool alone = true;
  services.database.read_and_wait([&](store::Transaction& tx) {
    alone = true;
    for (const auto& other : durable::journal::unfinished_on(tx, id.str())) {
      if (other.record.id >= own || other.parked_reason) continue;
      alone = false;
      services.cancel_run(other.record.id);
    }
  });
  return alone;
}

void fail_workspace(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end) {
  std::string message = end.failure.message;
  if (!end.step.empty()) message = end.step + ": " + message;
  if (end.needs_attention) message += " (and something could not be undone: it needs a person)";
  fleet::fail(tx, request.workspace_id, end.run, {end.failure.code, message}, end.at);
}

void retry_workspace(store::Transaction& tx, const WorkspaceRequest& request, const durable::Again& again,
                     const std::vector<fleet::WorkspaceStatus>& fitting) {
  auto workspace = fleet::find(tx, Scope::everything("a retry of a run on it"), request.workspace_id);
  if (!workspace) throw base::invalid_state("the workspace is gone");
  if (workspace->run_id)
    throw base::invalid_state("run '" + workspace->run_id->str() + "' is at work on the workspace");
  if (std::ranges::find(fitting, workspace->status) == fitting.end())
    throw base::invalid_state("the workspace is " +
                              std::string(boost::describe::enum_to_string(workspace->status, "")) +
                              " by now: there is nothing to do again");
  fleet::take(tx, *workspace, again.run, again.at);
}

}  // namespace slipway::workflows
