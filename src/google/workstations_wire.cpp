// Between the API's JSON and our structs. The API's names stand here and nowhere else.

#include <algorithm>

#include "google/json_reading.h"
#include "google/workstations_client.h"

namespace slipway::google {

namespace {

WorkstationState parse_state(std::string_view state) {
  constexpr std::pair<std::string_view, WorkstationState> kStates[] = {
      {"STATE_STARTING", WorkstationState::starting},     {"STATE_RUNNING", WorkstationState::running},
      {"STATE_STOPPING", WorkstationState::stopping},     {"STATE_STOPPED", WorkstationState::stopped},
      {"STATE_SUSPENDING", WorkstationState::suspending}, {"STATE_SUSPENDED", WorkstationState::suspended}};
  for (const auto& [name, value] : kStates)
    if (name == state) return value;
  return WorkstationState::unknown;
}

// google.rpc.Status each
std::vector<std::string> parse_conditions(const json::Value& conditions) {
  std::vector<std::string> result;
  for (const auto& condition : elements(conditions)) result.push_back(text(member(condition, "message")));
  return result;
}

// Members that say something. What is empty or zero is left to the API's default.
class Writer {
 public:
  Writer& text(std::string_view name, const std::string& value) {
    return put(name, json::to_value(value), !value.empty());
  }
  Writer& number(std::string_view name, std::int64_t value) { return put(name, value, value != 0); }
  Writer& flag(std::string_view name, bool value) { return put(name, value, value); }
  Writer& map(std::string_view name, const std::map<std::string, std::string>& value) {
    return put(name, json::to_value(value), !value.empty());
  }
  Writer& list(std::string_view name, const std::vector<std::string>& value) {
    return put(name, json::to_value(value), !value.empty());
  }
  Writer& seconds(std::string_view name, base::Duration value) {
    return put(name, json::Value(std::string_view(print_duration(value))), value.count() != 0);
  }
  Writer& object(std::string_view name, Writer inner) {
    const bool is_something = !inner.object_.empty();
    return put(name, std::move(inner.object_), is_something);
  }
  Writer& put(std::string_view name, json::Value value, bool is_something = true) {
    if (is_something) object_[name] = std::move(value);
    return *this;
  }
  json::Value done() && { return std::move(object_); }

