#pragma once
// Workspaces that are built from templates, as far as their routes differ from those of other workspaces: each change
// is a build, carried out by a run workspace.build.

#include <map>
#include <optional>
#include <string>

#include "api/call.h"
#include "fleet/build.h"

namespace slipway::api {

// What may be asked of a build.
struct WishedBuild {
  std::optional<std::string> template_version;  // by name or id; left out: as it is, or the active one of a new one
  std::map<std::string, std::string> parameters;
  bool orphan = false;
};

net::Awaitable<net::Response> create_built(Call& call, std::string name, std::string from_template, WishedBuild wish,
                                           fleet::Metadata metadata);
net::Awaitable<net::Response> change_built(Call& call, const base::WorkspaceId& id, fleet::Transition transition,
                                           WishedBuild wish);

// A build, as its routes show it: sensitive values are redacted.
struct BuildView {
  base::BuildId id;
  base::WorkspaceId workspace_id;
  std::string workspace_name;
  std::int64_t number = 0;
  fleet::Transition transition = fleet::Transition::start;
  fleet::JobStatus status = fleet::JobStatus::pending;
  std::string reason;
  std::string template_name;
  std::string template_version;
  std::optional<base::RunId> run_id;
  std::optional<base::JobId> job_id;
  std::vector<fleet::NamedValue> parameters;
  std::int64_t daily_cost = 0;
  std::vector<fleet::Resource> resources;
  std::map<std::string, std::string> outputs;
  std::optional<fleet::Problem> error;
  base::UserId requested_by;
  base::Instant created_at;
  std::optional<base::Instant> started_at;
  std::optional<base::Instant> ended_at;
};
SLIPWAY_JSON_CAMEL(BuildView, id, workspace_id, workspace_name, number, transition, status, reason, template_name,
                   template_version, run_id, job_id, parameters, daily_cost, resources, outputs, error, requested_by,
                   created_at, started_at, ended_at)
BuildView view_build(store::Transaction& tx, const fleet::Build& build);

}  // namespace slipway::api
