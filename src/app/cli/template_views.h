#pragma once
// What the API answers about templates, as far as the command line shows it.

#include <map>

#include "app/cli/views.h"

namespace slipway::app::cli {

struct TemplateView {
  std::string id;
  std::string name;
  std::string display_name;
  std::string description;
  std::optional<std::string> active_version, deprecated;
  std::optional<std::int64_t> jobs_max;
  std::int64_t workspaces = 0;
  std::optional<base::Instant> created_at, updated_at;
};
SLIPWAY_JSON_CAMEL(TemplateView, id, name, display_name, description, active_version, deprecated, jobs_max, workspaces,
                   created_at, updated_at)

struct TemplateVariableView {
  std::string name, type, description;
  std::optional<std::string> default_value, value;
  bool required = false;
};
SLIPWAY_JSON_CAMEL(TemplateVariableView, name, type, description, default_value, value, required)

struct TemplateParameterView {
  std::string name, type, description;
  std::optional<std::string> default_value;
  bool required = false;
  bool is_mutable = true;
};
SLIPWAY_JSON_CAMEL(TemplateParameterView, name, type, description, default_value, required, is_mutable)

struct TemplateResourceView {
  std::string address, action;
  std::int64_t daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(TemplateResourceView, address, action, daily_cost)

struct TemplateVersionView {
  std::string id;
  std::string template_name;
  std::string name;
  std::string message;
  std::string provisioner;
  std::map<std::string, std::string> tags;
  std::string status;
  bool is_active = false;
  std::optional<std::string> run_id, job_id;
  std::optional<ErrorView> error;
  std::optional<base::Instant> created_at;
  std::vector<TemplateVariableView> variables;
  std::vector<TemplateParameterView> parameters;
  std::vector<TemplateResourceView> start_resources;
  std::optional<std::int64_t> start_daily_cost, stop_daily_cost;
};
SLIPWAY_JSON_CAMEL(TemplateVersionView, id, template_name, name, message, provisioner, tags, status, is_active, run_id,
                   job_id, error, created_at, variables, parameters, start_resources, start_daily_cost, stop_daily_cost)

struct DryRunOutcomeView {
  std::vector<TemplateResourceView> resources;
  std::int64_t daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(DryRunOutcomeView, resources, daily_cost)

// Of GET /v1/jobs/:id.
struct DryRunJobView {
  std::string status;
  std::optional<ErrorView> error;
  std::optional<DryRunOutcomeView> dry_run;
};
SLIPWAY_JSON_CAMEL(DryRunJobView, status, error, dry_run)

}  // namespace slipway::app::cli
