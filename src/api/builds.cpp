// Builds of workspaces that come from templates: their history, and cutting one short.

#include "api/built_workspaces.h"
#include "api/commit.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "durable/journal.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

struct ListBuilds {
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
};
SLIPWAY_JSON_CAMEL(ListBuilds, limit, cursor)
inline const json::Rules& json_rules(const ListBuilds*) {
  static const json::Rules rules{kLimitRule, kCursorRule};
  return rules;
}

fleet::Build visible_build(store::Transaction& tx, const Call& call) {
  const auto& id = call.parameters.at(0);
  auto build = fleet::find_build(tx, call.hub.sealer, call.caller->scope(), base::BuildId(id));
  if (!build) throw base::not_found("build", id);
  return *std::move(build);
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListBuilds>(call);
  const auto& text = call.parameters.at(0);
  if (!base::is_uuid(text)) throw base::not_found("workspace", text);
  const base::WorkspaceId workspace(text);
  const auto before = read_number_cursor(call, query.cursor.value_or("")).value_or(0);
  json::Array items;
  Page page{.page = 1, .page_size = query.limit};
  std::int64_t last = 0;
  co_await read(call.hub, [&](store::Transaction& tx) {
    items.clear();
    const auto scope = call.caller->scope();
    page.total = fleet::count_builds(tx, scope, workspace);
    if (page.total == 0) fleet::get(tx, scope, workspace);  // not found, unless it is another kind of workspace
    auto builds = fleet::list_builds(tx, call.hub.sealer, scope, workspace, before, query.limit + 1);
    page.has_more = std::int64_t(builds.size()) > query.limit;
    if (page.has_more) builds.pop_back();
    for (const auto& build : builds) items.push_back(json::to_value(view_build(tx, build)));
    if (!builds.empty()) last = builds.back().number;
  });
  if (page.has_more) page.next_cursor = make_cursor(call, std::to_string(last));
  co_return list(call.meta(), std::move(items), page);
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  json::Value view;
  co_await read(call.hub,
                [&](store::Transaction& tx) { view = json::to_value(view_build(tx, visible_build(tx, call))); });
  co_return call.success(200, view);
}

// The run is cancelled, and the job with it. Whether that was in time, the build's status tells.
Answer cancel(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  std::function<void()> tell;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    tell = nullptr;
    const auto build = visible_build(tx, call);
    const auto row = durable::journal::find(tx, build.run_id);
    if (build.ended_at || !row || row->completed_at) throw base::invalid_state("the build has ended");
    tell = call.hub.engine.insert_cancel(tx, build.run_id, call.caller->user.str());
    auto answer = call.success(202, json::to_value(view_build(tx, build)));
    answer.headers.set("Location", "/v1/workflows/runs/" + build.run_id.str());
    answer.headers.set("Retry-After", "1");
    return Deed{.answer = std::move(answer),
                .action = "build.cancel",
                .resource_type = "build",
                .resource_id = build.id.str(),
                .details = json::Object{{"run", build.run_id.str()}}};
  });
  if (!committed.replayed && tell) tell();
  co_return std::move(committed.answer);
}

}  // namespace

void add_build_routes(Router& router) {
  router.add(net::Method::get, "/v1/workspaces/:id/builds", Permission::member, list_all,
             {.id = "listBuilds",
              .tag = "Workspaces",
              .summary = "The builds of a workspace that comes from a template, newest first",
              .description = "They are kept when the workspace is gone.",
              .query = query_of<ListBuilds>(),
              .answer = page_of<BuildView>()});
  router.add(net::Method::get, "/v1/builds/:id", Permission::member, get,
             {.id = "getBuild",
              .tag = "Workspaces",
              .summary = "One build: what was asked for, what it made, why it failed",
              .answer = one<BuildView>()});
  router.add(net::Method::post, "/v1/builds/:id/cancel", Permission::member, cancel,
             {.id = "cancelBuild",
              .tag = "Workspaces",
              .summary = "Cuts a build short: gracefully first, by force after some minutes",
              .description = "Its status tells what came of it: cancelled, failed, or succeeded before the cancel "
                             "took hold. What was made by then is in its state, and the next build goes on from there.",
              .body = optional_body_of<NoBody>(),
              .answer = one<BuildView>(202)});
}

}  // namespace slipway::api
