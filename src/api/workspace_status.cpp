#include "api/workspace_status.h"

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
  view.agent = {hub.agents.connected(workspace.id), workspace.last_activity};
  judge(view);
  co_return view;
}

}  // namespace slipway::api
