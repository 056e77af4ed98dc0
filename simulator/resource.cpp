#include "simulator/resource.h"

#include "base/digest.h"

namespace slipway::simulator {

namespace {

constexpr std::string_view kTypePrefix = "type.googleapis.com/google.cloud.workstations.v1.";

}  // namespace

std::string_view wire_name(State state) {
  switch (state) {
    case State::starting:
      return "STATE_STARTING";
    case State::running:
      return "STATE_RUNNING";
    case State::stopping:
      return "STATE_STOPPING";
    case State::stopped:
      return "STATE_STOPPED";
    case State::none:
      break;
  }
  return "STATE_UNSPECIFIED";
}

std::string_view wire_name(Verb verb) {
  switch (verb) {
    case Verb::create:
      return "create";
    case Verb::update:
      return "update";
    case Verb::del:
      return "delete";
    case Verb::start:
      return "start";
    case Verb::stop:
      return "stop";
  }
  return "";
}

std::string_view type_name(Kind kind) {
  switch (kind) {
    case Kind::cluster:
      return "WorkstationCluster";
    case Kind::config:
      return "WorkstationConfig";
    case Kind::workstation:
      return "Workstation";
  }
  return "";
}

std::string_view collection(Kind kind) {
  switch (kind) {
    case Kind::cluster:
      return "workstationClusters";
    case Kind::config:
      return "workstationConfigs";
    case Kind::workstation:
      return "workstations";
  }
  return "";
}

std::optional<Kind> child_of(Kind kind) {
  if (kind == Kind::cluster) return Kind::config;
  if (kind == Kind::config) return Kind::workstation;
  return {};
}

std::string_view own_id(std::string_view name) { return name.substr(name.rfind('/') + 1); }

std::string parent_of(std::string_view name) {
  const std::size_t last = name.rfind('/');
  return std::string(name.substr(0, name.rfind('/', last - 1)));
}

std::string segment(std::string_view name, std::string_view collection) {
  const std::string key = std::string(collection) + "/";
  std::size_t at = name.starts_with(key) ? 0 : name.find("/" + key);
  if (at == std::string_view::npos) return "";
  at += key.size() + (at == 0 && name.starts_with(key) ? 0 : 1);
  return std::string(name.substr(at, name.find('/', at) - at));
}

std::string wire_time(base::Instant at) {
  std::string text = base::format_rfc3339(at);
  text.insert(text.size() - 1, "000000");
  return text;
}

std::string etag_of(const Resource& resource) {
  return "\"" + base::sha256_hex(resource.uid + "/" + std::to_string(resource.revision)).substr(0, 16) + "\"";
}

json::Object to_wire(const Resource& resource) {
  json::Object wire = resource.fields.get_object();
  wire["name"] = resource.name;
  wire["uid"] = resource.uid;
  wire["createTime"] = wire_time(resource.create_time);
  wire["updateTime"] = wire_time(resource.update_time);
  wire["etag"] = etag_of(resource);
  if (!resource.operation.empty()) wire["reconciling"] = true;
  if (resource.kind == Kind::cluster) {
    wire["controlPlaneIp"] = "10.0.0.2";
  } else if (resource.kind == Kind::workstation) {
    wire["state"] = wire_name(resource.state);
    wire["host"] = resource.host;
    if (resource.start_time) wire["startTime"] = wire_time(*resource.start_time);
    if (resource.instance)
      wire["runtimeHost"] = json::Object{{"gceInstanceHost", json::Object{{"name", resource.instance->name},
                                                                          {"id", resource.instance->id},
                                                                          {"zone", resource.instance->zone}}}};
  }
  return wire;
}

json::Object to_wire(const Operation& operation) {
  json::Object metadata{{"@type", std::string(kTypePrefix) + "OperationMetadata"},
                        {"createTime", wire_time(operation.create_time)},
                        {"target", operation.target},
                        {"verb", wire_name(operation.verb)},
                        {"requestedCancellation", operation.cancel_requested},
                        {"apiVersion", "v1"}};
  if (operation.end_time) metadata["endTime"] = wire_time(*operation.end_time);
  json::Object wire{
      {"name", operation.name}, {"metadata", std::move(metadata)}, {"done", operation.end_time.has_value()}};
  if (operation.error) {
    wire["error"] = json::to_value(*operation.error);
  } else if (operation.end_time) {
    json::Object response{{"@type", std::string(kTypePrefix) + std::string(type_name(operation.kind))}};
    if (operation.response.is_object()) {
      for (const auto& [key, value] : operation.response.get_object()) response[key] = value;
    }
    wire["response"] = std::move(response);
  }
  return wire;
}

}  // namespace slipway::simulator
