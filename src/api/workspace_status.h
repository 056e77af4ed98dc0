#pragma once
// What the store says of a workspace and what its backend says, now, side by side (HUB-6), in words too.

#include <optional>
#include <string>

#include "api/call.h"
#include "fleet/workspace.h"
#include "providers/provider.h"

namespace slipway::api {

struct AgentStatus {
  bool connected = false;
  std::optional<fleet::Activity> last_activity;
};
SLIPWAY_JSON_SNAKE(AgentStatus, connected, last_activity)

struct WorkspaceStatusView {
  base::WorkspaceId workspace_id;
  fleet::WorkspaceStatus status = fleet::WorkspaceStatus::PROVISIONING;
  std::optional<base::RunId> run_id;
  base::Instant updated_at;
  std::optional<fleet::Problem> error;
  providers::MachineStatus backend;
  AgentStatus agent;
  bool agrees = true;  // backend and record tell the same, or a run is at work on the difference
  std::string explanation;
};
SLIPWAY_JSON_SNAKE(WorkspaceStatusView, workspace_id, status, run_id, updated_at, error, backend, agent, agrees,
                   explanation)

// Asks the backend on a worker; a backend that cannot be asked is shown as failed with the reason.
net::Awaitable<WorkspaceStatusView> look_at(Hub& hub, fleet::Workspace workspace);

}  // namespace slipway::api
