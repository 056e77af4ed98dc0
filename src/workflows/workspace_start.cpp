#include "workflows/workspace_start.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::every;

std::vector<std::string> WorkspaceStart::outline() {
  return {"issue-agent-token", "start-machine", "wait-until-ready", "finish"};
}

durable::Run<> WorkspaceStart::operator()(durable::Context& run, WorkspaceRequest request) const {
  Services& services = services_;
  const WorkspaceId id = request.workspace_id;
  const RunId run_id = run.id();

  co_await run.transaction("issue-agent-token", [&](store::Transaction& tx) { services.issue_agent_token(tx, id); });
  for (int tries = 1;; ++tries) {
    co_await run.step("start-machine", durable::retry::cloud(request.provider), [&](Attempt& attempt) {
      const auto workspace = services.workspace(id);
      auto& provider = services.provider_of(workspace);
      const auto spec = services.machine_spec(workspace);
      // The observed state decides, not the recorded one: whatever is left of the machine, it runs in the end.
      if (provider.status(workspace.instance_name).state == providers::MachineState::absent) {
        provider.create(spec, attempt.stop());
      } else {
        provider.start(spec, attempt.stop());
      }
    });
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
