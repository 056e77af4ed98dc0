#include "workflows/workspace_delete.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::every;

std::vector<std::string> WorkspaceDelete::outline() {
  return {"wait-for-earlier-runs", "destroy-machine", "remove-record"};
}

durable::Run<> WorkspaceDelete::operator()(durable::Context& run, WorkspaceRequest request) const {
  Services& services = services_;
  const WorkspaceId id = request.workspace_id;

  co_await run.poll("wait-for-earlier-runs", every(200ms).at_most(24h),
                    [&, own = run.id()] { return earlier_runs_have_ended(services, id, own); });
  co_await run.step("destroy-machine", durable::retry::cloud(request.provider), [&](Attempt& attempt) {
    const auto workspace = services.workspace(id);
    services.provider_of(workspace).destroy(workspace.instance_name, attempt.stop());
  });
  co_await run.transaction("remove-record", [&, run_id = run.id()](store::Transaction& tx) {
    fleet::remove(tx, id, run_id, services.clock.now());
  });
}

}  // namespace slipway::workflows
