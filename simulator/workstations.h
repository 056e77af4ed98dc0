#pragma once
// The simulated Cloud Workstations without HTTP and clock: what exists, what changes it, and when changes end.
//
// Every call is given the time. Whoever calls first says `advance(now)`: operations that are due end then, in the order
// of their times, so that no timer is needed and a test can live through an hour in no time.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "simulator/resource.h"

namespace slipway::simulator {

// How long something takes: uniformly between the two, before `Delays::scale`.
struct Span {
  base::Duration least{};
  base::Duration most{};
};

struct Delays {
  Span create_cluster{std::chrono::minutes(15), std::chrono::minutes(20)};
  Span create_config{std::chrono::seconds(3), std::chrono::seconds(8)};
  Span create_workstation{std::chrono::seconds(5), std::chrono::seconds(15)};
  Span update{std::chrono::seconds(2), std::chrono::seconds(5)};
  Span start{std::chrono::seconds(30), std::chrono::seconds(90)};
  Span stop{std::chrono::seconds(15), std::chrono::seconds(40)};
  Span del{std::chrono::seconds(5), std::chrono::seconds(20)};
  double scale = 1;            // 0: everything is done at the next look
  bool idle_timeouts = false;  // a workstation stops `idleTimeout` after its start: nobody works on it
};

// Absent: no limit. What exceeds a number of workstations is refused; what exceeds a number of running ones fails
// inside the operation, as it does where the machines are allotted.
struct Quotas {
  std::optional<std::int64_t> workstations_per_config;
  std::optional<std::int64_t> workstations_per_region;
  std::optional<std::int64_t> workstations_per_project;
  std::optional<std::int64_t> running_per_config;
  std::optional<std::int64_t> running_per_region;
  std::optional<std::int64_t> running_per_project;
  std::optional<std::int64_t> requests_per_minute;  // of each service
};
SLIPWAY_JSON_SNAKE(Quotas, workstations_per_config, workstations_per_region, workstations_per_project,
                   running_per_config, running_per_region, running_per_project, requests_per_minute)

// What a fault has in store for an operation that a call begins.
struct OperationPlan {
  std::optional<Status> fails_with;
  bool never_ends = false;
};

struct Terms {
  base::Instant now{};
  std::string user;
  OperationPlan plan;
  bool validate_only = false;
  std::string etag;  // of the caller; empty: any
};

// One thing that happened: the ledger's raw material.
struct Effect {
  std::string effect;  // "workstation.create" when accepted, "workstation.create.done" or ".failed" at its end
  std::string resource;
  std::string uid;
  std::string operation;
  base::Instant at{};
};

struct Departed {
  std::string name;
  std::string uid;
  base::Instant create_time{};
  base::Instant delete_time{};
};
SLIPWAY_JSON_SNAKE(Departed, name, uid, create_time, delete_time)

// All of it, for saving.
struct WorkstationsState {
  std::map<std::string, Resource> resources;  // by name
  std::map<std::string, Operation> operations;
  std::vector<Departed> departed;  // workstations that are no more
};
SLIPWAY_JSON_SNAKE(WorkstationsState, resources, operations, departed)

// Not thread-safe. Calls throw Failure and then have changed nothing.
class Workstations {
 public:
  Workstations(base::Random& random, Delays delays, Quotas quotas);

  void advance(base::Instant now);

  Operation create(Kind kind, const std::string& parent, const std::string& id, const json::Value& body,
                   const Terms& terms);
  Operation update(Kind kind, const std::string& name, const json::Value& body, const std::string& mask,
                   const Terms& terms);
  // `force` takes what stands below along.
  Operation del(Kind kind, const std::string& name, bool force, const Terms& terms);
  Operation start(const std::string& name, const Terms& terms);
  Operation stop(const std::string& name, const Terms& terms);

  const Resource& get(Kind kind, const std::string& name) const;
  // In the order of names, from after `after`. A '-' in `parent` stands for any.
  std::vector<const Resource*> list(Kind kind, const std::string& parent, const std::string& after,
                                    std::size_t most) const;

  const Operation& operation(const std::string& name) const;
  std::vector<const Operation*> operations(const std::string& parent, const std::string& after, std::size_t most) const;
  void cancel(const std::string& name, base::Instant now);
  // It ends at once, as planned: for what is there from the beginning.
  void hurry(const std::string& name, base::Instant now);
  void forget_operation(const std::string& name);

  // The machine is gone without anybody having said so to this API: drift.
  void lose_instance(const std::string& workstation, base::Instant now);
  // The workstation whose host has this name; null if there is none.
  const Resource* find_by_instance(const std::string& instance) const;

  std::vector<Effect> take_effects() { return std::exchange(effects_, {}); }
  const WorkstationsState& state() const { return state_; }
  void restore(WorkstationsState state);
  void set_quotas(Quotas quotas) { quotas_ = quotas; }
  const Quotas& quotas() const { return quotas_; }

 private:
  Resource& find(Kind kind, const std::string& name);
  Operation begin(Resource& resource, Verb verb, Span span, const Terms& terms);
  void finish(Operation& operation, base::Instant at);
  void succeed(Operation& operation, Resource& resource, base::Instant at);
  void roll_back(const Operation& operation, Resource& resource, base::Instant at);
  void preempt(Resource& resource, base::Instant at);
  void depart(const Resource& resource, base::Instant at);
  void check_etag(const Resource& resource, const Terms& terms) const;
  void check_workstation_quota(const std::string& config) const;
  std::optional<Status> running_quota_failure(const Resource& workstation) const;
  std::size_t count(const std::string& prefix, bool running_only) const;
  Instance make_instance(const Resource& workstation, base::Instant at);
  base::Duration draw(Span span);
  std::string random_hex(std::size_t digits);
  void note(std::string effect, const Resource& resource, const std::string& operation, base::Instant at);
  void trim_operations();

  base::Random& random_;
  Delays delays_;
  Quotas quotas_;
  WorkstationsState state_;
  std::set<std::pair<base::Instant, std::string>> due_;    // operations
  std::set<std::pair<base::Instant, std::string>> stops_;  // workstations with an idle time-out
  std::map<std::string, std::string> by_instance_;         // host to workstation
  std::vector<Effect> effects_;
};

}  // namespace slipway::simulator
