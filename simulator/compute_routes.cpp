// Compute Engine v1 as far as one looks at the machines behind workstations: compute.googleapis.com/compute/v1.

#include <array>

#include "base/digest.h"
#include "simulator/router.h"
#include "simulator/wire_format.h"

namespace slipway::simulator {

namespace {

constexpr std::size_t kPageMax = 500;

const std::string kProject = "/compute/v1/projects/{project}";
const std::string kZone = kProject + "/zones/{zone}";
constexpr std::array<std::string_view, 3> kZoneLetters{"a", "b", "c"};

struct MachineType {
  std::string_view name;
  int cpus;
  int memory_mb;
};
// Those of the tiers, and the API's default.
constexpr std::array<MachineType, 7> kMachineTypes{{{"e2-medium", 2, 4096},
                                                    {"e2-standard-4", 4, 16384},
                                                    {"e2-highmem-4", 4, 32768},
                                                    {"n2-standard-4", 4, 16384},
                                                    {"n2-highmem-4", 4, 32768},
                                                    {"n2-highmem-8", 8, 65536},
                                                    {"n2-highmem-16", 16, 131072}}};

std::string numeric_id(const std::string& text) {
  return std::to_string(std::stoull(base::sha256_hex(text).substr(0, 15), nullptr, 16));
}

std::string link(const Call& call, const std::string& rest) {
  return call.world.base_url + "/compute/v1/projects/" + call["project"] + "/" + rest;
}

std::string region_of(const std::string& zone) { return zone.substr(0, zone.rfind('-')); }

std::string_view status_of(State state) {
  if (state == State::starting) return "STAGING";
  return state == State::running ? "RUNNING" : "STOPPING";
}

json::Object network_interface(const Call& call, const std::string& region, const Instance& instance) {
  const std::string id = numeric_id(instance.name);
  const std::string host = std::to_string(std::stoull(id) % 250 + 2);
  return {{"kind", "compute#networkInterface"},
          {"name", "nic0"},
          {"network", link(call, "global/networks/default")},
          {"subnetwork", link(call, "regions/" + region + "/subnetworks/default")},
          {"networkIP", "10.128.0." + host},
          {"accessConfigs", json::Array{}}};
}

json::Object to_compute(const Call& call, const Resource& workstation) {
  const Instance& instance = *workstation.instance;
  const std::string zone = "zones/" + instance.zone;
  json::Object labels{{"goog-workstation", own_id(workstation.name)},
                      {"goog-workstation-config", own_id(parent_of(workstation.name))}};
  return {{"kind", "compute#instance"},
          {"id", instance.id},
          {"name", instance.name},
          {"creationTimestamp", base::format_rfc3339(instance.created)},
          {"status", status_of(workstation.state)},
          {"zone", link(call, zone)},
          {"machineType", link(call, zone + "/machineTypes/" + instance.machine_type)},
          {"networkInterfaces", json::Array{network_interface(call, region_of(instance.zone), instance)}},
          {"scheduling",
           json::Object{{"onHostMaintenance", "MIGRATE"}, {"automaticRestart", true}, {"preemptible", false}}},
          {"labels", std::move(labels)},
          {"selfLink", link(call, zone + "/instances/" + instance.name)}};
}

// Of the project, and of the zone unless that is empty; by instance name.
std::map<std::string, json::Object> instances(const Call& call, const std::string& zone) {
  const std::string prefix = "projects/" + call["project"] + "/";
  std::map<std::string, json::Object> found;
  const auto& resources = call.world.workstations.state().resources;
  for (auto it = resources.lower_bound(prefix); it != resources.end() && it->first.starts_with(prefix); ++it) {
    const auto& instance = it->second.instance;
    if (instance && (zone.empty() || instance->zone == zone)) found[instance->name] = to_compute(call, it->second);
  }
  return found;
}

std::string zone_in(const json::Object& instance) {
  return std::string(own_id(std::string_view(instance.at("zone").as_string())));
}

Answer list_instances(Call& call) {
  const Page page = read_page(call, kPageMax, kPageMax);
  const std::string filter = call.query("filter");
  json::Array items;
  json::Object body{{"kind", "compute#instanceList"}, {"id", "projects/" + call["project"] + "/instances"}};
  std::string last;
  for (const auto& [name, instance] : instances(call, call["zone"])) {
    if (name <= page.after || (!filter.empty() && !passes_filter(instance, filter))) continue;
    if (items.size() == page.size) {
      body["nextPageToken"] = page_token(last);
      break;
    }
    items.push_back(instance);
    last = name;
  }
  if (!items.empty()) body["items"] = std::move(items);
  body["selfLink"] = link(call, "zones/" + call["zone"] + "/instances");
  return {.body = std::move(body)};
}

// Each zone has its list, or a warning that there is nothing.
Answer aggregated_instances(Call& call) {
  const std::string filter = call.query("filter");
  const Page page = read_page(call, kPageMax, kPageMax);
  json::Object items;
  for (const auto letter : kZoneLetters) {
    const std::string zone = "zones/" + call.world.options.region + "-" + std::string(letter);
    items[zone] = json::Object{
        {"warning", json::Object{{"code", "NO_RESULTS_ON_PAGE"},
                                 {"message", "There are no results for scope '" + zone + "' on this page."},
                                 {"data", json::Array{json::Object{{"key", "scope"}, {"value", zone}}}}}}};
  }
  json::Object body{{"kind", "compute#instanceAggregatedList"},
                    {"id", "projects/" + call["project"] + "/aggregated/instances"}};
  std::size_t count = 0;
  std::string last;
  for (auto& [name, instance] : instances(call, "")) {
    if (name <= page.after || (!filter.empty() && !passes_filter(instance, filter))) continue;
    if (count++ == page.size) {
      body["nextPageToken"] = page_token(last);
      break;
    }
    json::Value& list = items["zones/" + zone_in(instance)];
    if (!list.is_object()) list = json::Object{};  // a zone of another region
    json::Object& zone = list.get_object();
    zone.erase("warning");
    if (!zone.contains("instances")) zone["instances"] = json::Array{};
    zone["instances"].get_array().push_back(instance);
    last = name;
  }
  body["items"] = std::move(items);
  body["selfLink"] = link(call, "aggregated/instances");
  return {.body = std::move(body)};
}

const Resource& find_instance(const Call& call) {
  const Resource* workstation = call.world.workstations.find_by_instance(call["instance"]);
  if (!workstation || workstation->instance->zone != call["zone"] ||
      segment(workstation->name, "projects") != call["project"])
    throw Failure(Code::not_found, "The resource 'projects/" + call["project"] + "/zones/" + call["zone"] +
                                       "/instances/" + call["instance"] + "' was not found");
  return *workstation;
}

json::Object finished_operation(const Call& call, const std::string& type) {
  const std::string name =
      "operation-" + std::to_string(base::to_unix_ms(call.now)) + "-" + std::to_string(call.number);
  const std::string zone = "zones/" + call["zone"];
  const std::string at = base::format_rfc3339(call.now);
  return {{"kind", "compute#operation"},
          {"id", numeric_id(name)},
          {"name", name},
          {"zone", link(call, zone)},
          {"operationType", type},
          {"targetLink", link(call, zone + "/instances/" + call["instance"])},
          {"status", "DONE"},
          {"user", call.user},
          {"progress", 100},
          {"insertTime", at},
          {"startTime", at},
          {"endTime", at},
          {"selfLink", link(call, zone + "/operations/" + name)}};
}

// Somebody takes the machine away under its workstation: what a drift sweep has to find.
Answer take_instance(Call& call, const std::string& type) {
  const std::string workstation = find_instance(call).name;
  call.world.workstations.lose_instance(workstation, call.now);
  json::Object operation = finished_operation(call, type);
  call.world.compute_operations[std::string(operation.at("name").as_string())] = operation;
  return {.body = std::move(operation)};
}

Answer get_operation(Call& call) {
  const auto found = call.world.compute_operations.find(call["operation"]);
  if (found == call.world.compute_operations.end())
    throw Failure(Code::not_found, "The resource '" + call.name() + "' was not found");
  return {.body = found->second};
}

json::Object zone_wire(const Call& call, const std::string& zone) {
  return {{"kind", "compute#zone"},
          {"id", numeric_id(zone)},
          {"name", zone},
          {"description", zone},
          {"status", "UP"},
          {"region", link(call, "regions/" + region_of(zone))},
          {"selfLink", link(call, "zones/" + zone)}};
}

json::Object region_wire(const Call& call, const std::string& region) {
  json::Array zones;
  for (const auto letter : kZoneLetters) zones.emplace_back(link(call, "zones/" + region + "-" + std::string(letter)));
  return {{"kind", "compute#region"},
          {"id", numeric_id(region)},
          {"name", region},
          {"status", "UP"},
          {"zones", std::move(zones)},
          {"quotas", json::Array{}},
          {"description", region},
          {"selfLink", link(call, "regions/" + region)}};
}

json::Object machine_type_wire(const Call& call, const MachineType& type) {
  const std::string zone = call["zone"];
  return {{"kind", "compute#machineType"},
          {"id", numeric_id(std::string(type.name))},
          {"name", type.name},
          {"guestCpus", type.cpus},
          {"memoryMb", type.memory_mb},
          {"zone", zone},
          {"selfLink", link(call, "zones/" + zone + "/machineTypes/" + std::string(type.name))}};
}

json::Object list_of(const std::string& kind, json::Array items) {
  return {{"kind", "compute#" + kind + "List"}, {"id", kind + "s"}, {"items", std::move(items)}};
}

using Add = std::function<void(std::string, std::string, std::string, Route::Handler)>;

void add_place_routes(const Add& add) {
  add("GET", kProject, "projects.get", [](Call& call) -> Answer {
    return {.body = json::Object{
                {"kind", "compute#project"},
                {"id", call.world.identity.project_number()},
                {"name", call["project"]},
                {"commonInstanceMetadata", json::Object{{"kind", "compute#metadata"}, {"fingerprint", "c2ltdWxhdGVk"}}},
                {"defaultServiceAccount", call.world.identity.service_account()},
                {"quotas", json::Array{}},
                {"selfLink", call.world.base_url + "/compute/v1/projects/" + call["project"]}}};
  });
  add("GET", kProject + "/zones", "zones.list", [](Call& call) -> Answer {
    json::Array zones;
    for (const auto letter : kZoneLetters)
      zones.push_back(zone_wire(call, call.world.options.region + "-" + std::string(letter)));
    return {.body = list_of("zone", std::move(zones))};
  });
  add("GET", kZone, "zones.get", [](Call& call) -> Answer { return {.body = zone_wire(call, call["zone"])}; });
  add("GET", kProject + "/regions", "regions.list",
      [](Call& call) -> Answer { return {.body = list_of("region", {region_wire(call, call.world.options.region)})}; });
  add("GET", kProject + "/regions/{region}", "regions.get",
      [](Call& call) -> Answer { return {.body = region_wire(call, call["region"])}; });
  add("GET", kZone + "/machineTypes", "machineTypes.list", [](Call& call) -> Answer {
    json::Array types;
    for (const auto& type : kMachineTypes) types.push_back(machine_type_wire(call, type));
    return {.body = list_of("machineType", std::move(types))};
  });
  add("GET", kZone + "/machineTypes/{type}", "machineTypes.get", [](Call& call) -> Answer {
    for (const auto& type : kMachineTypes) {
      if (type.name == call["type"]) return {.body = machine_type_wire(call, type)};
    }
    throw Failure(Code::not_found, "The resource '" + call.name() + "' was not found");
  });
}

}  // namespace

void add_compute_routes(Router& router) {
  const Add add = [&](std::string method, std::string pattern, std::string name, Route::Handler handler) {
    router.add({.method = std::move(method),
                .pattern = std::move(pattern),
                .service = "compute",
                .call = std::move(name),
                .handler = std::move(handler)});
  };
  add_place_routes(add);
  add("GET", kZone + "/instances", "instances.list", list_instances);
  add("GET", kProject + "/aggregated/instances", "instances.aggregatedList", aggregated_instances);
  add("GET", kZone + "/instances/{instance}", "instances.get",
      [](Call& call) -> Answer { return {.body = to_compute(call, find_instance(call))}; });
  add("DELETE", kZone + "/instances/{instance}", "instances.delete",
      [](Call& call) { return take_instance(call, "delete"); });
  add("POST", kZone + "/instances/{instance}/stop", "instances.stop",
      [](Call& call) { return take_instance(call, "stop"); });
  add("GET", kZone + "/operations/{operation}", "operations.get", get_operation);
  add("POST", kZone + "/operations/{operation}/wait", "operations.wait", get_operation);
}

}  // namespace slipway::simulator
