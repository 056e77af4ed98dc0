#include "api/workspace_status.h"

#include "fleet/build.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

using fleet::WorkspaceStatus;
using providers::MachineState;

void judge(WorkspaceStatusView& view) {
  const auto state = view.backend.state;
  if (view.run_id) {
    view.explanation = "run " + view.run_id->str() + " is at work on it";
    return;
  }
  switch (view.status) {
    case WorkspaceStatus::PROVISIONING:
      view.agrees = false;
      view.explanation = "it should be in the making, but no run is at work on it; delete it or start it";
      return;
    case WorkspaceStatus::ERROR:
      view.explanation = view.error ? view.error->message : "the last run failed";
      if (state == MachineState::running) view.explanation += "; its machine runs nevertheless";
      return;
    case WorkspaceStatus::SUSPENDED:
      view.agrees = state == MachineState::stopped || state == MachineState::suspended;
      view.explanation = view.agrees ? "the machine is stopped; its home is kept"
                                     : "it is recorded as stopped, but its machine is " +
                                           std::string(boost::describe::enum_to_string(state, ""));
      return;
    case WorkspaceStatus::READY:
      break;
  }
  view.agrees = state == MachineState::running;
  if (!view.agrees) {
    view.explanation =
        "it is recorded as ready, but its machine is " + std::string(boost::describe::enum_to_string(state, ""));
    if (!view.backend.detail.empty()) view.explanation += ": " + view.backend.detail;
    view.explanation += "; start it again (its home is kept)";
  } else if (!view.agent.connected) {
    view.explanation = "the machine runs, but its agent is not connected; it calls again by itself";
  } else {
    view.explanation = "the machine runs and its agent is connected";
  }
}

// What a template has built is known only from its builds: nobody looks at it between them.
net::Awaitable<void> look_at_last_build(Hub& hub, const fleet::Workspace& workspace, WorkspaceStatusView& view) {
  std::vector<fleet::Build> builds;
  co_await read(hub, [&](store::Transaction& tx) {
    builds = fleet::list_builds(tx, hub.sealer, fleet::Scope::everything("the caller may see this workspace"),
                                workspace.id, 0, 1);
  });
  if (builds.empty()) co_return;
  const auto& build = builds.front();
  const std::string name =
      "build " + std::to_string(build.number) + " (" + boost::describe::enum_to_string(build.transition, "") + ")";
  view.backend.since = build.ended_at;
  view.backend.detail = name + ": " + boost::describe::enum_to_string(build.status, "");
  if (workspace.run_id) {
    view.backend.state = MachineState::starting;
    view.explanation = "run " + workspace.run_id->str() + " is at work on it: " + view.backend.detail;
  } else if (workspace.status == WorkspaceStatus::ERROR) {
    view.backend.state = MachineState::failed;
    view.explanation = name + " failed: " + (view.error ? view.error->message : "no reason was recorded") +
                       ". What it made is in its state: start it again, or delete it";
  } else {
    const bool is_started = workspace.status == WorkspaceStatus::READY;
    view.backend.state = is_started ? MachineState::running : MachineState::stopped;
    view.explanation = "as " + name + " left it, with " + std::to_string(build.resources.size()) +
                       " resources; nothing looks at them between builds";
    if (is_started && view.agent.connected) view.explanation += ". Its agent is connected";
  }
}

}  // namespace

net::Awaitable<WorkspaceStatusView> look_at(Hub& hub, fleet::Workspace workspace) {
  WorkspaceStatusView view{.workspace_id = workspace.id,
                           .status = workspace.status,
                           .run_id = workspace.run_id,
                           .updated_at = workspace.updated_at,
                           .error = workspace.error,
                           .backend = {},
                           .agent = {},
                           .explanation = {}};
  view.agent = {hub.agents.connected(workspace.id), workspace.last_activity};
  if (workspace.provider == fleet::kBuiltProvider) {
    co_await look_at_last_build(hub, workspace, view);
    co_return view;
  }
  view.backend = co_await net::run_blocking(hub.io, hub.workers, [&] {
    try {
      return hub.workflows.provider_of(workspace).status(workspace.instance_name);
    } catch (const base::Error& error) {
      return providers::MachineStatus{.state = MachineState::failed,
                                      .detail = "the backend cannot be asked: " + error.message(),
                                      .since = {},
                                      .limits = {}};
    }
  });
  view.agent = {hub.agents.connected(workspace.id), workspace.last_activity};  // anew: asking the backend took a while
  judge(view);
  co_return view;
}

}  // namespace slipway::api
