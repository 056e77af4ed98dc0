// Workstations: ordering one, and looking at them. What is done to them: workstation_actions.cpp.

#include <charconv>

#include "api/cursor.h"
#include "api/routes.h"
#include "api/workstation_view.h"
#include "durable/journal.h"
#include "workflows/workstation_provision.h"

namespace slipway::api {
namespace {

using fleet::Workstation;
using fleet::WorkstationStatus;
using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kEnvironmentMax = 100;         // variables
constexpr std::size_t kEnvironmentBytes = 16 << 10;  // together: they lie in the cloud's record of the workstation

struct CreateWorkstation {
  std::string user_id;
  std::string organization_id;
  std::string tier;
  std::string user_email;
  std::optional<std::map<std::string, std::string>> environment;
};
SLIPWAY_JSON_CAMEL(CreateWorkstation, user_id, organization_id, tier, user_email, environment)
inline const json::Rules& json_rules(const CreateWorkstation*) {
  static const json::Rules rules{
      {.member = "user_id",
       .description = "Whose it will be",
       .min_length = 1,
       .max_length = workflows::kPartyIdMax,
       .example = R"("user-42")"},
      {.member = "organization_id",
       .description = "Its network is where the workstation goes",
       .min_length = 1,
       .max_length = workflows::kPartyIdMax,
       .example = R"("acme")"},
      {.member = "tier", .description = "One of GET /v1/tiers", .example = R"("starter")"},
      {.member = "user_email",
       .description = "Who is told when it is ready",
       .max_length = workflows::kEmailMax,
       .example = R"("ada@example.com")"},
      {.member = "environment",
       .description = "Variables of the user's processes, together at most 16 KiB. Never shown again",
       .max_items = kEnvironmentMax}};
  return rules;
}

enum class WorkstationOwner { me, all };
BOOST_DESCRIBE_ENUM(WorkstationOwner, me, all)

struct ListWorkstations {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
  std::optional<WorkstationStatus> status;
  std::optional<std::string> tier;
  std::optional<std::string> organization_id;
  std::optional<std::string> user_id;
  std::optional<std::string> waiting_for;
  bool deleted = false;
};
SLIPWAY_JSON_CAMEL(ListWorkstations, limit, page, cursor, status, tier, organization_id, user_id, waiting_for, deleted)
inline const json::Rules& json_rules(const ListWorkstations*) {
  static const json::Rules rules{kLimitRule,
                                 kPageRule,
                                 kCursorRule,
                                 {.member = "status", .description = "In this state"},
                                 {.member = "tier", .description = "Of this tier"},
                                 {.member = "organization_id", .description = "Of this organization"},
                                 {.member = "user_id", .description = "Of this user"},
                                 {.member = "waiting_for", .description = "`quota`: those that wait for it"},
                                 {.member = "deleted", .description = "Also those that were taken away"}};
  return rules;
}

std::string sealed_environment(const Call& call, const CreateWorkstation& request) {
  if (!request.environment || request.environment->empty()) return {};
  std::size_t bytes = 0;
  for (const auto& [name, value] : *request.environment) {
    bytes += name.size() + value.size();
    const bool valid =
        !name.empty() && !(name.front() >= '0' && name.front() <= '9') && !name.starts_with("SLIPWAY_") &&
        name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (!valid)
      throw base::validation_error("environment/" + name,
                                   "is no variable name: letters, digits and '_', no digit first, not SLIPWAY_…");
  }
  if (bytes > kEnvironmentBytes)
    throw base::validation_error("environment", "is larger than " + std::to_string(kEnvironmentBytes) + " bytes");
  return call.hub.sealer.seal(base::Secret(json::print(*request.environment)));
}

// As the fields of a message are called there, and here.
void check(const CreateWorkstation& request, const fleet::Tiers& tiers) {
  try {
    workflows::check_order({request.user_id, request.organization_id, request.tier, request.user_email}, tiers);
  } catch (const base::Error& error) {
    static const std::map<std::string, std::string, std::less<>> names{
        {"user_id", "userId"}, {"org_id", "organizationId"}, {"user_email", "userEmail"}};
    auto details = error.details();
    auto* field = details.is_object() ? details.as_object().if_contains("field") : nullptr;
    const auto name = field != nullptr ? names.find(std::string_view(field->as_string())) : names.end();
    if (name == names.end()) throw;
    auto message = error.message();
    if (const auto at = message.find(name->first); at != std::string::npos)
      message.replace(at, name->first.size(), name->second);
    *field = name->second;
    throw base::Error(error.error_class(), error.code(), message, details);
  }
}

struct OrderedWorkstation {
  std::string workstation_id;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(OrderedWorkstation, workstation_id, run, status_url, estimated_duration_ms)

Answer create(Call& call) {
  parse_query<NoQuery>(call);
  const auto& services = cloud_of(call);
  const auto request = parse_body<CreateWorkstation>(call);
  check(request, services.tiers);
  auto order = workflows::make_provision_request(
      {request.user_id, request.organization_id, request.tier, request.user_email}, source_of(call), services.random);
  order.sealed_environment = sealed_environment(call, request);
  auto start = workflows::start_request(order);
  start.trace = call.trace_text();
  const auto run = call.hub.engine.make_record(std::move(start));
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    durable::journal::insert_run(tx, run);
    const auto usual = durable::journal::usual_duration(tx, run.type);
    return Deed{
        .answer = accepted(call, run, "workstationId", json::Value(std::string_view(order.workstation_id)), usual),
        .action = "workstation.order",
        .resource_type = "workstation",
        .resource_id = order.workstation_id,
        .details = json::Object{{"run", run.id.str()},
                                {"user", order.user_id},
                                {"organization", order.organization_id},
                                {"tier", order.tier}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  std::optional<Workstation> workstation;
  co_await read(call.hub, [&](store::Transaction& tx) {
    workstation = fleet::get_workstation(tx, call.caller->scope(), call.parameters.at(0));
  });
  co_return if_changed(call, etag(*workstation), call.success(200, json::to_value(*workstation)));
}

// A position is the time of making and the id, for two may be made at once.
std::string position_of(const Workstation& workstation) {
  return std::to_string(base::to_unix_ms(workstation.created_at)) + ":" + workstation.id;
}

void set_position(fleet::WorkstationFilter& filter, const std::string& position) {
  if (position.empty()) return;
  const auto colon = position.find(':');
  std::int64_t at = 0;
  const auto [end, failure] = std::from_chars(position.data(), position.data() + std::min(colon, position.size()), at);
  if (failure != std::errc() || colon == std::string::npos || end != position.data() + colon)
    throw base::validation_error("cursor", "is none of ours");
  filter.before = base::from_unix_ms(at);
  filter.before_id = position.substr(colon + 1);
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListWorkstations>(call);
  const auto paging = paging_of(query);
  fleet::WorkstationFilter filter{.status = query.status,
                                  .tier = query.tier,
                                  .organization_id = query.organization_id,
                                  .user_id = query.user_id,
                                  .waiting_for = query.waiting_for,
                                  .with_deleted = query.deleted || query.status == WorkstationStatus::deleted,
                                  .before = {},
                                  .before_id = {},
                                  .offset = paging.offset(),
                                  .limit = paging.limit + 1};
  set_position(filter, read_cursor(call, paging.cursor));
  std::vector<Workstation> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = fleet::list_workstations(tx, call.caller->scope(), filter);
    page.total = fleet::count_workstations(tx, call.caller->scope(), filter);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, position_of(found.back()));
  }
  json::Array items;
  for (const auto& workstation : found) items.push_back(json::to_value(workstation));
  co_return list(call.meta(), std::move(items), page);
}

}  // namespace

void add_workstation_routes(Router& router) {
  const std::string tag = "Workstations";
  router.add(net::Method::get, "/v1/workstations", Permission::member, list_all,
             {.id = "listWorkstations",
              .tag = tag,
              .summary = "The caller's workstations, newest first; of admins, all",
              .query = query_of<ListWorkstations>(),
              .answer = page_of<Workstation>()});
  router.add(net::Method::post, "/v1/workstations", Permission::admin, create,
             {.id = "createWorkstation",
              .tag = tag,
              .summary = "Orders a workstation, as the message of a finished checkout does",
              .body = body_of<CreateWorkstation>(),
              .answer = one<OrderedWorkstation>(202),
              .prefer_wait = true,
              .errors = {409}});
  router.add(net::Method::get, "/v1/workstations/:id", Permission::member, get,
             {.id = "getWorkstation",
              .tag = tag,
              .summary = "One workstation, as it is recorded",
              .answer = one<Workstation>(),
              .etag = true});
}

}  // namespace slipway::api
