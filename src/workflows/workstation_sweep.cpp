#include "workflows/workstation_sweep.h"

#include <algorithm>
#include <map>
#include <set>

#include "fleet/alert.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::Attempt;
using durable::Context;
using durable::Run;
using fleet::Scope;
using fleet::Workstation;
using fleet::WorkstationStatus;
using google::WorkstationState;

namespace {

constexpr auto kGrace = 1h;  // a machine may be made a while before its record says so, and go a while after
constexpr std::int64_t kRecordsAtOnce = 1'000;
constexpr std::size_t kNamedMax = 100;  // of a report: beyond it the number is what matters

// What a machine's state says of a record at which nobody works.
std::optional<WorkstationStatus> status_of(WorkstationState state) {
  switch (state) {
    case WorkstationState::running:
      return WorkstationStatus::running;
    case WorkstationState::stopped:
    case WorkstationState::suspended:
      return WorkstationStatus::stopped;
    default:
      return std::nullopt;  // on its way, or unheard of: the next look tells
  }
}

bool should_be_there(const Workstation& record) {
  using enum WorkstationStatus;
  return record.status == running || record.status == stopped || record.status == lost;
}

std::vector<Workstation> all_records(store::Transaction& tx) {
  std::vector<Workstation> records;
  fleet::WorkstationFilter filter{.with_deleted = false, .before = {}, .before_id = {}, .limit = kRecordsAtOnce};
  for (;;) {
    auto page = fleet::list_workstations(tx, Scope::everything("the sweep"), filter);
    const bool is_last = page.size() < std::size_t(kRecordsAtOnce);
    if (!page.empty()) {
      filter.before = page.back().created_at;
      filter.before_id = page.back().id;
    }
    std::ranges::move(page, std::back_inserter(records));
    if (is_last) return records;
  }
}

// The configs in which there may be machines of ours.
std::vector<std::string> known_configs(store::Transaction& tx, const WorkstationServices& services) {
  std::set<std::string> clusters, configs;
  if (!services.default_cluster.empty()) clusters.insert(services.default_cluster);
  for (std::string after;;) {
    const auto page = fleet::list_organizations(tx, Scope::everything("the sweep"), after, 0, kRecordsAtOnce);
    for (const auto& organization : page)
      if (organization.cluster) clusters.insert(*organization.cluster);
    if (page.size() < std::size_t(kRecordsAtOnce)) break;
    after = page.back().id;
  }
  const auto& [project, location] = services.location;
  for (const auto& cluster : clusters)
    for (const auto& tier : services.tiers.all())
      configs.insert(google::ConfigName{project, location, cluster, tier.config_id()}.str());
  for (const auto& record : all_records(tx)) configs.insert(record.config);  // of tiers and clusters of the past
  return {configs.begin(), configs.end()};
}

struct Inventory {
  base::Instant seen_at;
  std::vector<Machine> machines;
  std::vector<std::string> unreachable;
};
SLIPWAY_JSON_CAMEL(Inventory, seen_at, machines, unreachable)

void add_name(std::vector<std::string>& names, const std::string& name) {
  if (names.size() < kNamedMax) names.push_back(name);
}

}  // namespace

Drift find_drift(const std::vector<Machine>& machines, const std::vector<Workstation>& records,
                 const std::vector<std::string>& others, base::Instant seen_at, base::Duration grace) {
  std::map<std::string, const Machine*> there;
  for (const auto& machine : machines) there[machine.name] = &machine;
  Drift drift;
  std::set<std::string> known(others.begin(), others.end());
  for (const auto& record : records) {
    const bool was_given_up = record.status == WorkstationStatus::failed && !record.run_id;
    if (!was_given_up) known.insert(record.resource_name());
    if (record.run_id || record.updated_at >= seen_at || !should_be_there(record)) continue;
    const auto machine = there.find(record.resource_name());
    if (machine == there.end()) {
      if (record.status != WorkstationStatus::lost) drift.lost.push_back(record);
    } else if (const auto status = status_of(machine->second->state); status && *status != record.status) {
      drift.changed.emplace_back(record, *status);
    }
  }
  for (const auto& machine : machines)
    if (!known.contains(machine.name) && machine.created_at && *machine.created_at + grace < seen_at)
      drift.orphans.push_back(machine);
  return drift;
}

std::vector<std::string> WorkstationSweep::outline() { return {"list-machines", "compare-records"}; }

