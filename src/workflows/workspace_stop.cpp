#include "workflows/workspace_stop.h"

namespace slipway::workflows {

using durable::Attempt;

std::vector<std::string> WorkspaceStop::outline() { return {"stop-machine", "finish"}; }

durable::Run<> WorkspaceStop::operator()(durable::Context& run, WorkspaceRequest request) const {
  Services& services = services_;
  const WorkspaceId id = request.workspace_id;
  const bool suspend = request.mode == "suspend";

  co_await run.step("stop-machine", durable::retry::cloud(request.provider), [&](Attempt& attempt) {
    const auto workspace = services.workspace(id);
    auto& provider = services.provider_of(workspace);
    if (suspend) {
      provider.suspend(workspace.instance_name, attempt.stop());
    } else {
      provider.stop(workspace.instance_name, attempt.stop());
    }
  });
  co_await run.transaction("finish", [&, run_id = run.id()](store::Transaction& tx) {
    fleet::finish(tx, id, run_id, fleet::WorkspaceStatus::SUSPENDED, services.clock.now());
  });
}

void WorkspaceStop::on_failure(store::Transaction& tx, const WorkspaceRequest& request,
                               const durable::BadEnd& end) const {
  if (end.failure.code == "SUSPEND_UNSUPPORTED" || end.status == durable::RunStatus::cancelled) {
    fleet::release(tx, request.workspace_id, end.run, end.at);
  } else {
    fail_workspace(tx, request, end);
  }
}

}  // namespace slipway::workflows