 private:
  json::Object object_;
};

json::Value home_of(const WorkstationConfig& config) {
  Writer disk;
  disk.put("sizeGb", config.home_size_gb)
      .text("diskType", config.home_disk_type)
      .put("reclaimPolicy", config.keep_home ? "RETAIN" : "DELETE");
  Writer directory;
  directory.put("mountPath", "/home").object("gcePd", std::move(disk));
  return json::Array{std::move(directory).done()};
}

}  // namespace

Workstation parse_workstation(const json::Value& wire) {
  Workstation result{.name = text(member(wire, "name")),
                     .display_name = text(member(wire, "displayName")),
                     .labels = text_map(member(wire, "labels")),
                     .annotations = text_map(member(wire, "annotations")),
                     .env = text_map(member(wire, "env")),
                     .source_workstation = text(member(wire, "sourceWorkstation")),
                     .uid = text(member(wire, "uid")),
                     .etag = text(member(wire, "etag")),
                     .host = text(member(wire, "host")),
                     .state_text = text(member(wire, "state")),
                     .reconciling = flag(member(wire, "reconciling")),
                     .created_at = instant(member(wire, "createTime")),
                     .started_at = instant(member(wire, "startTime")),
                     .deleted_at = instant(member(wire, "deleteTime"))};
  result.state = parse_state(result.state_text);
  return result;
}

json::Value to_wire(const Workstation& workstation) {
  Writer out;
  out.text("displayName", workstation.display_name)
      .map("labels", workstation.labels)
      .map("annotations", workstation.annotations)
      .map("env", workstation.env)
      .text("sourceWorkstation", workstation.source_workstation);
  return std::move(out).done();
}

WorkstationConfig parse_config(const json::Value& wire) {
  const json::Value& instance = member(wire, "host", "gceInstance");
  WorkstationConfig result{.name = text(member(wire, "name")),
                           .display_name = text(member(wire, "displayName")),
                           .labels = text_map(member(wire, "labels")),
                           .annotations = text_map(member(wire, "annotations")),
                           .machine_type = text(member(instance, "machineType")),
                           .boot_disk_size_gb = number(member(instance, "bootDiskSizeGb")),
                           .pool_size = number(member(instance, "poolSize")),
                           .service_account = text(member(instance, "serviceAccount")),
                           .tags = texts(member(instance, "tags")),
                           .disable_public_ip_addresses = flag(member(instance, "disablePublicIpAddresses")),
                           .disable_ssh = flag(member(instance, "disableSsh")),
                           .enable_nested_virtualization = flag(member(instance, "enableNestedVirtualization")),
                           .container_image = text(member(wire, "container", "image")),
                           .container_env = text_map(member(wire, "container", "env")),
                           .idle_timeout = duration(member(wire, "idleTimeout")).value_or(base::Duration(0)),
                           .running_timeout = duration(member(wire, "runningTimeout")).value_or(base::Duration(0)),
                           .replica_zones = texts(member(wire, "replicaZones")),
                           .uid = text(member(wire, "uid")),
                           .etag = text(member(wire, "etag")),
                           .reconciling = flag(member(wire, "reconciling")),
                           .degraded = flag(member(wire, "degraded")),
                           .conditions = parse_conditions(member(wire, "conditions")),
                           .created_at = instant(member(wire, "createTime"))};
  if (const auto& directories = elements(member(wire, "persistentDirectories")); !directories.empty()) {
    const json::Value& disk = member(directories.front(), "gcePd");
    result.home_size_gb = number(member(disk, "sizeGb"));
    result.home_disk_type = text(member(disk, "diskType"));
    result.keep_home = text(member(disk, "reclaimPolicy")) == "RETAIN";
  }
  return result;
}

json::Value to_wire(const WorkstationConfig& config) {
  Writer instance;
  instance.text("machineType", config.machine_type)
      .number("bootDiskSizeGb", config.boot_disk_size_gb)
      .number("poolSize", config.pool_size)
      .text("serviceAccount", config.service_account)
      .list("tags", config.tags)
      .flag("disablePublicIpAddresses", config.disable_public_ip_addresses)
      .flag("disableSsh", config.disable_ssh)
      .flag("enableNestedVirtualization", config.enable_nested_virtualization);
  Writer host, container, out;
  host.object("gceInstance", std::move(instance));
  container.text("image", config.container_image).map("env", config.container_env);
  out.text("displayName", config.display_name)
      .map("labels", config.labels)
      .map("annotations", config.annotations)
      .object("host", std::move(host))
      .object("container", std::move(container))
      .seconds("idleTimeout", config.idle_timeout)
      .seconds("runningTimeout", config.running_timeout)
      .list("replicaZones", config.replica_zones);
  if (config.home_size_gb > 0) out.put("persistentDirectories", home_of(config));
  return std::move(out).done();
}

WorkstationCluster parse_cluster(const json::Value& wire) {
  return {.name = text(member(wire, "name")),
          .display_name = text(member(wire, "displayName")),
          .labels = text_map(member(wire, "labels")),
          .annotations = text_map(member(wire, "annotations")),
          .network = text(member(wire, "network")),
          .subnetwork = text(member(wire, "subnetwork")),
          .private_endpoint = flag(member(wire, "privateClusterConfig", "enablePrivateEndpoint")),
          .uid = text(member(wire, "uid")),
          .etag = text(member(wire, "etag")),
          .reconciling = flag(member(wire, "reconciling")),
          .degraded = flag(member(wire, "degraded")),
          .conditions = parse_conditions(member(wire, "conditions")),
          .created_at = instant(member(wire, "createTime"))};
}

json::Value to_wire(const WorkstationCluster& cluster) {
  Writer access, out;
  access.flag("enablePrivateEndpoint", cluster.private_endpoint);
  out.text("displayName", cluster.display_name)
      .map("labels", cluster.labels)
      .map("annotations", cluster.annotations)
      .text("network", cluster.network)
      .text("subnetwork", cluster.subnetwork)
      .object("privateClusterConfig", std::move(access));
  return std::move(out).done();
}

}  // namespace slipway::google
