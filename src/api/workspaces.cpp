#include "api/routes.h"

#include <charconv>

#include "api/launch.h"
#include "api/workspace_status.h"
#include "durable/journal.h"
#include "fleet/workspace.h"
#include "net/static_files.h"
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

struct CreateWorkspace {
  std::string name;
  std::optional<std::string> provider;
  std::optional<std::string> zone;
  std::optional<std::string> machine_type;
  std::optional<std::string> image_tag;
  std::optional<fleet::Metadata> metadata;
  std::optional<std::map<std::string, std::string>> environment;
};
SLIPWAY_JSON_SNAKE(CreateWorkspace, name, provider, zone, machine_type, image_tag, metadata, environment)

enum class StopMode { stop, suspend };
BOOST_DESCRIBE_ENUM(StopMode, stop, suspend)
struct StopWorkspace {
  std::optional<StopMode> mode;
};
SLIPWAY_JSON_SNAKE(StopWorkspace, mode)
struct Nothing {};
SLIPWAY_JSON_SNAKE(Nothing)

constexpr std::size_t kTextMax = 255;                // of each free text of a request
constexpr std::size_t kEnvironmentMax = 100;         // variables
constexpr std::size_t kEnvironmentBytes = 64 << 10;  // together: what a process start can carry with ease

WorkspaceId read_id(const Call& call) {
  const auto& text = call.parameters.at(0);
  // What is no id names nothing: the same answer as for one that is unknown.
  if (!base::is_uuid(text)) throw base::not_found("workspace", text);
  return WorkspaceId(text);
}

std::string etag(const Workspace& workspace) {
  const auto connected = workspace.last_connected_at ? base::to_unix_ms(*workspace.last_connected_at) : 0;
  return "\"" + std::to_string(workspace.version) + "-" + std::to_string(connected) + "\"";
}

// A change is refused when the caller looked at an older version. Connections alone do not make a version.
void check_if_match(const Call& call, const Workspace& workspace) {
  const auto wanted = call.request.headers.get("If-Match");
  if (!wanted || *wanted == "*") return;
  if (!wanted->starts_with("\"" + std::to_string(workspace.version) + "-"))
    throw base::Error(base::ErrorClass::conflict, "PRECONDITION_FAILED",
                      "the workspace has changed since; its ETag is now " + etag(workspace));
}

void check_text(std::string_view field, const std::optional<std::string>& text) {
  if (text && text->size() > kTextMax)
    throw base::validation_error(field, "is longer than " + std::to_string(kTextMax) + " bytes");
}

