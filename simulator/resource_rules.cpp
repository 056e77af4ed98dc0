#include "simulator/resource_rules.h"

#include <algorithm>
#include <array>
#include <set>

namespace slipway::simulator {

namespace {

using Names = std::set<std::string_view>;

const Names kCommon{"name", "displayName", "annotations", "labels", "etag"};
const Names kOutputOnly{"uid",        "createTime",  "updateTime",     "deleteTime",   "startTime",
                        "state",      "host",        "controlPlaneIp", "reconciling",  "degraded",
                        "conditions", "runtimeHost", "kmsKey",         "satisfiesPzi", "satisfiesPzs"};
const Names kClusterFields{"network", "subnetwork",    "privateClusterConfig", "domainConfig",
                           "tags",    "gatewayConfig", "workstationLaunchUrl", "workstationAuthorizationUrl"};
const Names kConfigFields{"idleTimeout",
                          "runningTimeout",
                          "maxUsableWorkstations",
                          "host",
                          "persistentDirectories",
                          "ephemeralDirectories",
                          "container",
                          "encryptionKey",
                          "readinessChecks",
                          "replicaZones",
                          "enableAuditAgent",
                          "disableTcpConnections",
                          "allowedPorts",
                          "grantWorkstationAdminRoleOnCreate",
                          "httpOptions",
                          "idleAction"};
const Names kWorkstationFields{"env", "sourceWorkstation", "persistentDirectories"};
const Names kGceInstanceFields{"machineType",
                               "serviceAccount",
                               "serviceAccountScopes",
                               "tags",
                               "poolSize",
                               "pooledInstances",
                               "disablePublicIpAddresses",
                               "enableNestedVirtualization",
                               "shieldedInstanceConfig",
                               "confidentialInstanceConfig",
                               "bootDiskSizeGb",
                               "accelerators",
                               "boostConfigs",
                               "disableSsh",
                               "vmTags",
                               "startupScriptUri",
                               "instanceMetadata",
                               "reservationAffinity"};
const Names kContainerFields{"image", "command", "args", "env", "workingDir", "runAsUser"};
const Names kGcePdFields{"sizeGb",        "fsType",         "diskType", "sourceSnapshot",
                         "reclaimPolicy", "archiveTimeout", "maxSizeGb"};
const Names kImmutable{"network", "subnetwork", "encryptionKey", "replicaZones", "sourceWorkstation", "name"};

constexpr std::size_t kIdLengthMax = 63;
constexpr std::int64_t kBootDiskGbMin = 30;
constexpr std::array<std::int64_t, 6> kHomeDiskGb{10, 50, 100, 200, 500, 1000};
constexpr std::int64_t kStandardDiskGbMin = 200;  // below it, pd-standard is refused
constexpr std::size_t kLabelsMax = 64;

const Names& fields_of(Kind kind) {
  switch (kind) {
    case Kind::cluster:
      return kClusterFields;
    case Kind::config:
      return kConfigFields;
    case Kind::workstation:
      break;
  }
  return kWorkstationFields;
}

// A config's `host` is its machine; a workstation's is its address, which the server gives.
bool is_output_only(Kind kind, std::string_view member) {
  return kOutputOnly.contains(member) && !(kind == Kind::config && member == "host");
}

void refuse_unknown(const json::Value* value, const Names& known, std::string_view where) {
  if (!value) return;
  if (!value->is_object()) throw invalid_argument(where, "expected an object");
  for (const auto& [key, unused] : value->get_object()) {
    if (!known.contains(key))
      throw invalid_argument(where, "Invalid JSON payload received. Unknown name \"" + std::string(key) + "\" at '" +
                                        std::string(where) + "': Cannot find field.");
  }
}

const json::Value* find(const json::Value* value, std::string_view member) {
  return value && value->is_object() ? value->get_object().if_contains(member) : nullptr;
}

std::int64_t integer_or(const json::Value* value, std::int64_t otherwise, std::string_view field) {
  if (!value) return otherwise;
  if (!value->is_int64()) throw invalid_argument(field, "expected an integer");
  return value->get_int64();
}

std::string text_or(const json::Value* value, std::string_view otherwise, std::string_view field) {
  if (!value) return std::string(otherwise);
  if (!value->is_string()) throw invalid_argument(field, "expected a string");
  return std::string(value->get_string());
}

void check_string_map(const json::Value* value, std::string_view field) {
  if (!value) return;
  if (!value->is_object()) throw invalid_argument(field, "expected an object");
  for (const auto& [key, text] : value->get_object()) {
    if (!text.is_string()) throw invalid_argument(std::string(field) + "." + std::string(key), "expected a string");
  }
}

bool is_label_text(std::string_view text) {
  return text.size() <= kIdLengthMax && std::ranges::all_of(text, [](unsigned char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c >= 0x80;
         });
}

void check_labels(const json::Value* labels) {
  check_string_map(labels, "labels");
  if (!labels) return;
  if (labels->get_object().size() > kLabelsMax) throw invalid_argument("labels", "more than 64 labels");
  for (const auto& [key, text] : labels->get_object()) {
    if (key.empty() || !is_label_text(key) || !is_label_text(text.get_string()))
      throw invalid_argument("labels", "'" + std::string(key) + "': a label is lower case, digits, '-' and '_'");
  }
}

void check_duration(const json::Value* value, std::string_view field) {
  if (!value) return;
  const std::string text = text_or(value, "", field);
  const bool is_seconds =
      text.size() >= 2 && text.back() == 's' && text.find_first_not_of("0123456789.") == text.size() - 1;
  if (!is_seconds) throw invalid_argument(field, "Invalid duration format, expected seconds such as '3.5s'");
}

void check_directory(const json::Value& directory) {
  const json::Value* disk = find(&directory, "gcePd");
  refuse_unknown(disk, kGcePdFields, "workstation_config.persistent_directories.gce_pd");
  const std::string_view field = "persistent_directories.gce_pd.size_gb";
  const std::int64_t size = integer_or(find(disk, "sizeGb"), kStandardDiskGbMin, field);
  const std::string type = text_or(find(disk, "diskType"), "pd-standard", "persistent_directories.gce_pd.disk_type");
  if (std::ranges::find(kHomeDiskGb, size) == kHomeDiskGb.end())
    throw invalid_argument(field, "must be one of 10, 50, 100, 200, 500 or 1000");
  if (size < kStandardDiskGbMin && type != "pd-balanced" && type != "pd-ssd")
    throw invalid_argument(field, "a disk under 200 GB must be pd-balanced or pd-ssd");
}

void check_machine(const json::Value& machine) {
  refuse_unknown(&machine, kGceInstanceFields, "workstation_config.host.gce_instance");
  if (integer_or(find(&machine, "bootDiskSizeGb"), 50, "host.gce_instance.boot_disk_size_gb") < kBootDiskGbMin)
    throw invalid_argument("host.gce_instance.boot_disk_size_gb", "the minimum boot disk size is 30 GB");
  const std::string type = text_or(find(&machine, "machineType"), "e2-standard-4", "host.gce_instance.machine_type");
  if (type.find('-') == std::string::npos) throw invalid_argument("host.gce_instance.machine_type", "unknown: " + type);
  const json::Value* nested = find(&machine, "enableNestedVirtualization");
  if (nested && nested->is_bool() && nested->get_bool() && !type.starts_with("n1-") && !type.starts_with("n2-"))
    throw invalid_argument("host.gce_instance.enable_nested_virtualization", "only machines of the N1 and N2 series");
}

void check_config(const json::Object& fields) {
  const json::Value whole(fields);
  const json::Value* host = find(&whole, "host");
  refuse_unknown(host, {"gceInstance"}, "workstation_config.host");
  if (const json::Value* machine = find(host, "gceInstance")) check_machine(*machine);
  refuse_unknown(find(&whole, "container"), kContainerFields, "workstation_config.container");
  check_string_map(find(find(&whole, "container"), "env"), "container.env");
  check_duration(find(&whole, "idleTimeout"), "idle_timeout");
  check_duration(find(&whole, "runningTimeout"), "running_timeout");
  if (const json::Value* directories = find(&whole, "persistentDirectories")) {
    if (!directories->is_array()) throw invalid_argument("persistent_directories", "expected a list");
    for (const auto& directory : directories->get_array()) check_directory(directory);
  }
  const json::Value* zones = find(&whole, "replicaZones");
  if (zones && (!zones->is_array() || zones->get_array().size() != 2))
    throw invalid_argument("replica_zones", "exactly two zones of the cluster's region");
}

void fill_config_defaults(json::Object& fields) {
  if (!fields.contains("idleTimeout")) fields["idleTimeout"] = "1200s";
  if (!fields.contains("runningTimeout")) fields["runningTimeout"] = "43200s";
  json::Value& host = fields["host"];
  if (!host.is_object()) host = json::Object{};
  json::Value& machine = host.get_object()["gceInstance"];
  if (!machine.is_object()) machine = json::Object{};
  json::Object& members = machine.get_object();
  if (!members.contains("machineType")) members["machineType"] = "e2-standard-4";
  if (!members.contains("bootDiskSizeGb")) members["bootDiskSizeGb"] = 50;
}

// Enums come by name or by number, as proto JSON allows.
void normalize_enums(json::Value& value) {
  if (value.is_array()) {
    for (auto& element : value.get_array()) normalize_enums(element);
  } else if (value.is_object()) {
    for (auto& [key, member] : value.get_object()) {
      if (key == "reclaimPolicy" && member.is_int64()) {
        constexpr std::array<std::string_view, 3> kNames{"RECLAIM_POLICY_UNSPECIFIED", "DELETE", "RETAIN"};
        const std::int64_t number = member.get_int64();
        if (number >= 0 && number < std::int64_t(kNames.size())) member = kNames[std::size_t(number)];
      } else {
        normalize_enums(member);
      }
    }
  }
}

void check_fields(Kind kind, const json::Object& fields) {
  const json::Value whole(fields);
  check_labels(find(&whole, "labels"));
  check_string_map(find(&whole, "annotations"), "annotations");
  if (kind == Kind::config) check_config(fields);
  if (kind == Kind::workstation) check_string_map(find(&whole, "env"), "env");
}

void set_path(json::Object& target, const json::Object& source, std::string_view path) {
  const std::size_t dot = path.find('.');
  const std::string member = json::to_camel(path.substr(0, dot));
  const json::Value* value = source.if_contains(member);
  if (dot == std::string_view::npos) {
    if (value) {
      target[member] = *value;
    } else {
      target.erase(member);
    }
    return;
  }
  static const json::Object kNothing;
  json::Value& inner = target[member];
  if (!inner.is_object()) inner = json::Object{};
  set_path(inner.get_object(), value && value->is_object() ? value->get_object() : kNothing, path.substr(dot + 1));
}

}  // namespace

void check_id(std::string_view id, std::string_view parameter) {
  const bool valid =
      !id.empty() && id.size() <= kIdLengthMax && id.front() >= 'a' && id.front() <= 'z' && id.back() != '-' &&
      std::ranges::all_of(id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  if (!valid) throw invalid_argument(parameter, "must match ^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$");
}

json::Object accept_fields(Kind kind, const json::Value& body) {
  if (!body.is_object()) throw invalid_argument("body", "expected an object");
  json::Object fields;
  for (const auto& [key, value] : body.get_object()) {
    if (is_output_only(kind, key) || key == "name" || key == "etag" || value.is_null()) continue;
    if (!kCommon.contains(key) && !fields_of(kind).contains(key))
      throw invalid_argument("body", "Invalid JSON payload received. Unknown name \"" + std::string(key) + "\" at '" +
                                         std::string(type_name(kind)) + "': Cannot find field.");
    fields[key] = value;
  }
  json::Value normalized(std::move(fields));
  normalize_enums(normalized);
  check_fields(kind, normalized.get_object());
  if (kind == Kind::config) fill_config_defaults(normalized.get_object());
  return std::move(normalized.get_object());
}

json::Object apply_update(Kind kind, const json::Object& fields, const json::Value& body, std::string_view mask) {
  if (mask.empty()) throw invalid_argument("update_mask", "must be set");
  const json::Object given = accept_fields(kind, body);
  json::Object updated = fields;
  for (std::size_t at = 0; at <= mask.size();) {
    const std::size_t end = std::min(mask.find(',', at), mask.size());
    const std::string_view path = mask.substr(at, end - at);
    const std::string root = json::to_camel(path.substr(0, path.find('.')));
    if (!kCommon.contains(root) && !fields_of(kind).contains(root))
      throw invalid_argument("update_mask", "unknown path '" + std::string(path) + "'");
    if (kImmutable.contains(root)) throw invalid_argument("update_mask", "'" + std::string(path) + "' is immutable");
    set_path(updated, given, path);
    at = end + 1;
  }
  check_fields(kind, updated);
  return updated;
}

std::string machine_type_of(const json::Object& config_fields) {
  const json::Value whole(config_fields);
  return text_or(find(find(find(&whole, "host"), "gceInstance"), "machineType"), "e2-standard-4", "machine_type");
}

}  // namespace slipway::simulator
