#pragma once
// What the workflows of workspaces work with, and the few pieces that they share.

#include <map>
#include <string>

#include "base/time.h"
#include "durable/context.h"
#include "fleet/sealer.h"
#include "fleet/workspace.h"
#include "providers/registry.h"
#include "store/store.h"
#include "workflows/agent_presence.h"

namespace slipway::workflows {

using base::RunId;
using base::WorkspaceId;

inline constexpr std::string_view kReady = "ready";
// How often a machine that dies while it starts is made again before the run fails.
inline constexpr int kMachineTries = 3;

struct Services {
  store::Database& database;
  const providers::Registry& providers;
  const fleet::Sealer& sealer;
  AgentPresence& presence;
  const base::Clock& clock;
  std::map<std::string, std::string> hub_urls;  // by provider: where its machines' agents call out to
  // Asks the engine to cancel a run, if it is still at work; from any thread.
  std::function<void(const RunId&)> cancel_run;

  // ---- for steps: each reads what it needs, so that a repeated attempt sees the record of its time

  fleet::Workspace workspace(const WorkspaceId& id) const;
  providers::Provider& provider_of(const fleet::Workspace& workspace) const;
  // With the secrets opened, and the agent's token.
  providers::MachineSpec machine_spec(const fleet::Workspace& workspace) const;
  // Derived, not stored: the same for every attempt, so that a machine which an interrupted or cancelled run has left
  // is not locked out. It is worth something only while a run makes or starts the machine.
  base::Secret agent_token(const WorkspaceId& id) const;
  // For the poll that waits until a workspace can be reached: empty while it cannot, kReady, or how its machine died
  // meanwhile.
  std::optional<std::string> look_for_agent(const WorkspaceId& id, const RunId& run) const;
  void issue_agent_token(store::Transaction& tx, const WorkspaceId& id) const;
};

// The input of every run on a workspace.
struct WorkspaceRequest {
  WorkspaceId workspace_id;
  std::optional<std::string> mode;  // of a stop: "stop" or "suspend"
  std::string provider;             // who is called
};
SLIPWAY_JSON_CAMEL(WorkspaceRequest, workspace_id, mode, provider)

// What a machine is found by, also when its workspace's record is gone.
struct MachineRef {
  std::string provider;
  std::string name;
};
SLIPWAY_JSON_CAMEL(MachineRef, provider, name)

// A machine that died again and again before it could be reached.
base::Error machine_died(const std::string& how);

// Two runs at once on one machine would be in each other's way. Asks those that were there before `own` to cancel; true
// when none of them is at work. To be asked until it is, because somebody may crash after the asking. A parked run
// cannot go on and is left to itself.
bool earlier_runs_have_ended(const Services& services, const WorkspaceId& id, const RunId& own);

// The failure of a run becomes the workspace's error. Code and message as people should see them.
void fail_workspace(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end);

// Makes the new run the one in progress. Throws INVALID_STATE_TRANSITION unless the workspace is there, in one of these
// states, and nobody else's.
void retry_workspace(store::Transaction& tx, const WorkspaceRequest& request, const durable::Again& again,
                     const std::vector<fleet::WorkspaceStatus>& fitting);

}  // namespace slipway::workflows
