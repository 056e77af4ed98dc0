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

  co_await run.step("validate", durable::retry::local(), [&] {
    const auto workspace = services.workspace(id);
    services.provider_of(workspace).validate(services.machine_spec(workspace, run_id));
  });
  co_await run.transaction("issue-agent-token",
                           [&](store::Transaction& tx) { services.issue_agent_token(tx, id, run_id); });
  co_await run.step(
      "create-machine", durable::retry::cloud(),
      [&](Attempt& attempt) {
        const auto workspace = services.workspace(id);
        services.provider_of(workspace).create(services.machine_spec(workspace, run_id), attempt.stop());
      },
      undo("delete-machine", [&services, id](Attempt& attempt) {
        const auto workspace = services.workspace(id);
        services.provider_of(workspace).destroy(workspace.instance_name, attempt.stop());
      }));
  // The agent's call pokes the run; the interval is for a call that was missed.
  co_await run.poll("wait-until-ready", every(1s).at_most(2min),
                    [&] { return services.presence.is_ready_or_wait(id, run_id); });
  co_await run.transaction("finish", [&](store::Transaction& tx) {
    fleet::finish(tx, id, run_id, fleet::WorkspaceStatus::READY, services.clock.now());
  });
}

}  // namespace slipway::workflows
