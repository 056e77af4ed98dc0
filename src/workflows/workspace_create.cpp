#include "workflows/workspace_create.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::every;
using durable::undo;

std::vector<std::string> WorkspaceCreate::outline() {
  return {"validate", "issue-agent-token", "create-machine", "wait-until-ready", "finish"};
}

durable::Run<> WorkspaceCreate::operator()(durable::Context& run, WorkspaceRequest request) const {
  Services& services = services_;
  const WorkspaceId id = request.workspace_id;
  const RunId run_id = run.id();

  const auto machine = co_await run.step("validate", durable::retry::local(), [&] {
    const auto workspace = services.workspace(id);
    services.provider_of(workspace).validate(services.machine_spec(workspace));
    return MachineRef{workspace.provider, workspace.instance_name};
  });
  co_await run.transaction("issue-agent-token", [&](store::Transaction& tx) { services.issue_agent_token(tx, id); });
  for (int tries = 1;; ++tries) {
    co_await run.step(
        "create-machine", durable::retry::cloud(machine.provider),
        [&](Attempt& attempt) {
          const auto workspace = services.workspace(id);
          services.provider_of(workspace).create(services.machine_spec(workspace), attempt.stop());
        },
        undo("delete-machine", [&services, machine](Attempt& attempt) {
          services.providers.get(machine.provider).destroy(machine.name, attempt.stop());
        }));
    // The agent's call pokes the run; the interval is for a call that was missed, and for a machine that died.
    const auto found = co_await run.poll("wait-until-ready", every(1s).at_most(2min),
                                         [&] { return services.look_for_agent(id, run_id); });
    if (found == kReady) break;
    if (tries == kMachineTries) throw machine_died(found);
  }
  co_await run.transaction("finish", [&](store::Transaction& tx) {
    fleet::finish(tx, id, run_id, fleet::WorkspaceStatus::READY, services.clock.now());
  });
}

}  // namespace slipway::workflows
