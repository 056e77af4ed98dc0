// The states of workspaces: for the daemons that build them, and for admins who look at them or mend them. Terraform's
// own way to them: terraform_states.cpp.

#include "api/commit.h"
#include "api/query.h"
#include "api/routes.h"
#include "base/digest.h"
#include "fleet/job_queue.h"
#include "fleet/state_access.h"
#include "fleet/workspace.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kReasonMax = 500;  // characters

struct FenceQuery {
  std::optional<std::int64_t> fence;
};
SLIPWAY_JSON_CAMEL(FenceQuery, fence)
inline const json::Rules& json_rules(const FenceQuery*) {
  static const json::Rules rules{{.member = "fence", .description = "Of the job, as it was acquired", .minimum = 0}};
  return rules;
}

std::int64_t fence_of(const Call& call) {
  const auto fence = parse_query<FenceQuery>(call).fence;
  if (!fence) throw base::validation_error("fence", "is required");
  return *fence;
}

// ---- daemons

net::Awaitable<fleet::SealedState> seal(Call& call, std::string_view content) {
  co_return co_await net::run_blocking(call.hub.io, call.hub.workers,
                                       [&] { return fleet::seal_state(call.hub.sealer, content); });
}

base::JobId job_of(const Call& call) { return base::JobId(call.parameters.at(0)); }

Answer get_of_job(Call& call) {
  const auto fence = fence_of(call);
  std::optional<std::string> content;
  co_await write(call.hub, [&](store::Transaction& tx) {
    fleet::held_job(tx, job_of(call), fence, call.daemon->id);
    content = fleet::read_state(tx, call.hub.sealer, fleet::state_access(tx, job_of(call), fence).place);
  });
  // Not NOT_FOUND: to a daemon that means that the job is gone.
  if (!content)
    throw base::Error(base::ErrorClass::conflict, "STATE_MISSING", "the job's workspace has no state any more");
  co_return bytes(call.meta(), *std::move(content));
}

Answer put_of_job(Call& call) {
  const auto fence = fence_of(call);
  const auto now = call.hub.clock.now();
  const auto state = co_await seal(call, call.request.body);
  fleet::StateInfo info;
  co_await write(call.hub, [&](store::Transaction& tx) {
    fleet::held_job(tx, job_of(call), fence, call.daemon->id);
    const auto access = fleet::state_access(tx, job_of(call), fence);
    info = fleet::put_state(tx, access.place, access.job, state, now);
  });
  co_return call.success(200, json::to_value(info));
}

// ---- admins

struct StateQuery {
  std::optional<std::int64_t> build;
};
SLIPWAY_JSON_CAMEL(StateQuery, build)
inline const json::Rules& json_rules(const StateQuery*) {
  static const json::Rules rules{{.member = "build",
                                  .description = "What that build left, or began with; the newest, if not given",
                                  .minimum = 1}};
  return rules;
}

struct PushQuery {
  std::string reason;
};
SLIPWAY_JSON_CAMEL(PushQuery, reason)
inline const json::Rules& json_rules(const PushQuery*) {
  static const json::Rules rules{
      {.member = "reason", .description = "Why, for the audit; required", .max_length = kReasonMax}};
  return rules;
}

base::WorkspaceId workspace_of(const Call& call) { return base::WorkspaceId(call.parameters.at(0)); }

// States hold secrets in clear: who reads one leaves a trace.
Answer get_of_workspace(Call& call) {
  const auto build = parse_query<StateQuery>(call).build.value_or(std::numeric_limits<std::int64_t>::max());
  const auto workspace = workspace_of(call);
  const auto now = call.hub.clock.now();
  std::optional<std::string> content;
  co_await write(call.hub, [&](store::Transaction& tx) {
    content = fleet::read_state(tx, call.hub.sealer, {workspace, build});
    if (!content) throw base::not_found("state of workspace", workspace.str());
    fleet::audit(tx, {.at = now,
                      .actor_id = call.caller->user.str(),
                      .action = "workspace.read-state",
                      .resource_type = "workspace",
                      .resource_id = workspace.str(),
                      .request_id = call.request_id,
                      .remote = call.request.peer,
                      .details = json::Object{{"sha256", base::sha256_hex(*content)}}});
  });
  co_return bytes(call.meta(), *std::move(content));
}

Answer list_of_workspace(Call& call) {
  parse_query<NoQuery>(call);
  std::vector<fleet::StateInfo> states;
  co_await read(call.hub, [&](store::Transaction& tx) { states = fleet::list_states(tx, workspace_of(call)); });
  json::Array items;
  for (const auto& state : states) items.push_back(json::to_value(state));
  const auto count = std::int64_t(items.size());
  co_return list(call.meta(), std::move(items), {.total = count, .page_size = count});
}

Answer push(Call& call) {
  const auto reason = parse_query<PushQuery>(call).reason;
  if (reason.empty()) throw base::validation_error("reason", "is required");
  const auto workspace = workspace_of(call);
  const auto now = call.hub.clock.now();
  const auto state = co_await seal(call, call.request.body);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto info = fleet::push_state(tx, workspace, state, now);
    return Deed{.answer = call.success(200, json::to_value(info)),
                .action = "workspace.push-state",
                .resource_type = "workspace",
                .resource_id = workspace.str(),
                .details = json::Object{{"reason", reason}, {"sha256", info.sha256}}};
  });
  co_return std::move(committed.answer);
}

}  // namespace

void add_state_routes(Router& router) {
  const std::string tag = "States";
  const std::string job = "/v1/daemon/jobs/:id/state", workspace = "/v1/workspaces/:id/state";
  router.add(net::Method::get, job, Permission::daemon, get_of_job,
             {.id = "getJobState",
              .tag = tag,
              .summary = "What the build of a job begins with",
              .query = query_of<FenceQuery>(),
              .answer = answer_of(AnswerShape::bytes),
              .errors = {409}});
  router.add(
      net::Method::put, job, Permission::daemon, put_of_job,
      {.id = "putJobState",
       .tag = tag,
       .summary = "Keeps the state that the build of a job has reached",
       .description = "As often as it changes. One that is older than what is kept is refused with STATE_BEHIND.",
       .query = query_of<FenceQuery>(),
       .body = body_of_bytes(),
       .answer = one<fleet::StateInfo>(),
       .body_limit = fleet::kStateMax});
  router.add(net::Method::get, workspace, Permission::admin, get_of_workspace,
             {.id = "getWorkspaceState",
              .tag = tag,
              .summary = "The state that the next build of a workspace begins with; who reads it is audited",
              .query = query_of<StateQuery>(),
              .answer = answer_of(AnswerShape::bytes)});
  router.add(net::Method::put, workspace, Permission::admin, push,
             {.id = "pushWorkspaceState",
              .tag = tag,
              .summary = "Sets the state that the next build of a workspace begins with, without building",
              .description = "Refused while a build is waiting or at work. The states before it stay.",
              .query = query_of<PushQuery>(),
              .body = body_of_bytes(),
              .answer = one<fleet::StateInfo>(),
              .body_limit = fleet::kStateMax});
  router.add(net::Method::get, "/v1/workspaces/:id/states", Permission::admin, list_of_workspace,
             {.id = "listWorkspaceStates",
              .tag = tag,
              .summary = "The states of a workspace's builds, newest first, without what is in them",
              .answer = page_of<fleet::StateInfo>()});
  add_terraform_state_routes(router);
}

}  // namespace slipway::api
