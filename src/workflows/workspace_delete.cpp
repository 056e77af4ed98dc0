#include "workflows/workspace_delete.h"

#include "durable/journal.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::every;

std::vector<std::string> WorkspaceDelete::outline() {
  return {"wait-for-earlier-run", "destroy-machine", "remove-record"};
}

durable::Run<> WorkspaceDelete::operator()(durable::Context& run, WorkspaceRequest request) const {
  Services& services = services_;
  const WorkspaceId id = request.workspace_id;

  // A run that was at work has been told to cancel; two at once on one machine would be in each other's way.
  co_await run.poll("wait-for-earlier-run", every(100ms).at_most(10min), [&] {
    if (!request.after) return true;
    bool ended = false;
    services.database.read_and_wait([&](store::Transaction& tx) {
      const auto earlier = durable::journal::find(tx, *request.after);
      ended = !earlier || earlier->completed_at || earlier->parked_reason;
    });
    return ended;
  });
  co_await run.step("destroy-machine", durable::retry::cloud(), [&](Attempt& attempt) {
    const auto workspace = services.workspace(id);
    services.provider_of(workspace).destroy(workspace.instance_name, attempt.stop());
  });
  co_await run.transaction("remove-record", [&, run_id = run.id()](store::Transaction& tx) {
    fleet::remove(tx, id, run_id, services.clock.now());
  });
}

}  // namespace slipway::workflows
