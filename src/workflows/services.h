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

struct Services {
  store::Database& database;
  const providers::Registry& providers;
  const fleet::Sealer& sealer;
  AgentPresence& presence;
  const base::Clock& clock;
  std::map<std::string, std::string> hub_urls;  // by provider: where its machines' agents call out to

  // ---- for steps: each reads what it needs, so that a repeated attempt sees the record of its time

  fleet::Workspace workspace(const WorkspaceId& id) const;
  providers::Provider& provider_of(const fleet::Workspace& workspace) const;
  // With the secrets opened, and the one-time token of this run.
  providers::MachineSpec machine_spec(const fleet::Workspace& workspace, const RunId& run) const;
  // The token is derived, not stored: the same for every attempt of a run, unknown without the sealing key.
  base::Secret agent_token(const WorkspaceId& id, const RunId& run) const;
  void issue_agent_token(store::Transaction& tx, const WorkspaceId& id, const RunId& run) const;
};

// The input of every run on a workspace.
struct WorkspaceRequest {
  WorkspaceId workspace_id;
  std::optional<std::string> mode;  // of a stop: "stop" or "suspend"
  std::optional<RunId> after;       // of a delete: the run that it cuts short
};
SLIPWAY_JSON_CAMEL(WorkspaceRequest, workspace_id, mode, after)

// The failure of a run becomes the workspace's error. Code and message as people should see them.
void fail_workspace(store::Transaction& tx, const WorkspaceRequest& request, const durable::BadEnd& end);

}  // namespace slipway::workflows
