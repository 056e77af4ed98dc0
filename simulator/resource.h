#pragma once
// What exists in the simulated Cloud Workstations: plain values, as they are kept and saved.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"
#include "simulator/status.h"

namespace slipway::simulator {

enum class Kind { cluster, config, workstation };
BOOST_DESCRIBE_ENUM(Kind, cluster, config, workstation)

// `none` is for clusters and configs.
enum class State { none, starting, running, stopping, stopped };
BOOST_DESCRIBE_ENUM(State, none, starting, running, stopping, stopped)

enum class Verb { create, update, del, start, stop };
BOOST_DESCRIBE_ENUM(Verb, create, update, del, start, stop)

std::string_view wire_name(State state);         // "STATE_RUNNING"
std::string_view wire_name(Verb verb);           // "delete"
std::string_view type_name(Kind kind);           // "WorkstationConfig"
std::string_view collection(Kind kind);          // "workstationConfigs"
std::optional<Kind> child_of(Kind kind);         // what stands below; nothing below a workstation
std::string_view own_id(std::string_view name);  // after the last '/'
std::string parent_of(std::string_view name);    // without the last two segments
std::string segment(std::string_view name, std::string_view collection);  // segment("projects/p/…", "projects") is "p"

// The virtual machine that hosts a workstation while it starts, runs or stops.
struct Instance {
  std::string name;
  std::string id;
  std::string zone;
  std::string machine_type;
  base::Instant created{};
};
SLIPWAY_JSON_SNAKE(Instance, name, id, zone, machine_type, created)

struct Resource {
  Kind kind = Kind::workstation;
  std::string name;
  std::string uid;
  json::Value fields = json::Object{};  // what the client gave, without output-only members
  base::Instant create_time{};
  base::Instant update_time{};
  std::int64_t revision = 1;
  std::string operation;  // the one under way, by name; one at a time
  // Of workstations.
  State state = State::none;
  std::string host;
  std::optional<base::Instant> start_time;
  std::optional<base::Instant> stops_at;  // idle time-out
  std::optional<Instance> instance;
};
SLIPWAY_JSON_SNAKE(Resource, kind, name, uid, fields, create_time, update_time, revision, operation, state, host,
                   start_time, stops_at, instance)

struct Operation {
  std::string name;
  std::string target;
  Kind kind = Kind::workstation;
  Verb verb = Verb::create;
  std::string user;  // who asked for it
  base::Instant create_time{};
  std::optional<base::Instant> end_time;
  std::optional<base::Instant> due;  // absent: it never ends
  bool cancel_requested = false;
  std::optional<Status> fails_with;  // what it will end with
  std::optional<Status> error;       // what it ended with
  json::Value response = nullptr;    // what it ended with, else
  json::Value change = nullptr;      // of an update: the new fields
};
SLIPWAY_JSON_SNAKE(Operation, name, target, kind, verb, user, create_time, end_time, due, cancel_requested, fails_with,
                   error, response, change)

// The shapes of the API, v1.
json::Object to_wire(const Resource& resource);
json::Object to_wire(const Operation& operation);
std::string etag_of(const Resource& resource);
// RFC 3339 with nanoseconds, as Google's front ends print it.
std::string wire_time(base::Instant at);

}  // namespace slipway::simulator
