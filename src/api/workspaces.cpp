#include "api/routes.h"

#include "api/built_workspaces.h"
#include "api/conditional.h"
#include "api/cursor.h"
#include "api/launch.h"
#include "api/query.h"
#include "api/run_view.h"
#include "api/workspace_runs.h"
#include "api/workspace_status.h"
#include "durable/journal.h"
#include "fleet/workspace.h"
#include "workflows/workspace_create.h"
#include "workflows/workspace_delete.h"
#include "workflows/workspace_start.h"
#include "workflows/workspace_stop.h"

namespace slipway::api {
namespace {

using base::WorkspaceId;
using fleet::Workspace;
using fleet::WorkspaceStatus;
using workflows::WorkspaceRequest;
using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kTextMax = 255;                // of each free text of a request, in characters
constexpr std::size_t kEnvironmentMax = 100;         // variables
constexpr std::size_t kEnvironmentBytes = 64 << 10;  // together: what a process start can carry with ease

struct CreateMetadata {
  std::optional<std::string> repo;
  std::optional<std::string> branch;
  std::optional<std::string> device_id;
};
SLIPWAY_JSON_SNAKE(CreateMetadata, repo, branch, device_id)
inline const json::Rules& json_rules(const CreateMetadata*) {
  static const json::Rules rules{{.member = "repo", .max_length = kTextMax},
                                 {.member = "branch", .max_length = kTextMax},
                                 {.member = "device_id", .max_length = kTextMax}};
  return rules;
}

struct CreateWorkspace {
  std::string name;
  std::optional<std::string> provider;
  std::optional<std::string> zone;
  std::optional<std::string> machine_type;
  std::optional<std::string> image_tag;
  std::optional<CreateMetadata> metadata;
  std::optional<std::map<std::string, std::string>> environment;
  std::optional<std::string> from_template;
  std::optional<std::string> template_version;
  std::optional<std::map<std::string, std::string>> parameters;
};
SLIPWAY_JSON_SNAKE(CreateWorkspace, name, provider, zone, machine_type, image_tag, metadata, environment, from_template,
                   template_version, parameters)
inline const json::Rules& json_rules(const CreateWorkspace*) {
  static const json::Rules rules{
      {.member = "name",
       .description = "A label of lower-case letters, digits and '-', unique among the owner's workspaces",
       .min_length = 1,
       .max_length = fleet::kNameMax,
       .pattern = "^[a-z]([a-z0-9-]*[a-z0-9])?$",
       .example = R"("hello")"},
      {.member = "provider", .description = "One of GET /v1/providers; the hub's first, if not given"},
      {.member = "zone", .description = "One of the provider's", .max_length = kTextMax},
      {.member = "machine_type", .description = "One of the provider's; its smallest, if not given"},
      {.member = "image_tag", .max_length = kTextMax},
      {.member = "metadata", .description = "What it is for"},
      {.member = "environment",
       .description = "Variables of the user's processes: names of letters, digits and '_', together at most 64 KiB. "
                      "Never shown again",
       .max_items = kEnvironmentMax},
      {.member = "from_template",
       .description = "A template's name: the workspace is built from it, and has no provider, zone, machine type, "
                      "image or environment of its own",
       .max_length = kTextMax},
      {.member = "template_version", .description = "The template's active one, if not given", .max_length = kTextMax},
      {.member = "parameters",
       .description = "Values of the template's parameters, as text; a list is JSON",
       .max_items = kEnvironmentMax}};
  return rules;
}

// Of workspaces that are built from templates; the others take neither.
struct StartWorkspace {
  std::optional<std::string> template_version;
  std::optional<std::map<std::string, std::string>> parameters;
};
SLIPWAY_JSON_SNAKE(StartWorkspace, template_version, parameters)
inline const json::Rules& json_rules(const StartWorkspace*) {
  static const json::Rules rules{
      {.member = "template_version",
       .description = "Of a workspace that is built from a template: as it was built last, if not given",
       .max_length = kTextMax},
      {.member = "parameters", .description = "Values to change; those not given stay", .max_items = kEnvironmentMax}};
  return rules;
}

struct DeleteWorkspace {
  bool orphan = false;
};
SLIPWAY_JSON_SNAKE(DeleteWorkspace, orphan)
inline const json::Rules& json_rules(const DeleteWorkspace*) {
  static const json::Rules rules{
      {.member = "orphan",
       .description = "For admins, of a workspace that is built from a template: the record goes, and whatever was "
                      "built stays, unknown to the hub"}};
  return rules;
}

enum class StopMode { stop, suspend };
BOOST_DESCRIBE_ENUM(StopMode, stop, suspend)
struct StopWorkspace {
  std::optional<StopMode> mode;
};
SLIPWAY_JSON_SNAKE(StopWorkspace, mode)
inline const json::Rules& json_rules(const StopWorkspace*) {
  static const json::Rules rules{
      {.member = "mode",
       .description = "stop frees all but the home, suspend keeps the memory too; stop, if not given"}};
  return rules;
}

enum class Owner { me, all };
BOOST_DESCRIBE_ENUM(Owner, me, all)
struct ListWorkspaces {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
  std::optional<std::string> name;
  std::optional<WorkspaceStatus> status;
  Owner owner = Owner::me;
};
SLIPWAY_JSON_SNAKE(ListWorkspaces, limit, page, cursor, name, status, owner)
inline const json::Rules& json_rules(const ListWorkspaces*) {
  static const json::Rules rules{kLimitRule,
                                 kPageRule,
                                 kCursorRule,
                                 {.member = "name", .description = "Of exactly this name"},
                                 {.member = "status", .description = "In this state"},
                                 {.member = "owner", .description = "all: everyone's, for admins"}};
  return rules;
}

WorkspaceId read_id(const Call& call) {
  const auto& text = call.parameters.at(0);
  // What is no id names nothing: the same answer as for one that is unknown.
  if (!base::is_uuid(text)) throw base::not_found("workspace", text);
  return WorkspaceId(text);
}

// What a template decides is not for its user to say.
void check_is_built(const CreateWorkspace& request) {
  const auto refuse = [](std::string_view field, bool is_given) {
    if (is_given) throw base::validation_error(field, "is decided by the template; leave it out");
  };
  refuse("provider", request.provider.has_value());
  refuse("zone", request.zone.has_value());
  refuse("machine_type", request.machine_type.has_value());
  refuse("image_tag", request.image_tag.has_value());
  refuse("environment", request.environment.has_value());
}

fleet::Metadata metadata_of(const CreateWorkspace& request) {
  if (!request.metadata) return {};
  return {request.metadata->repo, request.metadata->branch, request.metadata->device_id};
}

// Which of the two kinds of workspaces it is: runs of different types change them. Gives an answer if the request was
// answered before.
Answer find_kind(Call& call, const WorkspaceId& id, bool& is_built) {
  return look_unless_answered(call, [&call, id, &is_built](store::Transaction& tx) {
    is_built = fleet::get(tx, call.caller->scope(), id).provider == fleet::kBuiltProvider;
  });
}

void check(const CreateWorkspace& request) {
  fleet::validate_name("name", request.name);
  if (request.from_template) return check_is_built(request);
  if (request.template_version || request.parameters)
    throw base::validation_error(request.template_version ? "template_version" : "parameters",
                                 "is of a template: from_template is missing");
  if (!request.environment) return;
  std::size_t bytes = 0;
  for (const auto& [name, value] : *request.environment) {
    bytes += name.size() + value.size();
    const bool valid =
        !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
        name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (!valid)
      throw base::validation_error("environment/" + name,
                                   "is no variable name: letters, digits and '_', no digit first");
  }
  if (bytes > kEnvironmentBytes)
    throw base::validation_error("environment", "is larger than " + std::to_string(kEnvironmentBytes) + " bytes");
}

Workspace make_workspace(Call& call, const CreateWorkspace& request) {
  Hub& hub = call.hub;
  const auto& provider = hub.workflows.providers.get(request.provider.value_or(hub.workflows.providers.default_name()));
  const auto types = provider.machine_types();
  const auto now = hub.clock.now();
  const auto id = hub.ids.make<WorkspaceId>();
  if (request.zone && *request.zone != provider.default_zone())
    throw base::validation_error("zone", "'" + *request.zone + "' is none of the provider's zones",
                                 json::Array{provider.default_zone()});
  // The tail of the id is random: the machine's name is unique and can be told apart from an earlier one of that name.
  Workspace workspace{.id = id,
                      .name = request.name,
                      .owner_id = call.caller->user,
                      .provider = std::string(provider.name()),
                      .instance_name = request.name + "-" + id.str().substr(id.str().size() - 8),
                      .zone = request.zone.value_or(provider.default_zone()),
                      .image_tag = request.image_tag.value_or("host"),
                      .machine_type = request.machine_type.value_or(types.empty() ? "" : types.front().name),
                      .status = WorkspaceStatus::PROVISIONING,
                      .last_connected_at = {},
                      .metadata = metadata_of(request),
                      .created_at = now,
                      .updated_at = now,
                      .run_id = {},
                      .error = {},
                      .last_activity = {}};
  providers::MachineSpec spec{.name = workspace.instance_name,
                              .machine_type = workspace.machine_type,
                              .image_tag = workspace.image_tag,
                              .zone = workspace.zone,
                              .environment = request.environment.value_or(std::map<std::string, std::string>{})};
  const auto url = hub.workflows.hub_urls.find(workspace.provider);
  if (url != hub.workflows.hub_urls.end()) spec.hub_url = url->second;
  provider.validate(spec);
  return workspace;
}

durable::RunRecord make_run(Call& call, std::string_view type, const Workspace& workspace, WorkspaceRequest request) {
  request.provider = workspace.provider;
  return call.hub.engine.make_record(
      {.type = std::string(type),
       .resource_type = "workspace",
       .resource_id = workspace.id.str(),
       .triggered_by = call.caller->user.str(),
       .owner_id = workspace.owner_id.str(),
       .input = json::to_value(request),
       .ticket = durable::Ticket{.queue = std::string(kMachineQueue), .key = workspace.owner_id.str()},
       .trace = call.trace_text()});
}

// ---- answers

// For the document: launch.h makes it.
struct AcceptedWorkspace {
  Workspace workspace;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedWorkspace, workspace, run, status_url, estimated_duration_ms)

// ---- routes

Answer create(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<CreateWorkspace>(call);
  check(request);
  if (request.from_template) {
    WishedBuild wish{.template_version = request.template_version,
                     .parameters = request.parameters.value_or(std::map<std::string, std::string>{})};
    co_return co_await create_built(call, request.name, *request.from_template, std::move(wish), metadata_of(request));
  }
  Workspace workspace = make_workspace(call, request);
  const auto run = make_run(call, workflows::WorkspaceCreate::kType, workspace, {.workspace_id = workspace.id});
  workspace.run_id = run.id;
  const std::string sealed = call.hub.sealer.seal(
      base::Secret(json::print(request.environment.value_or(std::map<std::string, std::string>{}))));
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::insert(tx, workspace, sealed);
    durable::journal::insert_run(tx, run);
    const auto usual = durable::journal::usual_duration(tx, run.type);
    return Deed{.answer = accepted(call, run, "workspace", json::to_value(workspace), usual),
                .action = "workspace.create",
                .resource_type = "workspace",
                .resource_id = workspace.id.str(),
                .details = json::Object{{"name", workspace.name}, {"run", run.id.str()}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

durable::RunRecord make_change(Call& call, std::string_view type, WorkspaceRequest request, const WorkspaceId& id) {
  request.workspace_id = id;
  std::optional<durable::Ticket> ticket;
  if (type == workflows::WorkspaceStart::kType) ticket = durable::Ticket{.queue = std::string(kMachineQueue)};
  // Whose it is, is known only inside the transaction; the run's id is needed before.
  return call.hub.engine.make_record({.type = std::string(type),
                                      .resource_type = "workspace",
                                      .resource_id = id.str(),
                                      .triggered_by = call.caller->user.str(),
                                      .owner_id = {},
                                      .input = json::to_value(request),
                                      .ticket = std::move(ticket),
                                      .trace = call.trace_text()});
}

// Stores the run and makes the workspace its own. Gives what is answered and audited.
Deed take_by(Call& call, store::Transaction& tx, Workspace& workspace, durable::RunRecord& run) {
  give_to(run, workspace.owner_id);
  run.input.as_object()["provider"] = workspace.provider;
  fleet::take(tx, workspace, run.id, call.hub.clock.now());
  durable::journal::insert_run(tx, run);
  const auto usual = durable::journal::usual_duration(tx, run.type);
  return {.answer = accepted(call, run, "workspace", json::to_value(workspace), usual),
          .action = run.type,
          .resource_type = "workspace",
          .resource_id = workspace.id.str(),
          .details = json::Object{{"run", run.id.str()}}};
}

// Start and stop: one run at a time. `check` refuses what the state does not allow.
template <class Check>
Answer change(Call& call, std::string_view type, WorkspaceRequest request, Check check) {
  const auto id = read_id(call);
  auto run = make_change(call, type, std::move(request), id);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    Workspace workspace = fleet::get(tx, call.caller->scope(), id);
    check_if_match(call, "workspace", workspace.version, workspace_etag(workspace));
    check_nobody_at_work(tx, id);
    check(workspace);
    return take_by(call, tx, workspace, run);
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

Answer start(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<StartWorkspace>(call);
  const auto id = read_id(call);
  bool is_built = false;
  if (auto earlier = co_await find_kind(call, id, is_built)) co_return std::move(*earlier);
  if (is_built) {
    WishedBuild wish{.template_version = request.template_version,
                     .parameters = request.parameters.value_or(std::map<std::string, std::string>{})};
    co_return co_await change_built(call, id, fleet::Transition::start, std::move(wish));
  }
  if (request.template_version || request.parameters)
    throw base::validation_error(request.parameters ? "parameters" : "template_version",
                                 "the workspace is not built from a template");
  // What is there counts, not what is recorded: a machine that died may be started although it is called READY.
  const bool reachable = call.hub.agents.connected(id);
  co_return co_await change(call, workflows::WorkspaceStart::kType, {}, [reachable](const Workspace& workspace) {
    if (workspace.status == WorkspaceStatus::READY && reachable) throw base::invalid_state("the workspace is running");
  });
}

Answer stop(Call& call) {
  parse_query<NoQuery>(call);
  const auto mode = parse_body<StopWorkspace>(call).mode;
  const auto id = read_id(call);
  bool is_built = false;
  if (auto earlier = co_await find_kind(call, id, is_built)) co_return std::move(*earlier);
  if (is_built) {
    if (mode == StopMode::suspend)
      throw base::Error(base::ErrorClass::user, "SUSPEND_UNSUPPORTED",
                        "what is built from a template can be stopped, not suspended");
    co_return co_await change_built(call, id, fleet::Transition::stop, {});
  }
  WorkspaceRequest request;
  request.mode = mode == StopMode::suspend ? "suspend" : "stop";
  co_return co_await change(call, workflows::WorkspaceStop::kType, request, [mode](const Workspace& workspace) {
    // Asked for by name, a suspended machine is stopped: that frees its memory.
    if (workspace.status == WorkspaceStatus::SUSPENDED && mode != StopMode::stop)
      throw base::invalid_state("the workspace is stopped");
  });
}

// Legal in every state: what is at work is cut short by the run, and waited for. A delete that is already at work is
// the answer to another.
Answer remove(Call& call) {
  const auto query = parse_query<DeleteWorkspace>(call);
  const auto id = read_id(call);
  bool is_built = false;
  if (auto earlier = co_await find_kind(call, id, is_built)) co_return std::move(*earlier);
  if (query.orphan && !call.caller->is_admin())
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin may leave behind what was built");
  if (is_built) co_return co_await change_built(call, id, fleet::Transition::destroy, {.orphan = query.orphan});
  if (query.orphan) throw base::validation_error("orphan", "the workspace is not built from a template");
  auto run = make_change(call, workflows::WorkspaceDelete::kType, {}, id);
  bool joined = false;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    joined = false;
    Workspace workspace = fleet::get(tx, call.caller->scope(), id);
    check_if_match(call, "workspace", workspace.version, workspace_etag(workspace));
    for (const auto& other : durable::journal::unfinished_on(tx, id.str())) {
      if (other.record.type != run.type || other.record.id != workspace.run_id || other.parked_reason) continue;
      joined = true;
      return Deed{.answer = accepted(call, other.record, "workspace", json::to_value(workspace), std::nullopt),
                  .action = run.type,
                  .resource_type = "workspace",
                  .resource_id = id.str(),
                  .details = json::Object{{"run", other.record.id.str()}}};
    }
    return take_by(call, tx, workspace, run);
  });
  if (committed.replayed || joined) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  const auto id = read_id(call);
  std::optional<Workspace> workspace;
  co_await read(call.hub, [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); });
  const auto tag = workspace_etag(*workspace);
  co_return if_changed(call, tag, call.success(200, json::to_value(*workspace)));
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListWorkspaces>(call);
  const auto paging = paging_of(query);
  const std::string after = read_cursor(call, paging.cursor);
  if (!after.empty() && !base::is_uuid(after)) throw base::validation_error("cursor", "is none of ours");
  const fleet::WorkspaceFilter filter{
      .name = query.name, .status = query.status, .after = after, .offset = paging.offset(), .limit = paging.limit + 1};
  auto scope = fleet::Scope::owner(call.caller->user);
  if (query.owner == Owner::all) {
    if (!call.caller->is_admin())
      throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin sees everyone's workspaces");
    scope = fleet::Scope::everything("an admin asked for all");
  }
  std::vector<Workspace> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = fleet::list(tx, scope, filter);
    page.total = fleet::count(tx, scope, filter);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().id.str());
  }
  json::Array items;
  for (const auto& workspace : found) items.push_back(json::to_value(workspace));
  co_return list(call.meta(), std::move(items), page);
}

Answer status(Call& call) {
  parse_query<NoQuery>(call);
  const auto id = read_id(call);
  std::optional<Workspace> workspace;
  co_await read(call.hub, [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); });
  co_return call.success(200, json::to_value(co_await look_at(call.hub, *workspace)));
}