namespace {

Inventory list_machines(const WorkstationServices& services, std::stop_token stop) {
  std::vector<std::string> configs;
  services.database.read_and_wait([&](store::Transaction& tx) { configs = known_configs(tx, services); });
  Inventory inventory{.seen_at = services.clock.now()};
  for (const auto& config : configs) {
    try {
      const auto listed = services.cloud.list(config, stop);
      for (const auto& machine : listed.items)
        if (services.cloud.is_ours(machine))
          inventory.machines.push_back({machine.name, machine.host, machine.state, machine.created_at});
      if (!listed.unreachable.empty()) inventory.unreachable.push_back(config);
    } catch (const base::Error& error) {
      if (error.code() != "NOT_FOUND") throw;  // a config that was never made has no machines
    }
  }
  return inventory;
}

// What was nobody's and is gone by now, however it went.
void resolve_gone(store::Transaction& tx, const Inventory& inventory, base::Instant now) {
  std::set<std::string> there;
  for (const auto& machine : inventory.machines) there.insert(machine.name);
  fleet::AlertFilter open{.states = {fleet::AlertState::open, fleet::AlertState::acknowledged},
                          .kind = std::string(kDriftAlert),
                          .resource_type = "machine",
                          .limit = kRecordsAtOnce};
  if (!inventory.unreachable.empty()) return;
  for (const auto& alert : fleet::list_alerts(tx, Scope::everything("the sweep"), open))
    if (!there.contains(alert.resource_id))
      fleet::resolve_alert(tx, kDriftAlert, "machine", alert.resource_id, WorkstationSweep::kType, now);
}

SweepReport put_right(store::Transaction& tx, const WorkstationServices& services, const Inventory& inventory) {
  const auto now = services.clock.now();
  const auto drift = find_drift(inventory.machines, all_records(tx), fleet::other_names(tx), inventory.seen_at, kGrace);
  SweepReport report{.machines = std::int64_t(inventory.machines.size()), .unreachable = inventory.unreachable};
  for (const auto& record : drift.lost) {
    if (std::ranges::find(inventory.unreachable, record.config) != inventory.unreachable.end()) continue;
    const fleet::Problem problem{"LOST", "the cloud does not have it any more"};
    if (!fleet::observe_workstation(tx, record, WorkstationStatus::lost, problem, now)) continue;
    fleet::raise_alert(tx,
                       {.kind = std::string(kDriftAlert),
                        .severity = fleet::AlertSeverity::critical,
                        .resource_type = "workstation",
                        .resource_id = record.id,
                        .owner_id = record.user_id,
                        .message = "the cloud does not have " + record.id + " any more; somebody took it away"},
                       now);
    add_name(report.lost, record.id);
  }
  for (const auto& [record, status] : drift.changed) {
    if (!fleet::observe_workstation(tx, record, status, std::nullopt, now)) continue;
    if (record.status == WorkstationStatus::lost)
      fleet::resolve_alert(tx, kDriftAlert, "workstation", record.id, "workstation.sweep", now);
    add_name(report.observed, record.id);
  }
  for (const auto& machine : drift.orphans) {
    fleet::raise_alert(tx,
                       {.kind = std::string(kDriftAlert),
                        .severity = fleet::AlertSeverity::warning,
                        .resource_type = "machine",
                        .resource_id = machine.name,
                        .message = "a workstation of this hub that no record speaks of, and that costs money; slipway "
                                   "workstations sweep --delete-orphans takes it away"},
                       now);
    add_name(report.orphans, machine.name);
  }
  resolve_gone(tx, inventory, now);
  return report;
}

// Whether a record speaks of the machine by now: then it is nobody's to take away.
bool is_known(const WorkstationServices& services, const std::string& name) {
  bool known = false;
  services.database.read_and_wait([&](store::Transaction& tx) {
    const auto others = fleet::other_names(tx);
    const auto record = fleet::find_workstation(tx, Scope::everything("the sweep"), name.substr(name.rfind('/') + 1));
    const bool is_its = record && record->resource_name() == name && record->status != WorkstationStatus::deleted;
    known = (is_its && (record->status != WorkstationStatus::failed || record->run_id)) ||
            std::ranges::find(others, name) != others.end();
  });
  return known;
}

}  // namespace

Run<SweepReport> WorkstationSweep::operator()(Context& run, SweepRequest request) const {
  const WorkstationServices& services = services_;
  const auto inventory = co_await run.step("list-machines", durable::retry::cloud(std::string(kWorkstationsEndpoint)),
                                           [&](Attempt& attempt) { return list_machines(services, attempt.stop()); });
  const auto report = co_await run.transaction(
      "compare-records", [&](store::Transaction& tx) { return put_right(tx, services, inventory); });
  if (!request.delete_orphans.value_or(false)) co_return report;
  durable::Retry patient{.attempts_max = 200, .first_delay = 1s, .delay_max = 30s, .time_max = 2h};
  patient.endpoint = std::string(kWorkstationsEndpoint);
  const auto taken = co_await run.for_each("delete-orphan", report.orphans, durable::wide(4), patient,
                                           [&services](const std::string& name, Attempt& attempt) {
                                             if (!is_known(services, name))
                                               services.cloud.take_away(name, attempt.stop());
                                           });
  co_await run.transaction("resolve-alerts", [&](store::Transaction& tx) {
    for (std::size_t i = 0; i < taken.size(); ++i)
      if (taken[i]) fleet::resolve_alert(tx, kDriftAlert, "machine", report.orphans[i], kType, services.clock.now());
  });
  co_return report;
}

}  // namespace slipway::workflows
