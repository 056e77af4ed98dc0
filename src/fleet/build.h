#pragma once
// Workspaces that are built from templates, and their builds: what was asked for, what came of it, and what it costs.
// The workspace itself is a record like any other (workspace.h), with `kBuiltProvider` as its provider.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "durable/payload.h"
#include "fleet/job.h"
#include "fleet/scope.h"
#include "fleet/template_parts.h"
#include "fleet/workspace.h"
#include "store/store.h"

namespace slipway::fleet {

struct BuiltWorkspace {
  WorkspaceId workspace_id;
  UserId owner_id;
  TemplateId template_id;
  TemplateVersionId version_id;        // of the last build
  std::int64_t build_number = 0;       // the last one's
  std::int64_t daily_cost = 0;         // what it holds of its owner's budget (RUN-11)
  std::vector<NamedValue> parameters;  // of the last build, but the ephemeral ones
};

struct Build {
  BuildId id;
  WorkspaceId workspace_id;
  std::int64_t number = 0;
  std::string workspace_name;
  UserId owner_id;
  TemplateId template_id;
  TemplateVersionId version_id;
  Transition transition = Transition::start;
  std::string reason;  // for people: requested, idle …
  JobStatus status = JobStatus::pending;
  RunId run_id;                 // that it is the subject of
  std::optional<JobId> job_id;  // of the last attempt to carry it out
  std::vector<NamedValue> parameters;
  std::int64_t daily_cost = 0;  // committed; of one that failed while it applied, what its workspace holds since
  std::vector<Resource> resources;
  std::map<std::string, std::string> outputs;
  std::optional<Problem> error;
  UserId requested_by;
  Instant created_at;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
};

// The workspace's first build comes with the workspace.
void insert_built_workspace(store::Transaction& tx, const durable::Sealer& sealer, const BuiltWorkspace& workspace,
                            Instant now);
std::optional<BuiltWorkspace> find_built_workspace(store::Transaction& tx, const durable::Sealer& sealer,
                                                   const WorkspaceId& id);
// The next build of a workspace that is there: sets its number, and makes its version and the `remembered` parameters
// (all but the ephemeral) the workspace's.
void insert_build(store::Transaction& tx, const durable::Sealer& sealer, Build& build,
                  const std::vector<NamedValue>& remembered, Instant now);

std::optional<Build> find_build(store::Transaction& tx, const durable::Sealer& sealer, const Scope& scope,
                                const BuildId& id);
// Newest first, those below `before` (0: all).
std::vector<Build> list_builds(store::Transaction& tx, const durable::Sealer& sealer, const Scope& scope,
                               const WorkspaceId& workspace, std::int64_t before, std::int64_t limit);
// With which the workspace was started last, the ephemeral ones as well; none if it never was.
std::vector<NamedValue> last_start_parameters(store::Transaction& tx, const durable::Sealer& sealer,
                                              const WorkspaceId& workspace);
// Without a workspace's record, too: builds outlive it.
std::int64_t count_builds(store::Transaction& tx, const Scope& scope, const WorkspaceId& workspace);

// Removes the oldest builds that ended before kBuildsKept, at most kRemovedAtOnce; gives how many. Of a workspace that
// is there the last kBuildsOfOneKept stay, the last start, and what its cost is known from.
inline constexpr base::Duration kBuildsKept = std::chrono::days(90);
inline constexpr std::int64_t kBuildsOfOneKept = 20;
std::int64_t forget_builds(store::Transaction& tx, Instant now);

// ---- changes by runs and jobs

void set_build_job(store::Transaction& tx, const BuildId& id, const JobId& job);
// Another run carries it out (a retry).
void retry_build(store::Transaction& tx, const BuildId& id, const RunId& run);
void start_build(store::Transaction& tx, const BuildId& id, Instant now);
// Records how it ended, and the workspace with it. Nothing happens to one that has ended. A workspace that was taken
// away leaves its states, for second thoughts.
void complete_build(store::Transaction& tx, const BuildId& id, const std::vector<Resource>& resources,
                    const std::map<std::string, std::string>& outputs, Instant now);
struct BuildFailure {
  JobStatus status = JobStatus::failed;  // failed or cancelled
  Problem problem;
  bool has_applied = false;  // this attempt may have changed something; what earlier ones did is known here
  std::vector<Resource> resources;
};
void fail_build(store::Transaction& tx, const BuildId& id, const BuildFailure& failure, Instant now);
// A workspace that nothing was ever made for is taken away without a job: the build that was to do it is complete.
bool has_state(store::Transaction& tx, const WorkspaceId& workspace);

}  // namespace slipway::fleet
