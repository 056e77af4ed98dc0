#include "google/workstations_client.h"

#include "google/api_client.h"
#include "google/json_reading.h"
#include "google/resource_name.h"

namespace slipway::google {

namespace {

using net::Method;

constexpr const char* kService = "workstations";
constexpr base::Duration kAccessTtlMax = std::chrono::hours(24);

template <class Parse>
void check_name(Parse parse, const std::string& name, std::string_view example) {
  if (!parse(name))
    throw base::validation_error("name", "'" + name + "' is not a name such as " + std::string(example));
}
void check_location(const std::string& name) { check_name(parse_location_name, name, "projects/p/locations/l"); }
void check_cluster(const std::string& name) {
  check_name(parse_cluster_name, name, "projects/p/locations/l/workstationClusters/c");
}
void check_config(const std::string& name) {
  check_name(parse_config_name, name, "projects/p/locations/l/workstationClusters/c/workstationConfigs/f");
}
void check_workstation(const std::string& name) {
  check_name(parse_workstation_name, name,
             "projects/p/locations/l/workstationClusters/c/workstationConfigs/f/workstations/w");
}
void check_id(const std::string& id) {
  if (!is_resource_id(id))
    throw base::validation_error("id",
                                 "'" + id + "' is not an id: 2 to 63 of a-z, 0-9 and '-', a letter first, no '-' last");
}

ApiRequest request_to(const std::string& endpoint, const char* name, Method method, std::string path,
                      std::stop_token stop) {
  return {.service = kService,
          .name = name,
          .method = method,
          .endpoint = endpoint,
          .path = "/v1/" + std::move(path),
          .stop = std::move(stop)};
}

json::Value with_etag(const std::string& etag) {
  json::Object body;
  if (!etag.empty()) body["etag"] = etag;
  return body;
}

template <class T, class Parse>
std::optional<T> parsed(const std::optional<json::Value>& answer, Parse parse) {
  return answer ? std::optional<T>(parse(*answer)) : std::nullopt;
}

}  // namespace

WorkstationsClient::WorkstationsClient(ApiClient& api, std::string endpoint)
    : api_(api), endpoint_(std::move(endpoint)), operations_(api, kService, endpoint_) {}

json::Value WorkstationsClient::get(const char* method, const std::string& name, std::stop_token stop) {
  return api_.call(request_to(endpoint_, method, Method::get, name, std::move(stop)));
}

std::optional<json::Value> WorkstationsClient::find(const char* method, const std::string& name, std::stop_token stop) {
  return api_.find(request_to(endpoint_, method, Method::get, name, std::move(stop)));
}

template <class T>
Listed<T> WorkstationsClient::list(const char* method, const std::string& parent, const char* collection,
                                   T (*parse)(const json::Value&), const ListOptions& options, std::stop_token stop) {
  ApiRequest page = request_to(endpoint_, method, Method::get, parent + "/" + collection, std::move(stop));
  page.query = {
      {"pageSize", std::to_string(options.page_size)}, {"filter", options.filter}, {"fields", options.fields}};
  Listed<T> result;
  for_each_page(api_, std::move(page), options.pages_max, [&](const json::Value& answer) {
    for (const auto& one : elements(member(answer, collection))) result.items.push_back(parse(one));
    std::ranges::move(texts(member(answer, "unreachable")), std::back_inserter(result.unreachable));
  });
  return result;
}

Operation WorkstationsClient::create(const char* method, const std::string& collection, const char* id_name,
                                     const std::string& id, json::Value body, std::stop_token stop) {
  check_id(id);
  ApiRequest order = request_to(endpoint_, method, Method::post, collection, std::move(stop));
  order.query = {{id_name, id}};
  order.body = std::move(body);
  return parse_operation(api_.call(order));
}

Operation WorkstationsClient::update(const char* method, const std::string& name, const std::string& update_mask,
                                     json::Value body, const std::string& etag, std::stop_token stop) {
  if (update_mask.empty()) throw base::validation_error("updateMask", "must name what is to change");
  ApiRequest order = request_to(endpoint_, method, Method::patch, name, std::move(stop));
  order.query = {{"updateMask", update_mask}};
  body.get_object()["name"] = name;
  if (!etag.empty()) body.get_object()["etag"] = etag;
  order.body = std::move(body);
  return parse_operation(api_.call(order));
}

Operation WorkstationsClient::act(const char* method, const std::string& name, const char* verb,
                                  const std::string& etag, std::stop_token stop) {
  ApiRequest order = request_to(endpoint_, method, Method::post, name + ":" + verb, std::move(stop));
  order.body = with_etag(etag);
  return parse_operation(api_.call(order));
}

Operation WorkstationsClient::remove(const char* method, const std::string& name, const std::string& etag,
                                     std::stop_token stop) {
  ApiRequest order = request_to(endpoint_, method, Method::del, name, std::move(stop));
  order.query = {{"etag", etag}};
  return parse_operation(api_.call(order));
}

// ---- workstations

Operation WorkstationsClient::create_workstation(const std::string& config, const std::string& id,
                                                 const Workstation& workstation, std::stop_token stop) {
  check_config(config);
  return create("workstations.create", config + "/workstations", "workstationId", id, to_wire(workstation),
                std::move(stop));
}

Workstation WorkstationsClient::get_workstation(const std::string& name, std::stop_token stop) {
  check_workstation(name);
  return parse_workstation(get("workstations.get", name, std::move(stop)));
}

std::optional<Workstation> WorkstationsClient::find_workstation(const std::string& name, std::stop_token stop) {
  check_workstation(name);
  return parsed<Workstation>(find("workstations.get", name, std::move(stop)), parse_workstation);
}

Listed<Workstation> WorkstationsClient::list_workstations(const std::string& config, const ListOptions& options,
                                                          std::stop_token stop) {
  check_config(config);
  return list("workstations.list", config, "workstations", parse_workstation, options, std::move(stop));
}

Operation WorkstationsClient::start_workstation(const std::string& name, const std::string& etag,
                                                std::stop_token stop) {
  check_workstation(name);
  return act("workstations.start", name, "start", etag, std::move(stop));
}

Operation WorkstationsClient::stop_workstation(const std::string& name, const std::string& etag, std::stop_token stop) {
  check_workstation(name);
  return act("workstations.stop", name, "stop", etag, std::move(stop));
}

Operation WorkstationsClient::remove_workstation(const std::string& name, const std::string& etag,
                                                 std::stop_token stop) {
  check_workstation(name);
  return remove("workstations.delete", name, etag, std::move(stop));
}

WorkstationAccess WorkstationsClient::generate_access_token(const std::string& name, base::Duration ttl, int port,
                                                            std::stop_token stop) {
  check_workstation(name);
  if (ttl.count() < 0 || ttl > kAccessTtlMax) throw base::validation_error("ttl", "must be at most 24 hours");
  ApiRequest order = request_to(endpoint_, "workstations.generateAccessToken", Method::post,
                                name + ":generateAccessToken", std::move(stop));
  json::Object body;
  if (ttl.count() > 0) body["ttl"] = print_duration(ttl);
  if (port > 0) body["port"] = port;
  order.body = std::move(body);
  const json::Value answer = api_.call(order);
  const auto expires_at = instant(member(answer, "expireTime"));
  WorkstationAccess result{base::Secret(text(member(answer, "accessToken"))), expires_at.value_or(base::Instant())};
  if (result.token.empty() || !expires_at)
    throw base::Error(base::ErrorClass::transient, "MALFORMED_ANSWER", order.name + ": the answer holds no token");
  return result;
}

// ---- configs

Operation WorkstationsClient::create_config(const std::string& cluster, const std::string& id,
                                            const WorkstationConfig& config, std::stop_token stop) {
  check_cluster(cluster);
  return create("workstationConfigs.create", cluster + "/workstationConfigs", "workstationConfigId", id,
                to_wire(config), std::move(stop));
}

WorkstationConfig WorkstationsClient::get_config(const std::string& name, std::stop_token stop) {
  check_config(name);
  return parse_config(get("workstationConfigs.get", name, std::move(stop)));
}

std::optional<WorkstationConfig> WorkstationsClient::find_config(const std::string& name, std::stop_token stop) {
  check_config(name);
  return parsed<WorkstationConfig>(find("workstationConfigs.get", name, std::move(stop)), parse_config);
}

Listed<WorkstationConfig> WorkstationsClient::list_configs(const std::string& cluster, const ListOptions& options,
                                                           std::stop_token stop) {
  check_cluster(cluster);
  return list("workstationConfigs.list", cluster, "workstationConfigs", parse_config, options, std::move(stop));
}

Operation WorkstationsClient::update_config(const WorkstationConfig& config, const std::string& update_mask,
                                            std::stop_token stop) {
  check_config(config.name);
  return update("workstationConfigs.patch", config.name, update_mask, to_wire(config), config.etag, std::move(stop));
}

Operation WorkstationsClient::remove_config(const std::string& name, const std::string& etag, std::stop_token stop) {
  check_config(name);
  return remove("workstationConfigs.delete", name, etag, std::move(stop));
}

// ---- clusters

Operation WorkstationsClient::create_cluster(const std::string& location, const std::string& id,
                                             const WorkstationCluster& cluster, std::stop_token stop) {
  check_location(location);
  return create("workstationClusters.create", location + "/workstationClusters", "workstationClusterId", id,
                to_wire(cluster), std::move(stop));
}

WorkstationCluster WorkstationsClient::get_cluster(const std::string& name, std::stop_token stop) {
  check_cluster(name);
  return parse_cluster(get("workstationClusters.get", name, std::move(stop)));
}

std::optional<WorkstationCluster> WorkstationsClient::find_cluster(const std::string& name, std::stop_token stop) {
  check_cluster(name);
  return parsed<WorkstationCluster>(find("workstationClusters.get", name, std::move(stop)), parse_cluster);
}

Listed<WorkstationCluster> WorkstationsClient::list_clusters(const std::string& location, const ListOptions& options,
                                                             std::stop_token stop) {
  check_location(location);
  return list("workstationClusters.list", location, "workstationClusters", parse_cluster, options, std::move(stop));
}

Operation WorkstationsClient::update_cluster(const WorkstationCluster& cluster, const std::string& update_mask,
                                             std::stop_token stop) {
  check_cluster(cluster.name);
  return update("workstationClusters.patch", cluster.name, update_mask, to_wire(cluster), cluster.etag,
                std::move(stop));
}

Operation WorkstationsClient::remove_cluster(const std::string& name, const std::string& etag, std::stop_token stop) {
  check_cluster(name);
  return remove("workstationClusters.delete", name, etag, std::move(stop));
}

}  // namespace slipway::google
