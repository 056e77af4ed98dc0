#pragma once
// What provisioners remember of the things that they made (RUN-12): one state for each build, sealed, written again and
// again while the build applies. A build begins with its own state if it has one, which is so when it is tried again,
// else with the newest of the builds before it.
//
// Any bytes. Of Terraform's states the serial and the lineage are looked at, so that an older one does not overwrite a
// newer one.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "durable/payload.h"
#include "fleet/terraform_stamp.h"
#include "store/store.h"

namespace slipway::fleet {

using base::Instant;
using base::JobId;
using base::WorkspaceId;

inline constexpr std::size_t kStateMax = std::size_t(64) * 1024 * 1024;  // bytes
inline constexpr std::int64_t kStatesKept = 20;  // the newest of a workspace: enough to look back, and no pile

struct StatePlace {
  WorkspaceId workspace;
  std::int64_t build_number = 0;
};

struct StateInfo {
  std::int64_t build_number = 0;
  std::int64_t writes = 0;
  std::string sha256;  // hex
  std::int64_t size = 0;
  std::optional<JobId> job_id;  // absent: an admin put it
  Instant created_at;
  Instant updated_at;
};
SLIPWAY_JSON_CAMEL(StateInfo, build_number, writes, sha256, size, job_id, created_at, updated_at)

// A state, ready to be kept. What takes its time with a large one is done on any thread before the transaction, so that
// nobody who writes waits for it.
struct SealedState {
  std::int64_t size = 0;
  std::string sha256;  // hex
  TerraformStamp stamp;
  std::vector<std::string> pieces;
};
// Throws STATE_TOO_LARGE (user).
SealedState seal_state(const durable::Sealer& sealer, std::string_view content);

// Throws STATE_BEHIND (conflict) when it is a Terraform state that is older than the one it would follow, or of another
// lineage. The same bytes again are taken. Of two at once the other waits (state_access.h).
StateInfo put_state(store::Transaction& tx, const StatePlace& place, const JobId& job, const SealedState& state,
                    Instant now);
// An admin's, whatever its serial, as if by a build between the last one and the next: it gets a number of its own, and
// the states before it stay. Throws NOT_FOUND, and CONFLICT while a build is at work or the state is locked.
StateInfo push_state(store::Transaction& tx, const WorkspaceId& workspace, const SealedState& state, Instant now);

// What a job of that build begins with. An empty text is a state that was taken away.
std::optional<StateInfo> find_state(store::Transaction& tx, const StatePlace& place);
std::optional<std::string> read_state(store::Transaction& tx, const durable::Sealer& sealer, const StatePlace& place);
// Of all builds, newest first.
std::vector<StateInfo> list_states(store::Transaction& tx, const WorkspaceId& workspace);
// Removes those of workspaces that went before `before`: of at most kStatesRemovedAtOnce of them; gives of how many.
inline constexpr std::int64_t kStatesRemovedAtOnce = 50;
std::int64_t remove_states_of_gone_workspaces(store::Transaction& tx, Instant before);

// ---- Terraform's lock: one writer at a time

struct StateLock {
  std::string lock_id;  // chosen by Terraform
  std::string info;     // its JSON, as it came: who, when, what for
  JobId job_id;
  std::int64_t fence = 0;
  Instant locked_at;
};

std::optional<StateLock> find_lock(store::Transaction& tx, const WorkspaceId& workspace);
// Takes it; or gives the one who has it. A lock whose job has ended, or was taken by another daemon, is taken over: its
// writer is shut out. The same lock again is taken.
std::optional<StateLock> lock_state(store::Transaction& tx, const WorkspaceId& workspace, const StateLock& wanted);
// False when `lock_id` is not the one that holds it. An empty id means whichever.
bool unlock_state(store::Transaction& tx, const WorkspaceId& workspace, const std::string& lock_id);
// From now on its writer is shut out. For the end of a salvage, and for jobs that end.
void break_lock(store::Transaction& tx, const WorkspaceId& workspace);
void break_lock_of_job(store::Transaction& tx, const JobId& job);
// Only one whose job has ended, or is another daemon's by now.
void break_stale_lock(store::Transaction& tx, const WorkspaceId& workspace);

}  // namespace slipway::fleet
