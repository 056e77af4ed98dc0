// Tiers, organizations, and the places in the cloud where their workstations go.

#include "api/cursor.h"
#include "api/routes.h"
#include "api/workstation_view.h"
#include "base/digest.h"
#include "durable/journal.h"
#include "workflows/workstation_setup.h"
#include "workflows/workstation_sweep.h"

namespace slipway::api {
namespace {

using fleet::Organization;
using fleet::Scope;
using Answer = net::Awaitable<std::optional<net::Response>>;

struct TierView {
  std::string name;
  std::string machine_type;
  std::int64_t vcpus = 0;
  std::int64_t memory_gb = 0;
  std::int64_t disk_gb = 0;
  std::int64_t monthly_cost_usd = 0;
  std::map<std::string, std::int64_t> workstations;
};
SLIPWAY_JSON_CAMEL(TierView, name, machine_type, vcpus, memory_gb, disk_gb, monthly_cost_usd, workstations)
inline const json::Rules& json_rules(const TierView*) {
  static const json::Rules rules{
      {.member = "monthly_cost_usd", .description = "About"},
      {.member = "workstations", .description = "How many there are in each state; for admins"}};
  return rules;
}

struct ListOrganizations {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
};
SLIPWAY_JSON_CAMEL(ListOrganizations, limit, page, cursor)
inline const json::Rules& json_rules(const ListOrganizations*) {
  static const json::Rules rules{kLimitRule, kPageRule, kCursorRule};
  return rules;
}

constexpr std::size_t kNameMax = 300;  // of a network: projects/P/regions/R/subnetworks/S

struct PutOrganization {
  std::string cluster;
  std::optional<std::string> network;
  std::optional<std::string> subnetwork;
};
SLIPWAY_JSON_CAMEL(PutOrganization, cluster, network, subnetwork)
inline const json::Rules& json_rules(const PutOrganization*) {
  static const json::Rules rules{
      {.member = "cluster", .description = "The workstation cluster that is in its network", .max_length = 63},
      {.member = "network", .description = "projects/P/global/networks/N", .max_length = kNameMax},
      {.member = "subnetwork", .description = "projects/P/regions/R/subnetworks/S", .max_length = kNameMax}};
  return rules;
}

struct SetUp {
  std::optional<std::string> organization_id;
  std::optional<std::string> cluster;
  std::optional<std::string> network;
  std::optional<std::string> subnetwork;
  std::optional<bool> only_check;
};
SLIPWAY_JSON_CAMEL(SetUp, organization_id, cluster, network, subnetwork, only_check)
inline const json::Rules& json_rules(const SetUp*) {
  static const json::Rules rules{
      {.member = "organization_id", .description = "Whose place it is; left out: of all that have none of their own"},
      {.member = "cluster",
       .description = "Its workstation cluster; made of the organization's id, if not given",
       .max_length = 63},
      {.member = "network",
       .description = "projects/P/global/networks/N; the project's default, if not given",
       .max_length = kNameMax},
      {.member = "subnetwork", .description = "projects/P/regions/R/subnetworks/S", .max_length = kNameMax},
      {.member = "only_check", .description = "Looks and changes nothing"}};
  return rules;
}

struct AcceptedRun {
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedRun, run, status_url, estimated_duration_ms)

// Workstations come and go without a version: who sets the network needs not have counted them.
std::string etag(const Organization& organization) {
  return "\"" + std::to_string(organization.version) + "-" + std::to_string(organization.workstation_count) + "\"";
}

void check_seen(const Call& call, const std::optional<Organization>& before) {
  if (before) return check_if_match(call, "organization", before->version, etag(*before));
  if (call.request.headers.get("If-Match"))
    throw base::Error(base::ErrorClass::conflict, "PRECONDITION_FAILED", "there is no such organization yet");
}

void check_party(const std::string& id) {
  if (id.empty() || id.size() > workflows::kPartyIdMax ||
      id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@|+-") !=
          std::string::npos)
    throw base::validation_error("organizationId", "is no organization's id");
}

void check_place(const std::string& cluster, const std::string& network, const std::string& subnetwork) {
  if (!google::is_resource_id(cluster))
    throw base::validation_error("cluster", "is no id of a cluster: a-z, 0-9 and '-', a letter first, at most 63");
  const auto is_path = [](const std::string& name, std::string_view part) {
    return name.empty() || (name.starts_with("projects/") && name.find(part) != std::string::npos &&
                            name.find_first_of(" \t\n?#%") == std::string::npos);
  };
  if (!is_path(network, "/networks/")) throw base::validation_error("network", "must be projects/P/global/networks/N");
  if (!is_path(subnetwork, "/subnetworks/"))
    throw base::validation_error("subnetwork", "must be projects/P/regions/R/subnetworks/S");
}

// ---- tiers

Answer list_tiers(Call& call) {
  parse_query<NoQuery>(call);
  const auto& tiers = cloud_of(call).tiers;
  std::vector<fleet::WorkstationCount> counts;
  if (call.caller->is_admin())
    co_await read(call.hub, [&](store::Transaction& tx) { counts = fleet::count_by_tier(tx); });
  json::Array items;
  for (const auto& tier : tiers.all()) {
    TierView view{tier.name, tier.machine_type, tier.vcpus, tier.memory_gb, tier.disk_gb, tier.monthly_cost_usd, {}};
    for (const auto& count : counts)
      if (count.tier == tier.name) view.workstations[boost::describe::enum_to_string(count.status, "")] = count.count;
    items.push_back(json::to_value(view));
  }
  co_return call.success(200, items);
}

// ---- organizations

Answer list_all(Call& call) {
  const auto query = parse_query<ListOrganizations>(call);
  const auto paging = paging_of(query);
  std::vector<Organization> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  const auto after = read_cursor(call, paging.cursor);
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = fleet::list_organizations(tx, call.caller->scope(), after, paging.offset(), paging.limit + 1);
    page.total = fleet::count_organizations(tx, call.caller->scope());
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().id);
  }
  json::Array items;
  for (const auto& organization : found) items.push_back(json::to_value(organization));
  co_return list(call.meta(), std::move(items), page);
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  std::optional<Organization> organization;
  co_await read(call.hub, [&](store::Transaction& tx) {
    organization = fleet::find_organization(tx, call.caller->scope(), call.parameters.at(0));
  });
  if (!organization) throw base::not_found("organization", call.parameters.at(0));
  co_return if_changed(call, etag(*organization), call.success(200, json::to_value(*organization)));
}

