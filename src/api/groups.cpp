// Groups of users and their budgets, for admins (RUN-11).

#include "api/commit.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/group.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

// The whole of it.
struct PutGroup {
  std::int64_t daily_budget = 0;
  std::optional<std::vector<std::string>> members;
};
SLIPWAY_JSON_CAMEL(PutGroup, daily_budget, members)
inline const json::Rules& json_rules(const PutGroup*) {
  static const json::Rules rules{
      {.member = "daily_budget",
       .description = "Credits a day; those of a user's groups add up",
       .minimum = 0,
       .maximum = fleet::kBudgetMax},
      {.member = "members",
       .description = "Ids of users; nobody, if not given. Everybody is in `everyone`, which takes none",
       .max_items = fleet::kGroupMembersMax}};
  return rules;
}

struct DeletedGroup {
  std::string name;
};
SLIPWAY_JSON_CAMEL(DeletedGroup, name)

Answer list_all(Call& call) {
  parse_query<NoQuery>(call);
  json::Array items;
  co_await read(call.hub, [&](store::Transaction& tx) {
    items.clear();
    for (const auto& group : fleet::list_groups(tx)) items.push_back(json::to_value(group));
  });
  const auto count = std::int64_t(items.size());
  co_return list(call.meta(), std::move(items), {.total = count, .page_size = count});
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  std::optional<fleet::Group> group;
  co_await read(call.hub, [&](store::Transaction& tx) { group = fleet::find_group(tx, call.parameters.at(0)); });
  if (!group) throw base::not_found("group", call.parameters.at(0));
  co_return call.success(200, json::to_value(*group));
}

Answer put(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<PutGroup>(call);
  std::vector<base::UserId> members;
  for (const auto& member : request.members.value_or(std::vector<std::string>{})) members.emplace_back(member);
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto group = fleet::put_group(tx, call.parameters.at(0), request.daily_budget, members, now);
    return Deed{.answer = call.success(200, json::to_value(group)),
                .action = "group.put",
                .resource_type = "group",
                .resource_id = group.name,
                .details = json::Object{{"dailyBudget", group.daily_budget}, {"members", group.members.size()}}};
  });
  co_return std::move(committed.answer);
}

Answer remove(Call& call) {
  parse_query<NoQuery>(call);
  const auto& name = call.parameters.at(0);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    if (!fleet::remove_group(tx, name)) throw base::not_found("group", name);
    return Deed{.answer = call.success(200, json::to_value(DeletedGroup{name})),
                .action = "group.delete",
                .resource_type = "group",
                .resource_id = name};
  });
  co_return std::move(committed.answer);
}

}  // namespace

void add_group_routes(Router& router) {
  const std::string tag = "Quota";
  router.add(net::Method::get, "/v1/groups", Permission::admin, list_all,
             {.id = "listGroups",
              .tag = tag,
              .summary = "All groups with their budgets and members",
              .answer = page_of<fleet::Group>()});
  router.add(net::Method::get, "/v1/groups/:name", Permission::admin, get,
             {.id = "getGroup", .tag = tag, .summary = "One group", .answer = one<fleet::Group>()});
  router.add(net::Method::put, "/v1/groups/:name", Permission::admin, put,
             {.id = "putGroup",
              .tag = tag,
              .summary = "Makes a group, or sets all of it",
              .description = "With the first group there is a limit: who is in none may build only what costs nothing.",
              .body = body_of<PutGroup>(),
              .answer = one<fleet::Group>()});
  router.add(net::Method::del, "/v1/groups/:name", Permission::admin, remove,
             {.id = "deleteGroup", .tag = tag, .summary = "Takes a group away", .answer = one<DeletedGroup>()});
}

}  // namespace slipway::api
