#include "app/housekeeping.h"

#include "durable/membership.h"
#include "fleet/build.h"
#include "fleet/workspace.h"
#include "net/event_loop.h"

namespace slipway::app {
namespace {

constexpr base::Duration kPause = std::chrono::seconds(10);
constexpr std::int64_t kPageSize = 200;

using fleet::WorkspaceStatus;
using providers::MachineState;

}  // namespace

void Housekeeping::stop() {
  stopped_ = true;
  stopping_.notify_all();
}

net::Awaitable<void> Housekeeping::run() {
  while (!stopped_) {
    co_await stopping_.wait_for(kPause);
    if (stopped_) co_return;
    hub_.scheduler.look();  // this wait does not follow the wall clock, as the scheduler's own timer does
    co_await guarded("looking for dead machines", find_dead_machines());
    co_await guarded("removing old runs", retention_.run(stopped_));
  }
}

// What fails is tried again the next time, and stops nothing else.
net::Awaitable<void> Housekeeping::guarded(std::string_view what, net::Awaitable<void> task) {
  try {
    co_await std::move(task);
  } catch (...) {
    hub_.log.error("housekeeping failed, and is tried again", base::as_error(std::current_exception()),
                   {{"task", what}});
  }
}

// A workspace is recorded as ready, no run is at work on it, and no agent is there: the backend is asked, and what it
// says is recorded. A machine whose agent is connected needs no asking.
net::Awaitable<void> Housekeeping::find_dead_machines() {
  fleet::WorkspaceFilter filter{.name = {}, .status = WorkspaceStatus::READY, .after = {}, .limit = kPageSize};
  std::vector<fleet::Workspace> page;
  bool alone = true;
  do {
    co_await api::read(hub_, [&](store::Transaction& tx) {
      alone = durable::count_replicas(tx) <= 1;
      page = fleet::list(tx, fleet::Scope::everything("the hub looks after all machines"), filter);
    });
    for (const auto& workspace : page) {
      filter.after = workspace.id.str();
      if (workspace.provider == fleet::kBuiltProvider) continue;  // only a build can tell
      if (workspace.run_id || hub_.agents.connected(workspace.id) || stopped_) continue;
      if (!alone && hub_.workflows.provider_of(workspace).is_local()) continue;  // it may be on another hub's host
      co_await guarded("looking at a machine", look_at(workspace));
    }
  } while (std::int64_t(page.size()) == kPageSize);
}

net::Awaitable<void> Housekeeping::look_at(const fleet::Workspace& workspace) {
  const auto found = co_await net::run_blocking(
      hub_.io, hub_.workers, [&] { return hub_.workflows.provider_of(workspace).status(workspace.instance_name); });
  if (found.state == MachineState::running || found.state == MachineState::starting) co_return;
  const bool kept = found.state == MachineState::stopped || found.state == MachineState::suspended;
  std::optional<fleet::Problem> problem;
  if (!kept)
    problem = fleet::Problem{found.state == MachineState::absent ? "MACHINE_LOST" : "MACHINE_DIED",
                             "the machine is gone" + (found.detail.empty() ? "" : ": " + found.detail) +
                                 "; start it again, its home is kept"};
  bool changed = false;
  co_await api::write(hub_, [&](store::Transaction& tx) {
    changed = fleet::set_observed(tx, workspace, kept ? WorkspaceStatus::SUSPENDED : WorkspaceStatus::ERROR, problem,
                                  hub_.clock.now());
  });
  if (changed)
    hub_.log.warning("a machine was found in another state than recorded",
                     {{"workspace", workspace.id},
                      {"state", boost::describe::enum_to_string(found.state, "")},
                      {"detail", found.detail}});
}

}  // namespace slipway::app