Answer put(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<PutOrganization>(call);
  const auto& id = call.parameters.at(0);
  check_party(id);
  check_place(request.cluster, request.network.value_or(""), request.subnetwork.value_or(""));
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    check_seen(call, fleet::find_organization(tx, call.caller->scope(), id));
    const auto after = fleet::put_organization(
        tx, {.id = id, .cluster = request.cluster, .network = request.network, .subnetwork = request.subnetwork},
        call.hub.clock.now());
    Deed deed{.answer = call.success(200, json::to_value(after)),
              .action = "organization.put",
              .resource_type = "organization",
              .resource_id = id,
              .details = json::Object{{"cluster", request.cluster}}};
    deed.answer.headers.set("ETag", etag(after));
    return deed;
  });
  co_return std::move(committed.answer);
}

// ---- runs on places

// `resource` is what the run works on, for its list. `check` refuses, in the transaction.
Answer start_run(Call& call, std::string_view type, std::string resource_type, std::string resource_id,
                 json::Value input, std::function<void(store::Transaction&)> check = {}) {
  const auto run = call.hub.engine.make_record({.type = std::string(type),
                                                .resource_type = resource_type,
                                                .resource_id = resource_id,
                                                .triggered_by = call.caller->user.str(),
                                                .owner_id = call.caller->user.str(),
                                                .input = std::move(input),
                                                .trace = call.trace_text()});
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    if (check) check(tx);
    for (const auto& other : durable::journal::unfinished_on(tx, resource_id))
      if (other.record.type == type)
        throw base::invalid_state("run " + other.record.id.str() + " does that already; wait for it or cancel it");
    durable::journal::insert_run(tx, run);
    auto answer = accepted(call, run, "resource", nullptr, durable::journal::usual_duration(tx, run.type));
    auto body = json::parse_value(answer.body);
    body.at("data").as_object().erase("resource");
    answer.body = json::print_value(body);
    return Deed{.answer = std::move(answer),
                .action = std::string(type),
                .resource_type = resource_type,
                .resource_id = resource_id,
                .details = json::Object{{"run", run.id.str()}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, run, std::move(committed.answer));
}

constexpr std::size_t kClusterIdMax = 63;
constexpr std::size_t kDigestLength = 8;

// An id of a cluster, different for each organization: acme → slipway-acme, acme.example →
// slipway-acme-example-1f0c2d3e.
std::string cluster_for(const std::string& organization) {
  std::string id = "slipway-";
  for (const char c : organization) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool upper = c >= 'A' && c <= 'Z';
    id += fits ? c : upper ? char(c - 'A' + 'a') : '-';
  }
  if (id.size() <= kClusterIdMax && id == "slipway-" + organization && !id.ends_with('-')) return id;
  id.resize(std::min(id.size(), kClusterIdMax - 1 - kDigestLength));
  while (id.ends_with('-')) id.pop_back();
  return id + "-" + base::sha256_hex(organization).substr(0, kDigestLength);
}

