// Pushing a version of a template, and planning one for a workspace that does not exist: what starts a run.

#include "api/job_bells.h"
#include "api/launch.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/run_view.h"
#include "api/template_view.h"
#include "durable/journal.h"
#include "fleet/job_queue.h"
#include "fleet/parameter_check.h"
#include "workflows/template_dry_run.h"
#include "workflows/template_import.h"

namespace slipway::api {
namespace {

using base::TemplateId;
using base::TemplateVersionId;
using Answer = net::Awaitable<std::optional<net::Response>>;

// For the document: what accepted (launch.h) answers with.
struct AcceptedVersion {
  VersionView version;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedVersion, version, run, status_url, estimated_duration_ms)

struct DryRunView {
  base::JobId job_id;
  std::string template_name;
  std::string template_version;
};
SLIPWAY_JSON_CAMEL(DryRunView, job_id, template_name, template_version)
inline const json::Rules& json_rules(const DryRunView*) {
  static const json::Rules rules{
      {.member = "job_id", .description = "GET /v1/jobs/:id has what it planned, once it has succeeded"}};
  return rules;
}
struct AcceptedDryRun {
  DryRunView dry_run;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedDryRun, dry_run, run, status_url, estimated_duration_ms)

durable::RunRecord make_run(Call& call, std::string_view type, const std::string& version) {
  return call.hub.engine.make_record({.type = std::string(type),
                                      .resource_type = "template_version",
                                      .resource_id = version,
                                      .triggered_by = call.caller->user.str(),
                                      .owner_id = call.caller->user.str(),
                                      .input = {},
                                      .ticket = {},
                                      .trace = call.trace_text()});
}

// ---- push

// What a push says of the template itself.
void describe(fleet::Template& subject, const PushVersion& request) {
  if (request.display_name) subject.display_name = *request.display_name;
  if (request.description) subject.description = *request.description;
  if (request.icon) subject.icon = *request.icon;
}

// The first push makes the template.
fleet::Template template_for(store::Transaction& tx, Call& call, const PushVersion& request, const TemplateId& id,
                             base::Instant now) {
  const auto& name = call.parameters.at(0);
  if (fleet::find_template(tx, name)) {
    const auto before = fleet::lock_template(tx, name);
    auto subject = before;
    describe(subject, request);
    if (json::to_value(subject) != json::to_value(before)) fleet::update_template(tx, subject, now);
    return subject;
  }
  fleet::Template subject{.id = id,
                          .name = name,
                          .display_name = "",
                          .description = "",
                          .icon = "",
                          .active_version_id = {},
                          .active_version = {},
                          .deprecated = {},
                          .jobs_max = {},
                          .owner_id = call.caller->user,
                          .created_at = now,
                          .updated_at = now};
  describe(subject, request);
  fleet::insert_template(tx, subject);
  return subject;
}

fleet::TemplateVersion make_version(const Call& call, const PushVersion& request, const fleet::Template& subject,
                                    const TemplateVersionId& id, const base::RunId& run, base::Instant now) {
  return {.id = id,
          .template_id = subject.id,
          .template_name = subject.name,
          .name = request.name.value_or(""),
          .message = request.message.value_or(""),
          .archive = request.archive,
          .provisioner = request.provisioner,
          .tags = request.tags.value_or(std::map<std::string, std::string>{}),
          .status = fleet::VersionStatus::importing,
          .promote = request.promote.value_or(true),
          .run_id = run,
          .job_id = {},
          .parsed = {},
          .outcome = {},
          .error = {},
          .created_by = call.caller->user,
          .created_at = now,
          .ended_at = {}};
}

Answer push(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<PushVersion>(call);
  if (request.name) fleet::validate_version_name("name", *request.name);
  const auto template_id = call.hub.ids.make<TemplateId>();
  const auto version_id = call.hub.ids.make<TemplateVersionId>();
  auto run = make_run(call, workflows::TemplateImport::kType, version_id.str());
  run.input = json::to_value(workflows::TemplateImportRequest{version_id});
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto subject = template_for(tx, call, request, template_id, now);
    auto version = make_version(call, request, subject, version_id, run.id, now);
    fleet::insert_version(tx, call.hub.sealer, version, revealed(request.variables));
    durable::journal::insert_run(tx, run);
    return Deed{
        .answer = accepted(call, run, "version", json::to_value(view_version(version, subject)),
                           durable::journal::usual_duration(tx, run.type)),
        .action = "template.push",
        .resource_type = "template",
        .resource_id = subject.id.str(),
        .details = json::Object{
            {"name", subject.name}, {"version", version.name}, {"archive", version.archive}, {"run", run.id.str()}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

// ---- dry run

fleet::NewJob dry_run_of(const Call& call, store::Transaction& tx, const fleet::TemplateVersion& version,
                         const std::map<std::string, std::string>& given, const durable::RunRecord& run) {
  if (version.status != fleet::VersionStatus::ready)
    throw base::invalid_state("version '" + version.name + "' is not ready");
  fleet::NewJob job{.id = workflows::job_of(run.id),
                    .type = fleet::JobType::template_dry_run,
                    .provisioner = version.provisioner,
                    .tags = version.tags,
                    .owner_id = call.caller->user,
                    .requested_by = call.caller->user,
                    .requested_by_name = call.caller->name,
                    .template_id = version.template_id,
                    .version_id = version.id,
                    .workspace_id = {},
                    .build_id = {},
                    .run_id = run.id,
                    .archive = version.archive,
                    .metadata = {},
                    .values = {},
                    .trace = call.trace_text()};
  job.metadata.owner_id = call.caller->user.str();
  job.metadata.owner_name = call.caller->name;
  job.metadata.template_name = version.template_name;
  job.metadata.template_version = version.name;
  job.values.variables = fleet::version_values(tx, call.hub.sealer, version);
  job.values.parameters = fleet::resolve_parameters(
      version.parsed ? version.parsed->parameters : std::vector<fleet::TemplateParameter>{}, given, {});
  return job;
}

Answer dry_run(Call& call) {
  parse_query<NoQuery>(call);
  const auto given = revealed(parse_body<DryRunTemplate>(call).parameters);
  auto run = make_run(call, workflows::TemplateDryRun::kType, "");
  run.input = json::to_value(workflows::TemplateDryRunRequest{workflows::job_of(run.id)});
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto subject = fleet::get_template(tx, call.parameters.at(0));
    fleet::hold_template(tx, subject.id);
    const auto version = fleet::get_version(tx, subject, call.parameters.at(1));
    const auto job = dry_run_of(call, tx, version, given, run);
    run.resource_id = version.id.str();
    fleet::insert_job(tx, call.hub.sealer, job, now);
    durable::journal::insert_run(tx, run);
    const DryRunView view{job.id, version.template_name, version.name};
    return Deed{
        .answer = accepted(call, run, "dryRun", json::to_value(view), durable::journal::usual_duration(tx, run.type)),
        .action = "template.dry-run",
        .resource_type = "template",
        .resource_id = subject.id.str(),
        .details = json::Object{{"version", version.name}, {"job", job.id.str()}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  call.hub.job_bells.ring(std::string(fleet::kBellQueue));
  co_return co_await launch(call, run, std::move(committed.answer));
}

}  // namespace

void add_template_push_routes(Router& router) {
  const std::string base = "/v1/templates/:name/versions", tag = "Templates";
  router.add(
      net::Method::post, base, Permission::admin, push,
      {.id = "pushTemplateVersion",
       .tag = tag,
       .summary = "Pushes a version of a template, and makes the template with the first one",
       .description = "A run imports it: a daemon parses it and plans it. Then it is ready, and becomes the active "
                      "version unless `promote` is false.",
       .body = body_of<PushVersion>(),
       .answer = one<AcceptedVersion>(202),
       .prefer_wait = true});
  router.add(net::Method::post, base + "/:version/dry-run", Permission::member, dry_run,
             {.id = "dryRunTemplateVersion",
              .tag = tag,
              .summary = "Plans a version for a workspace that does not exist",
              .body = optional_body_of<DryRunTemplate>(),
              .answer = one<AcceptedDryRun>(202),
              .prefer_wait = true});
}

}  // namespace slipway::api