void check(const CreateWorkspace& request) {
  fleet::validate_name("name", request.name);
  check_text("zone", request.zone);
  check_text("image_tag", request.image_tag);
  if (request.metadata) {
    check_text("metadata/repo", request.metadata->repo);
    check_text("metadata/branch", request.metadata->branch);
    check_text("metadata/device_id", request.metadata->device_id);
  }
  if (!request.environment) return;
  if (request.environment->size() > kEnvironmentMax)
    throw base::validation_error("environment", "has more than " + std::to_string(kEnvironmentMax) + " variables");
  std::size_t bytes = 0;
  for (const auto& [name, value] : *request.environment) {
    bytes += name.size() + value.size();
    const bool valid =
        !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
        name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (!valid)
      throw base::validation_error("environment/" + name,
                                   "is no variable name: letters, digits and '_', no digit first");
    if (value.find('\0') != std::string::npos)
      throw base::validation_error("environment/" + name, "must not contain a zero byte");
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
                      .metadata = request.metadata.value_or(fleet::Metadata{}),
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

// Where the operator made such a queue, what needs a machine waits in it, by owner. What gives machines back never
// does.
constexpr std::string_view kQueue = "workspaces";

durable::RunRecord make_run(Call& call, std::string_view type, const Workspace& workspace, WorkspaceRequest request) {
  request.provider = workspace.provider;
  return call.hub.engine.make_record(
      {.type = std::string(type),
       .resource_type = "workspace",
       .resource_id = workspace.id.str(),
       .triggered_by = call.caller->user.str(),
       .owner_id = workspace.owner_id.str(),
       .input = json::to_value(request),
       .ticket = durable::Ticket{.queue = std::string(kQueue), .key = workspace.owner_id.str()}});
}

// ---- routes

Answer create(Call& call) {
  expect_query(call, {});
  const auto request = parse_body<CreateWorkspace>(call);
  check(request);
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
  if (type == workflows::WorkspaceStart::kType) ticket = durable::Ticket{.queue = std::string(kQueue)};
  // Whose it is, is known only inside the transaction; the run's id is needed before.
  return call.hub.engine.make_record({.type = std::string(type),
                                      .resource_type = "workspace",
                                      .resource_id = id.str(),
                                      .triggered_by = call.caller->user.str(),
                                      .owner_id = {},
                                      .input = json::to_value(request),
                                      .ticket = std::move(ticket)});
}

// Stores the run and makes the workspace its own. Gives what is answered and audited.
Deed take_by(Call& call, store::Transaction& tx, Workspace& workspace, durable::RunRecord& run) {
  run.owner_id = workspace.owner_id.str();
  run.input.as_object()["provider"] = workspace.provider;
  if (run.ticket != nullptr) {
    durable::Ticket ticket = *run.ticket;
    ticket.key = run.owner_id;
    run.ticket = std::make_shared<const durable::Ticket>(std::move(ticket));
  }
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
    check_if_match(call, workspace);
    // Not only the run in progress: one that was cut short may still be undoing.
    for (const auto& other : durable::journal::unfinished_on(tx, id.str()))
      throw base::invalid_state("run " + other.record.id.str() +
                                " is at work on this workspace; wait for it or cancel it");
    check(workspace);
    return take_by(call, tx, workspace, run);
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

Answer start(Call& call) {
  expect_query(call, {});
  parse_body<Nothing>(call);
  const auto id = read_id(call);
  // What is there counts, not what is recorded: a machine that died may be started although it is called READY.
  const bool reachable = call.hub.agents.connected(id);
  return change(call, workflows::WorkspaceStart::kType, {}, [reachable](const Workspace& workspace) {
    if (workspace.status == WorkspaceStatus::READY && reachable) throw base::invalid_state("the workspace is running");
  });
}

Answer stop(Call& call) {
  expect_query(call, {});
  const auto mode = parse_body<StopWorkspace>(call).mode;
  WorkspaceRequest request;
  request.mode = mode == StopMode::suspend ? "suspend" : "stop";
  return change(call, workflows::WorkspaceStop::kType, request, [mode](const Workspace& workspace) {
    // Asked for by name, a suspended machine is stopped: that frees its memory.
    if (workspace.status == WorkspaceStatus::SUSPENDED && mode != StopMode::stop)
      throw base::invalid_state("the workspace is stopped");
  });
}

// Legal in every state: what is at work is cut short by the run, and waited for. A delete that is already at work is
// the answer to another.
Answer remove(Call& call) {
  expect_query(call, {});
  const auto id = read_id(call);
  auto run = make_change(call, workflows::WorkspaceDelete::kType, {}, id);
  bool joined = false;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    joined = false;
    Workspace workspace = fleet::get(tx, call.caller->scope(), id);
    check_if_match(call, workspace);
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
  expect_query(call, {});
  const auto id = read_id(call);
  std::optional<Workspace> workspace;
  co_await read(call.hub, [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); });
  const auto tag = etag(*workspace);
  const auto known = call.request.headers.get("If-None-Match");
  auto answer = known && net::matches_etag(*known, tag) ? net::Response{.status = 304, .headers = {}, .body = {}}
                                                        : call.success(200, json::to_value(*workspace));
  answer.headers.set("ETag", tag);
  answer.headers.set("Cache-Control", "private, no-cache");
  co_return answer;
}

Answer list_all(Call& call) {
  expect_query(call, {"limit", "page", "cursor", "name", "status", "owner"});
  const auto paging = read_paging(call);
  fleet::WorkspaceFilter filter{.name = call.request.query_value("name"),
                                .status = {},
                                .after = paging.cursor,
                                .offset = paging.offset(),
                                .limit = paging.limit + 1};
  if (!paging.cursor.empty() && !base::is_uuid(paging.cursor))
    throw base::validation_error("cursor", "is none of ours");
  if (const auto status = call.request.query_value("status"))
    filter.status = json::from_value<WorkspaceStatus>(json::Value(std::string_view(*status)), json::Mode::strict,
                                                      json::Path{&json::kRoot, "status"});
  auto scope = fleet::Scope::owner(call.caller->user);
  if (const auto owner = call.request.query_value("owner")) {
    if (*owner != "all" && *owner != "me")
      throw base::validation_error("owner", "must be 'me' or 'all'", json::Array{"me", "all"});
    if (*owner == "all" && !call.caller->is_admin())
      throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin sees everyone's workspaces");
    if (*owner == "all") scope = fleet::Scope::everything("an admin asked for all");
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
    page.next_cursor = found.back().id.str();
  }
  json::Array items;
  for (const auto& workspace : found) items.push_back(json::to_value(workspace));
  co_return list(call.meta(), std::move(items), page);
}

Answer status(Call& call) {
  expect_query(call, {});
  const auto id = read_id(call);
  std::optional<Workspace> workspace;
  co_await read(call.hub, [&](store::Transaction& tx) { workspace = fleet::get(tx, call.caller->scope(), id); });
  co_return call.success(200, json::to_value(co_await look_at(call.hub, *workspace)));
}

}  // namespace

void add_workspace_routes(Router& router) {
  for (const std::string base : {"/v1/workspaces", "/workspaces"}) {
    router.add(net::Method::get, base, Permission::member, list_all);
    router.add(net::Method::post, base, Permission::member, create);
    router.add(net::Method::get, base + "/:id", Permission::member, get);
    router.add(net::Method::del, base + "/:id", Permission::member, remove);
    router.add(net::Method::post, base + "/:id/start", Permission::member, start);
    router.add(net::Method::post, base + "/:id/stop", Permission::member, stop);
    router.add(net::Method::get, base + "/:id/status", Permission::member, status);
  }
}

}  // namespace slipway::api
