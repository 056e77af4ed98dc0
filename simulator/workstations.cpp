#include "simulator/workstations.h"

#include <algorithm>

#include "simulator/resource_rules.h"

namespace slipway::simulator {

namespace {

// Google forgets finished operations after a while too; these are many more than anybody looks back at.
constexpr std::size_t kOperationsMax = 50'000;

std::string effect_name(Kind kind, Verb verb) {
  return std::string(json::to_value(kind).get_string()) + "." + std::string(wire_name(verb));
}

Failure wrong_state(const Resource& resource, std::string_view wanted) {
  return Failure(Code::failed_precondition, "Workstation '" + resource.name + "' is in state " +
                                                std::string(wire_name(resource.state)) + "; it must be " +
                                                std::string(wanted) + ".");
}

Failure busy(const Resource& resource) {
  return Failure(Code::failed_precondition,
                 "Resource '" + resource.name + "' has an operation in progress: " + resource.operation);
}

bool is_running(const Resource& resource) {
  return resource.state == State::starting || resource.state == State::running;
}

// '-' in the pattern stands for any segment.
bool matches(std::string_view name, std::string_view pattern) {
  while (!pattern.empty() && !name.empty()) {
    const std::size_t a = std::min(name.find('/'), name.size());
    const std::size_t b = std::min(pattern.find('/'), pattern.size());
    if (pattern.substr(0, b) != "-" && pattern.substr(0, b) != name.substr(0, a)) return false;
    name.remove_prefix(std::min(a + 1, name.size()));
    pattern.remove_prefix(std::min(b + 1, pattern.size()));
  }
  return name.empty() == pattern.empty();
}

// What a call would have begun, had it not been for validation only.
Operation preview(Verb verb, const Resource& resource, base::Instant now) {
  return {.name = resource.name.substr(0, resource.name.find("/workstationClusters/")) + "/operations/validation",
          .target = resource.name,
          .kind = resource.kind,
          .verb = verb,
          .create_time = now,
          .end_time = now,
          .response = to_wire(resource)};
}

std::string zone_of(const Resource& config, const std::string& region) {
  const json::Value* zones = config.fields.get_object().if_contains("replicaZones");
  if (zones && zones->is_array() && !zones->get_array().empty() && zones->get_array()[0].is_string())
    return std::string(own_id(std::string_view(zones->get_array()[0].get_string())));
  return region + "-b";
}

}  // namespace

Workstations::Workstations(base::Random& random, Delays delays, Quotas quotas)
    : random_(random), delays_(delays), quotas_(quotas) {}

// ---- time

void Workstations::advance(base::Instant now) {
  while (true) {
    const bool has_due = !due_.empty() && due_.begin()->first <= now;
    const bool has_stop = !stops_.empty() && stops_.begin()->first <= now;
    if (has_due && (!has_stop || due_.begin()->first <= stops_.begin()->first)) {
      const auto [at, name] = *due_.begin();
      due_.erase(due_.begin());
      finish(state_.operations.at(name), at);
    } else if (has_stop) {
      const auto [at, name] = *stops_.begin();
      stops_.erase(stops_.begin());
      Resource& workstation = state_.resources.at(name);
      workstation.stops_at.reset();
      if (workstation.state == State::running) stop(name, {.now = at, .user = "idle-timeout"});
    } else {
      return;
    }
  }
}

base::Duration Workstations::draw(Span span) {
  const double least = double(span.least.count()), most = double(span.most.count());
  return base::Duration(std::int64_t((least + (most - least) * random_.fraction()) * delays_.scale));
}

std::string Workstations::random_hex(std::size_t digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  while (text.size() < digits) text += kDigits[random_.below(kDigits.size())];
  return text;
}

// ---- operations

Operation Workstations::begin(Resource& resource, Verb verb, Span span, const Terms& terms) {
  const std::string location = resource.name.substr(0, resource.name.find("/workstationClusters/"));
  Operation operation{
      .name = location + "/operations/operation-" + std::to_string(base::to_unix_ms(terms.now)) + "-" + random_hex(13),
      .target = resource.name,
      .kind = resource.kind,
      .verb = verb,
      .user = terms.user,
      .create_time = terms.now,
      .fails_with = terms.plan.fails_with};
  const base::Duration length = draw(span);
  if (!terms.plan.never_ends) operation.due = terms.now + length;
  resource.operation = operation.name;
  ++resource.revision;
  if (operation.due) due_.emplace(*operation.due, operation.name);
  state_.operations[operation.name] = operation;
  note(effect_name(resource.kind, verb), resource, operation.name, terms.now);
  trim_operations();
  return operation;
}

void Workstations::trim_operations() {
  auto it = state_.operations.begin();
  while (state_.operations.size() > kOperationsMax && it != state_.operations.end()) {
    it = it->second.end_time ? state_.operations.erase(it) : std::next(it);
  }
}

void Workstations::finish(Operation& operation, base::Instant at) {
  operation.end_time = at;
  operation.due.reset();
  const auto found = state_.resources.find(operation.target);
  if (found == state_.resources.end() || found->second.operation != operation.name) return;
  Resource& resource = found->second;
  resource.operation.clear();
  resource.update_time = at;
  ++resource.revision;
  const std::string effect = effect_name(operation.kind, operation.verb);
  if (operation.fails_with) {
    operation.error = std::move(operation.fails_with);
    operation.fails_with.reset();
    note(effect + ".failed", resource, operation.name, at);
    roll_back(operation, resource, at);
  } else {
    note(effect + ".done", resource, operation.name, at);
    succeed(operation, resource, at);
  }
}

void Workstations::succeed(Operation& operation, Resource& resource, base::Instant at) {
  switch (operation.verb) {
    case Verb::create:
      break;
    case Verb::update:
      resource.fields = std::exchange(operation.change, nullptr);
      break;
    case Verb::start:
      resource.state = State::running;
      resource.start_time = at;
      if (delays_.idle_timeouts) {
        const Resource& config = get(Kind::config, parent_of(resource.name));
        const std::string limit(config.fields.get_object().at("idleTimeout").get_string());
        const auto idle = base::Duration(std::int64_t(std::stod(limit) * 1000 * delays_.scale));
        if (idle > base::Duration(0)) stops_.emplace(*(resource.stops_at = at + idle), resource.name);
      }
      break;
    case Verb::stop:
      resource.state = State::stopped;
      if (resource.instance) by_instance_.erase(resource.instance->name);
      resource.instance.reset();
      break;
    case Verb::del:
      operation.response = to_wire(resource);
      depart(resource, at);
      return;
  }
  operation.response = to_wire(resource);
}

void Workstations::roll_back(const Operation& operation, Resource& resource, base::Instant at) {
  if (operation.verb == Verb::create) {
    depart(resource, at);
  } else if (operation.verb == Verb::start) {
    resource.state = State::stopped;
    if (resource.instance) by_instance_.erase(resource.instance->name);
    resource.instance.reset();
  } else if (resource.state == State::stopping) {
    resource.state = resource.instance ? State::running : State::stopped;
  }
}

// Whatever is under way with the resource ends now, without its effect: something stronger follows.
void Workstations::preempt(Resource& resource, base::Instant at) {
  const auto found = state_.operations.find(resource.operation);
  resource.operation.clear();
  if (found == state_.operations.end()) return;
  Operation& operation = found->second;
  if (operation.due) due_.erase({*operation.due, operation.name});
  operation.due.reset();
  operation.fails_with.reset();
  operation.end_time = at;
  operation.error =
      Failure(Code::aborted, "The operation was superseded by another one on the same resource.").status();
}

void Workstations::depart(const Resource& resource, base::Instant at) {
  if (resource.stops_at) stops_.erase({*resource.stops_at, resource.name});
  if (resource.instance) by_instance_.erase(resource.instance->name);
  const Kind kind = resource.kind;
  const std::string name = resource.name;
  if (kind == Kind::workstation) {
    state_.departed.push_back({name, resource.uid, resource.create_time, at});
  } else {  // what stands below goes too: only `force` lets it come to that
    const std::string prefix = name + "/";
    for (auto it = state_.resources.lower_bound(prefix); it != state_.resources.end() && it->first.starts_with(prefix);
         it = state_.resources.lower_bound(prefix)) {
      if (!it->second.operation.empty()) preempt(it->second, at);
      depart(it->second, at);
    }
  }
  state_.resources.erase(name);
}

const Operation& Workstations::operation(const std::string& name) const {
  const auto found = state_.operations.find(name);
  if (found == state_.operations.end()) throw not_found(name);
  return found->second;
}

std::vector<const Operation*> Workstations::operations(const std::string& parent, const std::string& after,
                                                       std::size_t most) const {
  const std::string prefix = parent + "/operations/";
  std::vector<const Operation*> found;
  auto it = after.empty() ? state_.operations.lower_bound(prefix) : state_.operations.upper_bound(after);
  for (; it != state_.operations.end() && it->first.starts_with(prefix) && found.size() < most; ++it)
    found.push_back(&it->second);
  return found;
}

void Workstations::cancel(const std::string& name, base::Instant now) {
  const auto found = state_.operations.find(name);
  if (found == state_.operations.end()) throw not_found(name);
  Operation& operation = found->second;
  if (operation.end_time) return;
  operation.cancel_requested = true;
  operation.fails_with = Failure(Code::cancelled, "The operation was cancelled.").status();
  if (operation.due) due_.erase({*operation.due, operation.name});
  finish(operation, now);
}

void Workstations::hurry(const std::string& name, base::Instant now) {
  Operation& operation = state_.operations.at(name);
  if (operation.due) due_.erase({*operation.due, name});
  finish(operation, now);
}

void Workstations::forget_operation(const std::string& name) {
  if (!operation(name).end_time) throw Failure(Code::failed_precondition, "The operation is still running.");
  state_.operations.erase(name);
}

// ---- what can be asked for

Operation Workstations::create(Kind kind, const std::string& parent, const std::string& id, const json::Value& body,
                               const Terms& terms) {
  const std::string parameter = std::string(json::to_value(kind).get_string());
  check_id(id, kind == Kind::workstation ? "workstation_id" : "workstation_" + parameter + "_id");
  json::Object fields = accept_fields(kind, body);
  if (kind != Kind::cluster) {
    const Resource& above = get(kind == Kind::config ? Kind::cluster : Kind::config, parent);
    const auto& operation = above.operation;
    if (!operation.empty() && state_.operations.at(operation).verb != Verb::update) throw busy(above);
  }
  const std::string name = parent + "/" + std::string(collection(kind)) + "/" + id;
  if (state_.resources.contains(name)) throw already_exists(name);
  if (kind == Kind::workstation) check_workstation_quota(parent);
  Resource resource{
      .kind = kind,
      .name = name,
      .uid = random_hex(8) + "-" + random_hex(4) + "-4" + random_hex(3) + "-a" + random_hex(3) + "-" + random_hex(12),
      .fields = std::move(fields),
      .create_time = terms.now,
      .update_time = terms.now};
  if (kind == Kind::workstation) {
    resource.state = State::stopped;
    const Resource& cluster = get(Kind::cluster, parent_of(parent));
    resource.host = id + ".cluster-" + cluster.uid.substr(24) + ".cloudworkstations.dev";
  }
  if (terms.validate_only) return preview(Verb::create, resource, terms.now);
  Resource& kept = state_.resources[name] = std::move(resource);
  const Span span = kind == Kind::cluster  ? delays_.create_cluster
                    : kind == Kind::config ? delays_.create_config
                                           : delays_.create_workstation;
  return begin(kept, Verb::create, span, terms);
}

Operation Workstations::update(Kind kind, const std::string& name, const json::Value& body, const std::string& mask,
                               const Terms& terms) {
  Resource& resource = find(kind, name);
  check_etag(resource, terms);
  json::Object changed = apply_update(kind, resource.fields.get_object(), body, mask);
  if (!resource.operation.empty()) throw busy(resource);
  if (terms.validate_only) {
    Resource changed_resource = resource;
    changed_resource.fields = std::move(changed);
    return preview(Verb::update, changed_resource, terms.now);
  }
  const Operation begun = begin(resource, Verb::update, delays_.update, terms);
  state_.operations.at(begun.name).change = std::move(changed);
  return begun;
}

Operation Workstations::del(Kind kind, const std::string& name, bool force, const Terms& terms) {
  Resource& resource = find(kind, name);
  check_etag(resource, terms);
  const auto below = state_.resources.lower_bound(name + "/");
  const bool has_children = below != state_.resources.end() && below->first.starts_with(name + "/");
  if (has_children && !force)
    throw Failure(Code::failed_precondition, "Resource '" + name +
                                                 "' has nested resources. If the API supports "
                                                 "cascading delete, set 'force' to true to delete it and its nested "
                                                 "resources.");
  if (!resource.operation.empty()) {
    if (state_.operations.at(resource.operation).verb == Verb::del) throw busy(resource);
  }
  if (terms.validate_only) return preview(Verb::del, resource, terms.now);
  if (!resource.operation.empty()) preempt(resource, terms.now);
  if (resource.state != State::none) resource.state = resource.instance ? State::stopping : State::stopped;
  return begin(resource, Verb::del, delays_.del, terms);
}

Operation Workstations::start(const std::string& name, const Terms& terms) {
  Resource& workstation = find(Kind::workstation, name);
  check_etag(workstation, terms);
  if (workstation.state != State::stopped) throw wrong_state(workstation, "STATE_STOPPED");
  if (!workstation.operation.empty()) throw busy(workstation);
  if (terms.validate_only) return preview(Verb::start, workstation, terms.now);
  Terms actual = terms;
  if (!actual.plan.fails_with) actual.plan.fails_with = running_quota_failure(workstation);
  const bool out_of_quota = actual.plan.fails_with && !terms.plan.fails_with;
  workstation.state = State::starting;
  if (!out_of_quota) {
    workstation.instance = make_instance(workstation, terms.now);
    by_instance_[workstation.instance->name] = name;
  }
  return begin(workstation, Verb::start, delays_.start, actual);
}

Operation Workstations::stop(const std::string& name, const Terms& terms) {
  Resource& workstation = find(Kind::workstation, name);
  check_etag(workstation, terms);
  if (!is_running(workstation)) throw wrong_state(workstation, "STATE_RUNNING");
  if (terms.validate_only) return preview(Verb::stop, workstation, terms.now);
  if (!workstation.operation.empty()) preempt(workstation, terms.now);
  if (workstation.stops_at) stops_.erase({*workstation.stops_at, name});
  workstation.stops_at.reset();
  workstation.state = State::stopping;
  return begin(workstation, Verb::stop, delays_.stop, terms);
}

// ---- looking

Resource& Workstations::find(Kind kind, const std::string& name) { return const_cast<Resource&>(get(kind, name)); }

const Resource& Workstations::get(Kind kind, const std::string& name) const {
  const auto found = state_.resources.find(name);
  if (found == state_.resources.end() || found->second.kind != kind) throw not_found(name);
  return found->second;
}

std::vector<const Resource*> Workstations::list(Kind kind, const std::string& parent, const std::string& after,
                                                std::size_t most) const {
  std::vector<const Resource*> found;
  const std::string pattern = parent + "/" + std::string(collection(kind)) + "/-";
  const std::string fixed = pattern.substr(0, pattern.find("/-") + 1);
  auto it = after.empty() ? state_.resources.lower_bound(fixed) : state_.resources.upper_bound(after);
  for (; it != state_.resources.end() && it->first.starts_with(fixed) && found.size() < most; ++it) {
    if (it->second.kind == kind && matches(it->first, pattern)) found.push_back(&it->second);
  }
  return found;
}

const Resource* Workstations::find_by_instance(const std::string& instance) const {
  const auto found = by_instance_.find(instance);
  return found == by_instance_.end() ? nullptr : &state_.resources.at(found->second);
}

void Workstations::lose_instance(const std::string& name, base::Instant now) {
  Resource& workstation = find(Kind::workstation, name);
  if (!workstation.instance) return;
  if (!workstation.operation.empty()) preempt(workstation, now);
  by_instance_.erase(workstation.instance->name);
  workstation.instance.reset();
  if (workstation.stops_at) stops_.erase({*workstation.stops_at, name});
  workstation.stops_at.reset();
  workstation.state = State::stopped;
  ++workstation.revision;
  note("workstation.lost", workstation, "", now);
}

// ---- rules

void Workstations::check_etag(const Resource& resource, const Terms& terms) const {
  if (!terms.etag.empty() && terms.etag != etag_of(resource))
    throw Failure(Code::aborted, "The etag provided does not match the current version of '" + resource.name + "'.");
}

std::size_t Workstations::count(const std::string& prefix, bool running_only) const {
  std::size_t counted = 0;
  for (auto it = state_.resources.lower_bound(prefix); it != state_.resources.end() && it->first.starts_with(prefix);
       ++it) {
    if (it->second.kind == Kind::workstation && (!running_only || is_running(it->second))) ++counted;
  }
  return counted;
}

void Workstations::check_workstation_quota(const std::string& config) const {
  const std::string region = config.substr(0, config.find("/workstationClusters/") + 1);
  const std::string project = region.substr(0, region.find("/locations/") + 1);
  const auto check = [&](const std::optional<std::int64_t>& limit, const std::string& prefix, std::string_view name) {
    if (limit && std::int64_t(count(prefix, false)) >= *limit)
      throw quota_exceeded(segment(config, "projects"), "workstations", name, *limit, segment(config, "locations"));
  };
  check(quotas_.workstations_per_config, config + "/", "WorkstationsPerConfig");
  check(quotas_.workstations_per_region, region, "WorkstationsPerProjectPerRegion");
  check(quotas_.workstations_per_project, project, "WorkstationsPerProject");
  const json::Value* usable = get(Kind::config, config).fields.get_object().if_contains("maxUsableWorkstations");
  if (usable && usable->is_int64() && usable->get_int64() > 0)
    check(usable->get_int64(), config + "/", "MaxUsableWorkstations");
}

std::optional<Status> Workstations::running_quota_failure(const Resource& workstation) const {
  const std::string config = parent_of(workstation.name);
  const std::string region = config.substr(0, config.find("/workstationClusters/") + 1);
  const std::string project = region.substr(0, region.find("/locations/") + 1);
  const std::array<std::pair<std::optional<std::int64_t>, std::string>, 3> limits{
      {{quotas_.running_per_config, config + "/"},
       {quotas_.running_per_region, region},
       {quotas_.running_per_project, project}}};
  for (const auto& [limit, prefix] : limits) {
    if (limit && std::int64_t(count(prefix, true)) >= *limit)
      return quota_exceeded(segment(config, "projects"), "compute", "INSTANCES", *limit, segment(config, "locations"))
          .status();
  }
  return {};
}

Instance Workstations::make_instance(const Resource& workstation, base::Instant at) {
  const Resource& config = get(Kind::config, parent_of(workstation.name));
  return {.name = "workstations-" + random_hex(8) + "-" + random_hex(4) + "-" + random_hex(12),
          .id = std::to_string(1'000'000'000'000'000'000ULL + random_.below(8'000'000'000'000'000'000ULL)),
          .zone = zone_of(config, segment(workstation.name, "locations")),
          .machine_type = machine_type_of(config.fields.get_object()),
          .created = at};
}

void Workstations::note(std::string effect, const Resource& resource, const std::string& operation, base::Instant at) {
  effects_.push_back({std::move(effect), resource.name, resource.uid, operation, at});
}

void Workstations::restore(WorkstationsState state) {
  state_ = std::move(state);
  due_.clear();
  stops_.clear();
  by_instance_.clear();
  for (const auto& [name, operation] : state_.operations) {
    if (operation.due) due_.emplace(*operation.due, name);
  }
  for (const auto& [name, resource] : state_.resources) {
    if (resource.stops_at) stops_.emplace(*resource.stops_at, name);
    if (resource.instance) by_instance_[resource.instance->name] = name;
  }
}

}  // namespace slipway::simulator
