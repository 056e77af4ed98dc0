#include "api/built_workspaces.h"

#include "api/conditional.h"
#include "api/launch.h"
#include "api/workspace_runs.h"
#include "durable/journal.h"
#include "fleet/parameter_check.h"
#include "fleet/template.h"
#include "workflows/workspace_build.h"

namespace slipway::api {
namespace {

using base::WorkspaceId;
using fleet::Build;
using fleet::Transition;
using fleet::Workspace;

durable::RunRecord make_run(Call& call, const WorkspaceId& workspace, const base::BuildId& build, Transition transition,
                            bool orphan) {
  const workflows::WorkspaceBuildRequest request{
      .workspace_id = workspace, .build_id = build, .transition = transition, .orphan = orphan};
  std::optional<durable::Ticket> ticket;
  if (transition == Transition::start) ticket = durable::Ticket{.queue = std::string(kMachineQueue), .key = {}};
  return call.hub.engine.make_record({.type = std::string(workflows::WorkspaceBuild::kType),
                                      .resource_type = "workspace",
                                      .resource_id = workspace.str(),
                                      .triggered_by = call.caller->user.str(),
                                      .owner_id = {},
                                      .input = json::to_value(request),
                                      .ticket = std::move(ticket),
                                      .trace = call.trace_text()});
}

Build make_build(const Call& call, const Workspace& workspace, const fleet::TemplateVersion& version,
                 const base::BuildId& id, Transition transition, const durable::RunRecord& run) {
  return {.id = id,
          .workspace_id = workspace.id,
          .number = 0,
          .workspace_name = workspace.name,
          .owner_id = workspace.owner_id,
          .template_id = version.template_id,
          .version_id = version.id,
          .transition = transition,
          .reason = "requested",
          .status = fleet::JobStatus::pending,
          .run_id = run.id,
          .job_id = {},
          .parameters = {},
          .daily_cost = 0,
          .resources = {},
          .outputs = {},
          .error = {},
          .requested_by = call.caller->user,
          .created_at = {},
          .started_at = {},
          .ended_at = {}};
}

std::string image_of(const fleet::TemplateVersion& version) { return version.template_name + ":" + version.name; }

Deed deed_of(const Call& call, store::Transaction& tx, const Workspace& workspace, const Build& build,
             const durable::RunRecord& run, std::string_view action) {
  auto answer =
      accepted(call, run, "workspace", json::to_value(workspace), durable::journal::usual_duration(tx, run.type));
  return {.answer = std::move(answer),
          .action = std::string(action),
          .resource_type = "workspace",
          .resource_id = workspace.id.str(),
          .details = json::Object{{"name", workspace.name},
                                  {"run", run.id.str()},
                                  {"build", build.id.str()},
                                  {"template", workspace.image_tag}}};
}

std::string_view action_of(Transition transition) {
  if (transition == Transition::start) return "workspace.start";
  return transition == Transition::stop ? "workspace.stop" : "workspace.delete";
}

// A delete that is under way already, and does what is asked for: one that destroys does not, where everything is to be
// left behind, perhaps because there is no daemon any more that could.
const durable::journal::Row* find_delete(const std::vector<durable::journal::Row>& unfinished,
                                         const Workspace& workspace, bool orphan) {
  for (const auto& row : unfinished) {
    if (row.record.id != workspace.run_id || row.parked_reason) continue;
    const auto other = json::from_value<workflows::WorkspaceBuildRequest>(row.record.input, json::Mode::lenient);
    if (other.transition == Transition::destroy && (other.orphan || !orphan)) return &row;
  }
  return nullptr;
}

}  // namespace

net::Awaitable<net::Response> create_built(Call& call, std::string name, std::string from_template, WishedBuild wish,
                                           fleet::Metadata metadata) {
  Hub& hub = call.hub;
  const auto id = hub.ids.make<WorkspaceId>();
  const auto build_id = hub.ids.make<base::BuildId>();
  auto run = make_run(call, id, build_id, Transition::start, false);
  give_to(run, call.caller->user);
  const auto now = hub.clock.now();
  const auto sealed_nothing = hub.sealer.seal(base::Secret("{}"));
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto subject = fleet::find_template(tx, from_template);
    if (!subject) throw base::validation_error("from_template", "there is no template '" + from_template + "'");
    const auto version = fleet::version_for_new_workspace(tx, *subject, wish.template_version);
    const auto parameters = version.parsed ? version.parsed->parameters : std::vector<fleet::TemplateParameter>{};
    Workspace workspace{.id = id,
                        .name = name,
                        .owner_id = call.caller->user,
                        .provider = std::string(fleet::kBuiltProvider),
                        .instance_name = name + "-" + id.str().substr(id.str().size() - 8),
                        .zone = "",
                        .image_tag = image_of(version),
                        .machine_type = version.provisioner,
                        .status = fleet::WorkspaceStatus::PROVISIONING,
                        .last_connected_at = {},
                        .metadata = metadata,
                        .created_at = now,
                        .updated_at = now,
                        .run_id = run.id,
                        .error = {},
                        .last_activity = {}};
    auto build = make_build(call, workspace, version, build_id, Transition::start, run);
    build.parameters = fleet::resolve_parameters(parameters, wish.parameters, {});
    fleet::insert(tx, workspace, sealed_nothing);
    fleet::insert_built_workspace(tx, hub.sealer,
                                  {.workspace_id = id,
                                   .owner_id = workspace.owner_id,
                                   .template_id = version.template_id,
                                   .version_id = version.id,
                                   .parameters = {}},
                                  now);
    fleet::insert_build(tx, hub.sealer, build, fleet::remembered_parameters(parameters, build.parameters), now);
    durable::journal::insert_run(tx, run);
    return deed_of(call, tx, workspace, build, run, "workspace.create");
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

net::Awaitable<net::Response> change_built(Call& call, const WorkspaceId& id, Transition transition, WishedBuild wish) {
  Hub& hub = call.hub;
  const auto build_id = hub.ids.make<base::BuildId>();
  auto run = make_run(call, id, build_id, transition, wish.orphan);
  bool joined = false;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    joined = false;
    const auto now = hub.clock.now();
    auto workspace = fleet::get(tx, call.caller->scope(), id);
    check_if_match(call, "workspace", workspace.version, workspace_etag(workspace));
    const auto built = fleet::find_built_workspace(tx, hub.sealer, id);
    if (!built) throw base::not_found("workspace", id.str());
    if (transition != Transition::destroy) {
      check_nobody_at_work(tx, id);
      if (transition == Transition::stop && workspace.status == fleet::WorkspaceStatus::SUSPENDED)
        throw base::invalid_state("the workspace is stopped");
    } else if (const auto unfinished = durable::journal::unfinished_on(tx, id.str());
               const auto* other = find_delete(unfinished, workspace, wish.orphan)) {
      joined = true;
      return Deed{.answer = accepted(call, other->record, "workspace", json::to_value(workspace), std::nullopt),
                  .action = "workspace.delete",
                  .resource_type = "workspace",
                  .resource_id = id.str(),
                  .details = json::Object{{"run", other->record.id.str()}}};
    }
    const auto subject = fleet::find_template(tx, built->template_id);
    if (!subject) throw base::not_found("template", built->template_id.str());
    const auto version = wish.template_version ? fleet::get_version(tx, *subject, *wish.template_version)
                                               : fleet::get_version(tx, built->version_id);
    if (version.status != fleet::VersionStatus::ready)
      throw base::invalid_state("version '" + version.name + "' of the template is not ready");
    const auto parameters = version.parsed ? version.parsed->parameters : std::vector<fleet::TemplateParameter>{};
    auto build = make_build(call, workspace, version, build_id, transition, run);
    auto remembered = built->parameters;
    if (transition == Transition::start) {
      build.parameters = fleet::resolve_parameters(parameters, wish.parameters, built->parameters);
      remembered = fleet::remembered_parameters(parameters, build.parameters);
    } else {
      build.parameters =
          fleet::carried_parameters(parameters, built->parameters, fleet::last_start_parameters(tx, hub.sealer, id));
    }
    give_to(run, workspace.owner_id);
    fleet::insert_build(tx, hub.sealer, build, remembered, now);
    if (wish.template_version) fleet::set_image(tx, workspace, image_of(version));
    fleet::take(tx, workspace, run.id, now);
    durable::journal::insert_run(tx, run);
    return deed_of(call, tx, workspace, build, run, action_of(transition));
  });
  if (committed.replayed || joined) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

BuildView view_build(store::Transaction& tx, const Build& build) {
  BuildView view{.id = build.id,
                 .workspace_id = build.workspace_id,
                 .workspace_name = build.workspace_name,
                 .number = build.number,
                 .transition = build.transition,
                 .status = build.status,
                 .reason = build.reason,
                 .template_name = build.template_id.str(),
                 .template_version = build.version_id.str(),
                 .run_id = build.run_id.empty() ? std::nullopt : std::optional(build.run_id),
                 .job_id = build.job_id,
                 .parameters = build.parameters,
                 .daily_cost = build.daily_cost,
                 .resources = build.resources,
                 .outputs = build.outputs,
                 .error = build.error,
                 .requested_by = build.requested_by,
                 .created_at = build.created_at,
                 .started_at = build.started_at,
                 .ended_at = build.ended_at};
  if (const auto version = fleet::find_version(tx, build.version_id)) {
    view.template_name = version->template_name;
    view.template_version = version->name;
  }
  for (auto& value : view.parameters)
    if (value.sensitive) value.value = base::kRedacted;
  return view;
}

}  // namespace slipway::api