// Every route is there under /workspaces, too: the spelling from before there were versions.
void add_with_alias(Router& router, net::Method method, const std::string& pattern, const RouteHandler& handler,
                    Operation operation) {
  router.add(method, pattern, Permission::member, handler, operation);
  operation.hidden = true;
  router.add(method, pattern.substr(std::string_view("/v1").size()), Permission::member, handler, std::move(operation));
}

}  // namespace

void add_workspace_routes(Router& router) {
  add_with_alias(router, net::Method::get, "/v1/workspaces", list_all,
                 {.id = "listWorkspaces",
                  .tag = "Workspaces",
                  .summary = "The caller's workspaces, oldest first",
                  .query = query_of<ListWorkspaces>(),
                  .answer = page_of<Workspace>(),
                  .errors = {403}});
  add_with_alias(router, net::Method::post, "/v1/workspaces", create,
                 {.id = "createWorkspace",
                  .tag = "Workspaces",
                  .summary = "Makes a workspace: a machine, a home that outlives it, a way in",
                  .body = body_of<CreateWorkspace>(),
                  .answer = one<AcceptedWorkspace>(202),
                  .prefer_wait = true,
                  .errors = {403}});
  add_with_alias(router, net::Method::get, "/v1/workspaces/:id", get,
                 {.id = "getWorkspace",
                  .tag = "Workspaces",
                  .summary = "One workspace, as it is recorded",
                  .answer = one<Workspace>(),
                  .etag = true});
  add_with_alias(router, net::Method::del, "/v1/workspaces/:id", remove,
                 {.id = "deleteWorkspace",
                  .tag = "Workspaces",
                  .summary = "Destroys the machine, its home and its record",
                  .description = "Allowed in every state: a run that is at work on the workspace is cut short first.",
                  .query = query_of<DeleteWorkspace>(),
                  .answer = one<AcceptedWorkspace>(202),
                  .if_match = true,
                  .prefer_wait = true,
                  .errors = {403}});
  add_with_alias(router, net::Method::post, "/v1/workspaces/:id/start", start,
                 {.id = "startWorkspace",
                  .tag = "Workspaces",
                  .summary = "Starts or resumes the machine",
                  .body = optional_body_of<StartWorkspace>(),
                  .answer = one<AcceptedWorkspace>(202),
                  .if_match = true,
                  .prefer_wait = true});
  add_with_alias(router, net::Method::post, "/v1/workspaces/:id/stop", stop,
                 {.id = "stopWorkspace",
                  .tag = "Workspaces",
                  .summary = "Stops or suspends the machine",
                  .body = optional_body_of<StopWorkspace>(),
                  .answer = one<AcceptedWorkspace>(202),
                  .if_match = true,
                  .prefer_wait = true});
  add_with_alias(router, net::Method::get, "/v1/workspaces/:id/status", status,
                 {.id = "getWorkspaceStatus",
                  .tag = "Workspaces",
                  .summary = "What the store says and what the backend says, now, side by side",
                  .answer = one<WorkspaceStatusView>()});
}

}  // namespace slipway::api
