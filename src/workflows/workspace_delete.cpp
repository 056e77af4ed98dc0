#include "workflows/workspace_delete.h"

#include "durable/journal.h"

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

  // Two runs at once on one machine would be in each other's way. Whatever is at work is asked to cancel, again and
  // again for the case that somebody crashed after the asking; a parked run cannot go on and is left to itself.
  co_await run.poll("wait-for-earlier-runs", every(200ms).at_most(24h), [&, own = run.id()] {
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
  });
  co_await run.step("destroy-machine", durable::retry::cloud(request.provider), [&](Attempt& attempt) {
    const auto workspace = services.workspace(id);
    services.provider_of(workspace).destroy(workspace.instance_name, attempt.stop());
  });
  co_await run.transaction("remove-record", [&, run_id = run.id()](store::Transaction& tx) {
    fleet::remove(tx, id, run_id, services.clock.now());
  });
}

}  // namespace slipway::workflows
