#pragma once
// The record of a workspace and its queries (HUB-8). Every change of a record is also an entry of the change feed, in
// the same transaction (HUB-9).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

class Sealer;

using base::Instant;
using base::RunId;
using base::UserId;
using base::WorkspaceId;

// The `provider` of workspaces that are built from templates (fleet/build.h).
inline constexpr std::string_view kBuiltProvider = "template";

// What lies between these is shown by the run in progress.
enum class WorkspaceStatus { PROVISIONING, READY, SUSPENDED, ERROR };
BOOST_DESCRIBE_ENUM(WorkspaceStatus, PROVISIONING, READY, SUSPENDED, ERROR)

struct Metadata {
  std::optional<std::string> repo;
  std::optional<std::string> branch;
  std::optional<std::string> device_id;
};
SLIPWAY_JSON_SNAKE(Metadata, repo, branch, device_id)

struct Problem {
  std::string code;
  std::string message;
};
SLIPWAY_JSON_SNAKE(Problem, code, message)

struct Activity {
  std::string kind;  // ssh, terminal, exec, tcp, files
  Instant at;
};
SLIPWAY_JSON_SNAKE(Activity, kind, at)

struct Workspace {
  WorkspaceId id;
  std::string name;
  UserId owner_id;
  std::string provider;
  std::string instance_name;  // the machine's, at its provider
  std::string zone;
  std::string image_tag;
  std::string machine_type;
  WorkspaceStatus status = WorkspaceStatus::PROVISIONING;
  std::optional<Instant> last_connected_at;
  Metadata metadata;
  Instant created_at;
  Instant updated_at;
  std::optional<RunId> run_id;  // the run in progress
  std::optional<Problem> error;
  std::optional<Activity> last_activity;
  std::int64_t version = 1;  // grows with every change: the ETag
};
SLIPWAY_JSON_SNAKE(Workspace, id, name, owner_id, provider, instance_name, zone, image_tag, machine_type, status,
                   last_connected_at, metadata, created_at, updated_at, run_id, error, last_activity, version)

inline constexpr std::size_t kNameMax = 40;  // with the suffix of the instance it stays within a label's 63

// A lower-case label: letters, digits and '-', beginning with a letter, ending with none of '-'. Throws
// VALIDATION_ERROR.
void validate_name(std::string_view field, const std::string& name);

// Throws CONFLICT when the owner has one of that name.
void insert(store::Transaction& tx, const Workspace& workspace, const std::string& sealed_environment);
std::optional<Workspace> find(store::Transaction& tx, const Scope& scope, const WorkspaceId& id);
// Throws NOT_FOUND: what belongs to others is not there.
Workspace get(store::Transaction& tx, const Scope& scope, const WorkspaceId& id);

struct WorkspaceFilter {
  std::optional<std::string> name;
  std::optional<WorkspaceStatus> status;
  std::string after;  // cursor: ids greater than this
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// Oldest first.
std::vector<Workspace> list(store::Transaction& tx, const Scope& scope, const WorkspaceFilter& filter);
std::int64_t count(store::Transaction& tx, const Scope& scope, const WorkspaceFilter& filter);

std::string sealed_environment(store::Transaction& tx, const WorkspaceId& id);

// ---- changes by runs. Each is ignored unless the workspace still belongs to that run: a newer one took over.

// Makes `run` the run in progress in the place of `expected` (nothing, or one that is being replaced). Throws
// INVALID_STATE_TRANSITION when another has come between.
void take(store::Transaction& tx, Workspace& workspace, const RunId& run, Instant now);
// What it is built from, of one that `take` is about to take: its version stays.
void set_image(store::Transaction& tx, Workspace& workspace, const std::string& image_tag);
// As when it was created: PROVISIONING, without an error.
void provision_again(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Instant now);
void finish(store::Transaction& tx, const WorkspaceId& id, const RunId& run, WorkspaceStatus status, Instant now);
void fail(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Problem problem, Instant now);
// The run gave up without having changed the machine: the workspace is what it was.
void release(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Instant now);
void remove(store::Transaction& tx, const WorkspaceId& id, const RunId& run, Instant now);

// ---- observations

void set_activity(store::Transaction& tx, const WorkspaceId& id, const Activity& activity);
// The machine was found in another state than recorded. False, and nothing changed, when a run is at work or the record
// is no longer the one that was looked at.
bool set_observed(store::Transaction& tx, const Workspace& seen, WorkspaceStatus status,
                  const std::optional<Problem>& problem, Instant now);

// ---- the agent's identity: a token that is good while a run makes or starts the machine (`finish` burns it), then a
// credential of its own. What is built from a template may come up, or be replaced, after its run: there the token is
// good until a run has stopped it.

// Derived, so that a repeated step issues the same one and nothing but its hash is stored.
base::Secret make_agent_token(const Sealer& sealer, const WorkspaceId& id);
void set_agent_token(store::Transaction& tx, const WorkspaceId& id, const std::string& token_hash);
struct AgentIdentity {
  WorkspaceId workspace;
  std::string instance_name;
  bool by_token = false;  // else by credential
};
std::optional<AgentIdentity> find_agent(store::Transaction& tx, const std::string& secret_hash);
void set_agent_credential(store::Transaction& tx, const WorkspaceId& id, const std::string& credential_hash);

}  // namespace slipway::fleet
