#pragma once
// What the runs of all workspaces share, whether a provider makes their machine or a template.

#include <string>

#include "api/call.h"
#include "durable/journal.h"
#include "fleet/workspace.h"

namespace slipway::api {

// Where the operator made such a queue, what needs a machine waits in it, by owner. What gives machines back never
// does.
inline constexpr std::string_view kMachineQueue = "workspaces";

// Whose a run is, and whose turn it takes, is known only inside the transaction.
void give_to(durable::RunRecord& run, const base::UserId& owner);
// Not only the run in progress: one that was cut short may still be undoing, and leave a job behind that is at work.
// Throws INVALID_STATE_TRANSITION.
void check_nobody_at_work(store::Transaction& tx, const base::WorkspaceId& id);

std::string workspace_etag(const fleet::Workspace& workspace);

}  // namespace slipway::api
