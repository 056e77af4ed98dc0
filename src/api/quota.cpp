// What a user's workspaces cost and may cost, and whether a build would pass (RUN-11).

#include "fleet/quota.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/group.h"
#include "fleet/template.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kTextMax = 200;  // characters of a name or id

struct QuotaQuery {
  std::optional<std::string> owner;
};
SLIPWAY_JSON_CAMEL(QuotaQuery, owner)
inline const json::Rules& json_rules(const QuotaQuery*) {
  static const json::Rules rules{
      {.member = "owner", .description = "A user's id, for admins; the caller, if not given", .max_length = kTextMax}};
  return rules;
}

struct CheckQuota {
  std::optional<std::string> from_template;
  std::optional<std::string> version;
  std::optional<std::int64_t> daily_cost;
  std::optional<std::string> workspace_id;
};
SLIPWAY_JSON_CAMEL(CheckQuota, from_template, version, daily_cost, workspace_id)
inline const json::Rules& json_rules(const CheckQuota*) {
  static const json::Rules rules{
      {.member = "from_template",
       .description = "A template's name: what a start of it costs by its import",
       .max_length = kTextMax},
      {.member = "version", .description = "Of the template; its active one, if not given", .max_length = kTextMax},
      {.member = "daily_cost",
       .description = "In credits, instead of a template's",
       .minimum = 0,
       .maximum = fleet::kBudgetMax},
      {.member = "workspace_id",
       .description = "Which would be built; a new one, if not given",
       .max_length = kTextMax}};
  return rules;
}

base::UserId owner_of(const Call& call, const std::optional<std::string>& wished) {
  if (!wished || *wished == call.caller->user.str()) return call.caller->user;
  if (!call.caller->is_admin())
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin may see another user's quota");
  return base::UserId(*wished);
}

Answer show(Call& call) {
  const auto owner = owner_of(call, parse_query<QuotaQuery>(call).owner);
  fleet::Quota quota;
  co_await read(call.hub, [&](store::Transaction& tx) {
    if (!fleet::find_user(tx, owner)) throw base::not_found("user", owner.str());
    quota = fleet::quota_of(tx, owner);
  });
  co_return call.success(200, json::to_value(quota));
}

std::int64_t cost_asked_about(store::Transaction& tx, const CheckQuota& request) {
  if (request.daily_cost) return *request.daily_cost;
  const auto subject = fleet::get_template(tx, *request.from_template);
  if (!request.version && !subject.active_version_id)
    throw base::invalid_state("template '" + subject.name + "' has no active version yet");
  const auto version = request.version ? fleet::get_version(tx, subject, *request.version)
                                       : fleet::get_version(tx, *subject.active_version_id);
  if (!version.outcome) throw base::invalid_state("version '" + version.name + "' is not ready: nobody knows its cost");
  return version.outcome->start_daily_cost;
}

// A workspace's cost counts for its owner, whoever asks.
base::UserId payer(store::Transaction& tx, const Call& call, const std::optional<base::WorkspaceId>& workspace) {
  if (!workspace) return call.caller->user;
  return fleet::get(tx, call.caller->scope(), *workspace).owner_id;
}

Answer check(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<CheckQuota>(call);
  if (request.version && !request.from_template)
    throw base::validation_error("version", "is of a template: fromTemplate is missing");
  if (request.daily_cost.has_value() == request.from_template.has_value())
    throw base::validation_error("body", "one of dailyCost and fromTemplate is needed, and only one");
  const auto workspace = request.workspace_id ? std::optional(base::WorkspaceId(*request.workspace_id)) : std::nullopt;
  fleet::QuotaCheck answer;
  co_await read(call.hub, [&](store::Transaction& tx) {
    answer = fleet::check_quota(tx, payer(tx, call, workspace), workspace, cost_asked_about(tx, request));
  });
  co_return call.success(200, json::to_value(answer));
}

}  // namespace

void add_quota_routes(Router& router) {
  router.add(net::Method::get, "/v1/quota", Permission::member, show,
             {.id = "getQuota",
              .tag = "Quota",
              .summary = "What a user's workspaces cost a day, and may cost",
              .query = query_of<QuotaQuery>(),
              .answer = one<fleet::Quota>(),
              .errors = {403, 404}});
  router.add(
      net::Method::post, "/v1/quota/check", Permission::member, check,
      {.id = "checkQuota",
       .tag = "Quota",
       .summary = "Whether a build of that cost would pass now",
       .description = "Nothing is changed or kept. A build that costs no more than its workspace does always passes.",
       .body = body_of<CheckQuota>(),
       .answer = one<fleet::QuotaCheck>(),
       .errors = {404}});
}

}  // namespace slipway::api
