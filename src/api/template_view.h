#pragma once
// Templates and their versions as the API shows them, and as they are pushed and changed.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "fleet/template.h"

namespace slipway::api {

struct TemplateView {
  base::TemplateId id;
  std::string name;
  std::string display_name;
  std::string description;
  std::string icon;
  std::optional<std::string> active_version;
  std::optional<base::TemplateVersionId> active_version_id;
  std::optional<std::string> deprecated;
  std::optional<std::int64_t> jobs_max;
  std::int64_t workspaces = 0;
  base::UserId owner_id;
  std::int64_t version = 1;
  base::Instant created_at;
  base::Instant updated_at;
};
SLIPWAY_JSON_CAMEL(TemplateView, id, name, display_name, description, icon, active_version, active_version_id,
                   deprecated, jobs_max, workspaces, owner_id, version, created_at, updated_at)
const json::Rules& json_rules(const TemplateView*);

TemplateView view_template(store::Transaction& tx, const fleet::Template& subject);

// A variable, and what it was set to; absent where it has no value. A sensitive one's is *redacted*, and its default.
struct VariableView {
  std::string name;
  std::string type;
  std::string description;
  std::optional<std::string> default_value;
  bool required = false;
  bool sensitive = false;
  std::optional<std::string> value;
};
SLIPWAY_JSON_CAMEL(VariableView, name, type, description, default_value, required, sensitive, value)

struct VersionView {
  base::TemplateVersionId id;
  base::TemplateId template_id;
  std::string template_name;
  std::string name;
  std::string message;
  std::string archive;
  std::string provisioner;
  std::map<std::string, std::string> tags;
  fleet::VersionStatus status = fleet::VersionStatus::importing;
  bool is_active = false;
  bool promote = true;
  std::optional<base::RunId> run_id;
  std::optional<base::JobId> job_id;
  std::optional<fleet::Problem> error;
  base::UserId created_by;
  base::Instant created_at;
  std::optional<base::Instant> ended_at;
  // What was parsed and planned: left out in lists, and while that is not done.
  std::optional<std::vector<VariableView>> variables;
  std::optional<std::vector<fleet::TemplateParameter>> parameters;
  std::optional<std::string> readme;
  std::optional<std::vector<fleet::Resource>> start_resources;
  std::optional<std::vector<fleet::Resource>> stop_resources;
  std::optional<std::int64_t> start_daily_cost;
  std::optional<std::int64_t> stop_daily_cost;
};
SLIPWAY_JSON_CAMEL(VersionView, id, template_id, template_name, name, message, archive, provisioner, tags, status,
                   is_active, promote, run_id, job_id, error, created_by, created_at, ended_at, variables, parameters,
                   readme, start_resources, stop_resources, start_daily_cost, stop_daily_cost)
const json::Rules& json_rules(const VersionView*);

VersionView view_version(const fleet::TemplateVersion& version, const fleet::Template& subject);
// With all of it.
VersionView full_version(store::Transaction& tx, const durable::Sealer& sealer, const fleet::TemplateVersion& version,
                         const fleet::Template& subject);

// RFC 7396: what is named is replaced, null takes it away. For the document; read by apply_change.
struct ChangeTemplate {
  std::optional<std::string> display_name;
  std::optional<std::string> description;
  std::optional<std::string> icon;
  std::optional<std::string> active_version;
  std::optional<std::string> deprecated;
  std::optional<std::int64_t> jobs_max;
};
SLIPWAY_JSON_CAMEL(ChangeTemplate, display_name, description, icon, active_version, deprecated, jobs_max)
const json::Rules& json_rules(const ChangeTemplate*);

struct PushVersion {
  std::string archive;
  std::string provisioner;
  std::optional<std::string> name;
  std::optional<std::string> message;
  std::optional<std::map<std::string, base::Secret>> variables;
  std::optional<std::map<std::string, std::string>> tags;
  std::optional<bool> promote;
  std::optional<std::string> display_name;
  std::optional<std::string> description;
  std::optional<std::string> icon;
};
SLIPWAY_JSON_CAMEL(PushVersion, archive, provisioner, name, message, variables, tags, promote, display_name,
                   description, icon)
const json::Rules& json_rules(const PushVersion*);

struct DryRunTemplate {
  std::optional<std::map<std::string, base::Secret>> parameters;
};
SLIPWAY_JSON_CAMEL(DryRunTemplate, parameters)
const json::Rules& json_rules(const DryRunTemplate*);

// Of secrets that came with a request, what they hold.
std::map<std::string, std::string> revealed(const std::optional<std::map<std::string, base::Secret>>& secrets);

}  // namespace slipway::api