Answer set_up(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<SetUp>(call);
  const auto& services = cloud_of(call);
  workflows::SetupRequest input{.organization_id = request.organization_id.value_or(""),
                                .network = request.network.value_or(""),
                                .subnetwork = request.subnetwork.value_or(""),
                                .only_check = request.only_check.value_or(false),
                                .source = source_of(call)};
  if (!input.organization_id.empty()) check_party(input.organization_id);
  std::optional<Organization> known;
  co_await read(call.hub, [&](store::Transaction& tx) {
    known = fleet::find_organization(tx, call.caller->scope(), input.organization_id);
  });
  if (request.cluster) {
    input.cluster = *request.cluster;
  } else if (input.organization_id.empty()) {
    input.cluster = services.default_cluster;
    if (input.cluster.empty())
      throw base::validation_error(
          "organizationId", "must be given, for the hub's configuration names no default_cluster for the others");
  } else {
    input.cluster = known && known->cluster ? *known->cluster : cluster_for(input.organization_id);
  }
  if (known && known->cluster == input.cluster) {
    if (!request.network) input.network = known->network.value_or("");
    if (!request.subnetwork) input.subnetwork = known->subnetwork.value_or("");
  }
  check_place(input.cluster, input.network, input.subnetwork);
  const auto cluster = input.cluster;
  co_return co_await start_run(
      call, workflows::WorkstationSetup::kType, "workstation-cluster", cluster, json::to_value(input),
      [cluster, id = input.organization_id](store::Transaction& tx) { fleet::check_cluster_free(tx, cluster, id); });
}

Answer sweep(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<workflows::SweepRequest>(call);
  cloud_of(call);
  return start_run(call, workflows::WorkstationSweep::kType, "workstations", "workstations", json::to_value(request));
}

}  // namespace

void add_organization_routes(Router& router) {
  router.add(net::Method::get, "/v1/tiers", Permission::member, list_tiers,
             {.id = "listTiers",
              .tag = "Workstations",
              .summary = "What workstations are sold as",
              .answer = one<std::vector<TierView>>(),
              .errors = {409}});
  router.add(net::Method::post, "/v1/workstations/setup", Permission::admin, set_up,
             {.id = "setUpWorkstations",
              .tag = "Organizations",
              .summary = "Makes a place ready for workstations: a cluster in a network, with a config for each tier",
              .description = "Safe to repeat: what is there is kept, and what differs is changed.",
              .body = optional_body_of<SetUp>(),
              .answer = one<AcceptedRun>(202),
              .prefer_wait = true,
              .errors = {409}});
  router.add(net::Method::post, "/v1/workstations/sweep", Permission::admin, sweep,
             {.id = "sweepWorkstations",
              .tag = "Workstations",
              .summary = "Compares what the cloud has with what is recorded",
              .body = optional_body_of<workflows::SweepRequest>(),
              .answer = one<AcceptedRun>(202),
              .prefer_wait = true,
              .errors = {409}});
  router.add(net::Method::get, "/v1/organizations", Permission::admin, list_all,
             {.id = "listOrganizations",
              .tag = "Organizations",
              .summary = "Organizations that have workstations or a network, by id",
              .query = query_of<ListOrganizations>(),
              .answer = page_of<Organization>()});
  router.add(net::Method::get, "/v1/organizations/:id", Permission::admin, get,
             {.id = "getOrganization",
              .tag = "Organizations",
              .summary = "One organization",
              .answer = one<Organization>(),
              .etag = true});
  router.add(net::Method::put, "/v1/organizations/:id", Permission::admin, put,
             {.id = "putOrganization",
              .tag = "Organizations",
              .summary = "Says where an organization's workstations go from now on",
              .description = "The cluster must be there, with its configs: `setUpWorkstations` makes it.",
              .body = body_of<PutOrganization>(),
              .answer = one<Organization>(),
              .etag = true,
              .if_match = true,
              .errors = {409}});
}

}  // namespace slipway::api
