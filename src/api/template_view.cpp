#include "api/template_view.h"

#include <algorithm>

namespace slipway::api {
namespace {

constexpr std::size_t kTextMax = 200;  // characters of a title, an icon, a name
constexpr std::size_t kReasonMax = 500;
constexpr std::size_t kDescriptionMax = 10'000;
constexpr std::size_t kValueMax = 64 * 1024;  // characters of a variable's or a parameter's value
constexpr std::size_t kValuesMax = 500;
constexpr std::size_t kTagsMax = 50;
constexpr std::size_t kArchiveLength = 64;

// What a sensitive one has without anybody's doing is as secret as what it is set to (RUN-17).
template <class Declared>
std::optional<std::string> shown_default(const Declared& declared) {
  if (declared.sensitive && declared.default_value) return std::string(base::kRedacted);
  return declared.default_value;
}

VariableView view_variable(const fleet::TemplateVariable& variable, const std::vector<fleet::NamedValue>& values) {
  VariableView view{.name = variable.name,
                    .type = variable.type,
                    .description = variable.description,
                    .default_value = shown_default(variable),
                    .required = variable.required,
                    .sensitive = variable.sensitive,
                    .value = {}};
  const auto found = std::ranges::find(values, variable.name, &fleet::NamedValue::name);
  if (found != values.end()) view.value = variable.sensitive ? std::string(base::kRedacted) : found->value;
  return view;
}

}  // namespace

const json::Rules& json_rules(const TemplateView*) {
  static const json::Rules rules{
      {.member = "active_version", .description = "The name of the version that new workspaces are built from"},
      {.member = "deprecated", .description = "Why it is to be used no more: it makes no new workspaces"},
      {.member = "jobs_max", .description = "Of its jobs at once; no bound, if absent"},
      {.member = "workspaces", .description = "How many are built from it"},
      {.member = "version", .description = "Of this record: the ETag"}};
  return rules;
}

const json::Rules& json_rules(const VersionView*) {
  static const json::Rules rules{
      {.member = "archive", .description = "The hash of its archive: GET /v1/blobs/:hash"},
      {.member = "promote", .description = "Becomes the active one when it is ready"},
      {.member = "tags", .description = "That a daemon must have to do its jobs"},
      {.member = "job_id", .description = "Of its import: GET /v1/jobs/:id/logs"},
      {.member = "variables", .description = "Set by whoever pushed it. This and what follows: left out in lists"},
      {.member = "parameters", .description = "Chosen by the users of its workspaces"},
      {.member = "start_resources", .description = "What a start makes"},
      {.member = "stop_resources", .description = "What stays when a workspace is stopped"},
      {.member = "start_daily_cost", .description = "Credits a day while a workspace runs"},
      {.member = "stop_daily_cost", .description = "Credits a day while it is stopped"}};
  return rules;
}

const json::Rules& json_rules(const ChangeTemplate*) {
  static const json::Rules rules{
      {.member = "display_name", .max_length = kTextMax},
      {.member = "description", .description = "Markdown", .max_length = kDescriptionMax},
      {.member = "icon", .description = "A character, a name, or a path on the hub", .max_length = kTextMax},
      {.member = "active_version",
       .description = "Name or id of one that is ready: newer or older",
       .max_length = kTextMax},
      {.member = "deprecated",
       .description = "Why: no new workspaces; null: it is not deprecated",
       .max_length = kReasonMax,
       .nullable = true},
      {.member = "jobs_max",
       .description = "Of its jobs at once; null: no bound",
       .minimum = 1,
       .maximum = 10'000,
       .nullable = true}};
  return rules;
}

const json::Rules& json_rules(const PushVersion*) {
  static const json::Rules rules{
      {.member = "archive",
       .description = "The SHA-256 of a tar, tar.gz or zip that was uploaded with PUT /v1/blobs/:hash",
       .min_length = kArchiveLength,
       .max_length = kArchiveLength,
       .pattern = "^[0-9a-f]{64}$",
       .example = R"("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")"},
      {.member = "provisioner", .description = "terraform, scripted …", .min_length = 1, .max_length = kTextMax},
      {.member = "name", .description = "v1, v2 …, if not given", .max_length = fleet::kVersionNameMax},
      {.member = "message", .description = "What is new", .max_length = kDescriptionMax},
      {.member = "variables",
       .description =
           "Values of the template's variables, as text: a list is JSON. Sealed; sensitive ones are never shown",
       .max_length = kValueMax,
       .max_items = kValuesMax},
      {.member = "tags",
       .description = "That a daemon must have to do its jobs",
       .max_length = kTextMax,
       .max_items = kTagsMax},
      {.member = "promote", .description = "Whether it becomes the active version when it is ready; yes, if not given"},
      {.member = "display_name", .description = "Of the template, as the two that follow", .max_length = kTextMax},
      {.member = "description", .description = "Markdown", .max_length = kDescriptionMax},
      {.member = "icon", .max_length = kTextMax}};
  return rules;
}

const json::Rules& json_rules(const DryRunTemplate*) {
  static const json::Rules rules{{.member = "parameters",
                                  .description = "Values by the names of the template's parameters, as text",
                                  .max_length = kValueMax,
                                  .max_items = kValuesMax}};
  return rules;
}

TemplateView view_template(store::Transaction& tx, const fleet::Template& subject) {
  return {.id = subject.id,
          .name = subject.name,
          .display_name = subject.display_name.empty() ? subject.name : subject.display_name,
          .description = subject.description,
          .icon = subject.icon,
          .active_version = subject.active_version,
          .active_version_id = subject.active_version_id,
          .deprecated = subject.deprecated,
          .jobs_max = subject.jobs_max,
          .workspaces = fleet::count_workspaces_of(tx, subject.id),
          .owner_id = subject.owner_id,
          .version = subject.version,
          .created_at = subject.created_at,
          .updated_at = subject.updated_at};
}

VersionView view_version(const fleet::TemplateVersion& version, const fleet::Template& subject) {
  return {.id = version.id,
          .template_id = version.template_id,
          .template_name = version.template_name,
          .name = version.name,
          .message = version.message,
          .archive = version.archive,
          .provisioner = version.provisioner,
          .tags = version.tags,
          .status = version.status,
          .is_active = subject.active_version_id == version.id,
          .promote = version.promote,
          .run_id = version.run_id,
          .job_id = version.job_id,
          .error = version.error,
          .created_by = version.created_by,
          .created_at = version.created_at,
          .ended_at = version.ended_at,
          .variables = {},
          .parameters = {},
          .readme = {},
          .start_resources = {},
          .stop_resources = {},
          .start_daily_cost = {},
          .stop_daily_cost = {}};
}

VersionView full_version(store::Transaction& tx, const durable::Sealer& sealer, const fleet::TemplateVersion& version,
                         const fleet::Template& subject) {
  auto view = view_version(version, subject);
  if (version.parsed) {
    const auto values = fleet::version_values(tx, sealer, version);
    view.variables.emplace();
    for (const auto& variable : version.parsed->variables) view.variables->push_back(view_variable(variable, values));
    view.parameters = version.parsed->parameters;
    for (auto& parameter : *view.parameters) parameter.default_value = shown_default(parameter);
    view.readme = version.parsed->readme;
  }
  if (version.outcome) {
    view.start_resources = version.outcome->start_resources;
    view.stop_resources = version.outcome->stop_resources;
    view.start_daily_cost = version.outcome->start_daily_cost;
    view.stop_daily_cost = version.outcome->stop_daily_cost;
  }
  return view;
}

std::map<std::string, std::string> revealed(const std::optional<std::map<std::string, base::Secret>>& secrets) {
  std::map<std::string, std::string> values;
  if (secrets)
    for (const auto& [name, secret] : *secrets) values.emplace(name, secret.reveal());
  return values;
}

}  // namespace slipway::api
