// Cloud Workstations v1: workstations.googleapis.com.

#include "simulator/resource_rules.h"
#include "simulator/router.h"
#include "simulator/wire_format.h"

namespace slipway::simulator {

namespace {

constexpr std::string_view kService = "workstations";
constexpr std::size_t kPageDefault = 100;
constexpr std::size_t kPageMax = 1000;
constexpr std::int64_t kAccessTokenSecondsDefault = 3600;
constexpr std::int64_t kAccessTokenSecondsMax = 24 * 3600;

const std::string kLocation = "/v1/projects/{project}/locations/{location}";

std::string collection_path(Kind kind) {
  switch (kind) {
    case Kind::cluster:
      return kLocation + "/workstationClusters";
    case Kind::config:
      return kLocation + "/workstationClusters/{cluster}/workstationConfigs";
    case Kind::workstation:
      break;
  }
  return kLocation + "/workstationClusters/{cluster}/workstationConfigs/{config}/workstations";
}

// "workstations", "configs", "clusters": what calls are named by.
std::string call_prefix(Kind kind) { return std::string(json::to_value(kind).get_string()) + "s."; }

std::string id_parameter(Kind kind) {
  switch (kind) {
    case Kind::cluster:
      return "workstationClusterId";
    case Kind::config:
      return "workstationConfigId";
    case Kind::workstation:
      break;
  }
  return "workstationId";
}

Terms terms_of_body(const Call& call) {
  Terms terms = call.terms();
  const json::Value body = call.body();
  if (const json::Value* only = body.get_object().if_contains("validateOnly"); only && only->is_bool())
    terms.validate_only = only->get_bool();
  if (const json::Value* etag = body.get_object().if_contains("etag"); etag && etag->is_string())
    terms.etag = std::string(etag->get_string());
  return terms;
}

Answer list_resources(Call& call, Kind kind, const std::string& parent) {
  const Page page = read_page(call, kPageDefault, kPageMax);
  const std::string filter = call.query("filter");
  if (kind != Kind::cluster && parent.find("/-") == std::string::npos)
    call.world.workstations.get(kind == Kind::config ? Kind::cluster : Kind::config, parent);
  const auto found = call.world.workstations.list(kind, parent, page.after, page.size + 1);
  json::Array items;
  for (std::size_t i = 0; i < std::min(found.size(), page.size); ++i) {
    json::Value wire = to_wire(*found[i]);
    if (filter.empty() || passes_filter(wire, filter)) items.push_back(std::move(wire));
  }
  json::Object body;
  if (!items.empty()) body[collection(kind)] = std::move(items);
  if (found.size() > page.size) body["nextPageToken"] = page_token(found[page.size - 1]->name);
  return {.body = std::move(body)};
}

std::string parent_name(const Call& call) { return call.name(call.request.segments.size() - 2); }

void add_resource_routes(Router& router, Kind kind) {
  const std::string path = collection_path(kind);
  const auto add = [&](std::string method, const std::string& suffix, const std::string& verb, Route::Handler handler) {
    router.add({.method = std::move(method),
                .pattern = path + suffix,
                .service = std::string(kService),
                .call = call_prefix(kind) + verb,
                .handler = std::move(handler)});
  };
  add("POST", "", "create", [kind](Call& call) -> Answer {
    Terms terms = call.terms();
    const std::string id = call.query(id_parameter(kind));
    return {.body = to_wire(call.world.workstations.create(kind, parent_name(call), id, call.body(), terms))};
  });
  add("GET", "", "list", [kind](Call& call) { return list_resources(call, kind, parent_name(call)); });
  add("GET", "/{id}", "get",
      [kind](Call& call) -> Answer { return {.body = to_wire(call.world.workstations.get(kind, call.name()))}; });
  add("PATCH", "/{id}", "update", [kind](Call& call) -> Answer {
    const json::Value body = call.body();
    Terms terms = call.terms();
    if (const json::Value* etag = body.get_object().if_contains("etag"); etag && etag->is_string())
      terms.etag = std::string(etag->get_string());
    return {.body = to_wire(call.world.workstations.update(kind, call.name(), body, call.query("updateMask"), terms))};
  });
  add("DELETE", "/{id}", "delete", [kind](Call& call) -> Answer {
    return {.body = to_wire(call.world.workstations.del(kind, call.name(), call.query_flag("force"), call.terms()))};
  });
  const std::string permissions = std::string(kind == Kind::workstation ? "workstations" : collection(kind));
  add("POST", "/{id}:testIamPermissions", "testIamPermissions", [](Call& call) -> Answer {
    const json::Value body = call.body();
    const json::Value* asked = body.get_object().if_contains("permissions");
    return {.body = json::Object{{"permissions", asked ? *asked : json::Value(json::Array{})}}};
  });
}

Answer generate_access_token(Call& call) {
  const Resource& workstation = call.world.workstations.get(Kind::workstation, call.name());
  const json::Value body = call.body();
  std::int64_t seconds = kAccessTokenSecondsDefault;
  if (const json::Value* ttl = body.get_object().if_contains("ttl"); ttl && ttl->is_string())
    seconds = std::atoll(std::string(ttl->get_string()).c_str());
  if (const json::Value* at = body.get_object().if_contains("expireTime"); at && at->is_string()) {
    const auto instant = base::parse_rfc3339(std::string_view(at->get_string()));
    if (!instant) throw invalid_argument("expire_time", "expected an RFC 3339 time");
    seconds = std::chrono::duration_cast<std::chrono::seconds>(*instant - call.now).count();
  }
  if (seconds <= 0 || seconds > kAccessTokenSecondsMax) throw invalid_argument("ttl", "must be at most 24 hours");
  if (workstation.state != State::running)
    throw Failure(Code::failed_precondition, "Workstation '" + workstation.name + "' is not running.");
  const std::chrono::seconds lifetime(seconds);
  return {.body =
              json::Object{{"accessToken", call.world.identity.access_token({workstation.name}, call.now, lifetime)},
                           {"expireTime", wire_time(call.now + lifetime)}}};
}

void add_workstation_verbs(Router& router) {
  const auto add = [&](const std::string& method, const std::string& suffix, const std::string& verb,
                       Route::Handler handler) {
    router.add({.method = method,
                .pattern = collection_path(Kind::workstation) + suffix,
                .service = std::string(kService),
                .call = "workstations." + verb,
                .handler = std::move(handler)});
  };
  add("POST", "/{id}:start", "start", [](Call& call) -> Answer {
    return {.body = to_wire(call.world.workstations.start(call.name(), terms_of_body(call)))};
  });
  add("POST", "/{id}:stop", "stop", [](Call& call) -> Answer {
    return {.body = to_wire(call.world.workstations.stop(call.name(), terms_of_body(call)))};
  });
  add("POST", "/{id}:generateAccessToken", "generateAccessToken", generate_access_token);
  // The caller is the administrator here: all are usable.
  add("GET", ":listUsable", "listUsable",
      [](Call& call) { return list_resources(call, Kind::workstation, parent_name(call)); });
}

void add_operation_routes(Router& router) {
  const auto add = [&](const std::string& method, const std::string& suffix, const std::string& verb,
                       Route::Handler handler) {
    router.add({.method = method,
                .pattern = kLocation + "/operations" + suffix,
                .service = std::string(kService),
                .call = "operations." + verb,
                .handler = std::move(handler)});
  };
  add("GET", "/{operation}", "get",
      [](Call& call) -> Answer { return {.body = to_wire(call.world.workstations.operation(call.name()))}; });
  add("GET", "", "list", [](Call& call) -> Answer {
    const Page page = read_page(call, kPageDefault, kPageMax);
    const auto found = call.world.workstations.operations(call.name(4), page.after, page.size + 1);
    json::Array items;
    for (std::size_t i = 0; i < std::min(found.size(), page.size); ++i) items.push_back(to_wire(*found[i]));
    json::Object body{{"operations", std::move(items)}};
    if (found.size() > page.size) body["nextPageToken"] = page_token(found[page.size - 1]->name);
    return {.body = std::move(body)};
  });
  add("POST", "/{operation}:cancel", "cancel", [](Call& call) -> Answer {
    call.world.workstations.cancel(call.name(), call.now);
    return {};
  });
  add("DELETE", "/{operation}", "delete", [](Call& call) -> Answer {
    call.world.workstations.forget_operation(call.name());
    return {};
  });
}

json::Object location(const std::string& project, const std::string& region) {
  return {{"name", "projects/" + project + "/locations/" + region},
          {"locationId", region},
          {"displayName", region},
          {"labels", json::Object{{"cloud.googleapis.com/region", region}}}};
}

void add_location_routes(Router& router) {
  router.add({.method = "GET",
              .pattern = "/v1/projects/{project}/locations",
              .service = std::string(kService),
              .call = "locations.list",
              .handler = [](Call& call) -> Answer {
                json::Array all{location(call["project"], call.world.options.region)};
                return {.body = json::Object{{"locations", std::move(all)}}};
              }});
  router.add({.method = "GET",
              .pattern = kLocation,
              .service = std::string(kService),
              .call = "locations.get",
              .handler = [](Call& call) -> Answer { return {.body = location(call["project"], call["location"])}; }});
}

}  // namespace

void add_workstations_routes(Router& router) {
  add_workstation_verbs(router);
  for (const Kind kind : {Kind::workstation, Kind::config, Kind::cluster}) add_resource_routes(router, kind);
  add_operation_routes(router);
  add_location_routes(router);
}

}  // namespace slipway::simulator
