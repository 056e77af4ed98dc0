#pragma once
// Who may touch a workspace's state for a job: whoever holds the job; and while a lost daemon's job is salvaged, the
// one who holds the state's lock still, and it alone (RUN-12, RUN-15). Its last state may come later than that, too.

#include "fleet/workspace_state.h"

namespace slipway::fleet {

struct StateAccess {
  StatePlace place;
  JobId job;
  std::int64_t fence = 0;
  bool may_lock = true;  // not in a salvage: what is left of a lost daemon ends, and begins nothing
  bool is_late = false;  // see last_state_access
};

base::Error state_lease_lost(const JobId& job);  // JOB_LEASE_LOST

// For the rest of the transaction it stays so: the job is not given to another before its end, and nobody else touches
// the state for it. In a write. Throws NOT_FOUND for what is no build's job, and JOB_LEASE_LOST.
StateAccess state_access(store::Transaction& tx, const JobId& job, std::int64_t fence);
// The same in a read, for a look: it may have changed by the time it is used.
StateAccess state_access_now(store::Transaction& tx, const JobId& job, std::int64_t fence);
// To write the state only. It is granted to a lost daemon's job after its failure, too, until a build
// begins with the workspace, be it the same one again, or an admin sets the state: a daemon that was cut off for long
// may still bring what was made meanwhile.
StateAccess last_state_access(store::Transaction& tx, const JobId& job, std::int64_t fence);

}  // namespace slipway::fleet
