#include "workflows/workstation_services.h"

#include "fleet/alert.h"

namespace slipway::workflows {

using fleet::Scope;
using fleet::Workstation;

fleet::Workstation WorkstationServices::workstation(store::Transaction& tx, const std::string& id) const {
  return fleet::get_workstation(tx, Scope::everything("a run on this workstation"), id);
}

fleet::Workstation WorkstationServices::workstation(const std::string& id) const {
  std::optional<Workstation> found;
  database.read_and_wait([&](store::Transaction& tx) { found = workstation(tx, id); });
  return *std::move(found);
}

std::string WorkstationServices::config_of(store::Transaction& tx, const std::string& organization_id,
                                           const fleet::Tier& tier) const {
  const auto organization = fleet::find_organization(tx, Scope::everything("where its machines go"), organization_id);
  const auto cluster = organization && organization->cluster ? *organization->cluster : default_cluster;
  if (cluster.empty())
    throw base::Error(base::ErrorClass::user, "NETWORK_NOT_CONFIGURED",
                      "organization '" + organization_id +
                          "' has no network of its own yet; slipway workstations setup --organization " +
                          organization_id + " makes one ready");
  return google::ConfigName{location.project, location.location, cluster, tier.config_id()}.str();
}

providers::workstations::WorkstationSpec WorkstationServices::spec_of(const Workstation& workstation) const {
  std::string sealed;
  database.read_and_wait([&](store::Transaction& tx) { sealed = fleet::workstation_environment(tx, workstation.id); });
  providers::workstations::WorkstationSpec spec{.config = workstation.config, .id = workstation.id};
  spec.display_name = workstation.id;
  spec.labels = {{"tier", workstation.tier}};
  if (!sealed.empty())
    spec.environment = json::parse<std::map<std::string, std::string>>(sealer.unseal(sealed).reveal());
  spec.environment["SLIPWAY_WORKSTATION_ID"] = workstation.id;
  spec.environment["SLIPWAY_USER_ID"] = workstation.user_id;
  spec.environment["SLIPWAY_USER_EMAIL"] = workstation.user_email;
  spec.environment["SLIPWAY_ORGANIZATION_ID"] = workstation.organization_id;
  spec.environment["SLIPWAY_TIER"] = workstation.tier;
  return spec;
}

bool WorkstationServices::holds_workstation(const RunId& run) const {
  bool holds = false;
  database.read_and_wait([&](store::Transaction& tx) { holds = fleet::holds_workstation(tx, run); });
  return holds;
}

std::string WorkstationServices::launch_url_of(const std::string& id, const std::string& host) const {
  std::string url = launch_url;
  for (const auto& [name, value] : {std::pair<std::string_view, const std::string&>{"{host}", host}, {"{id}", id}})
    for (auto at = url.find(name); at != std::string::npos; at = url.find(name, at + value.size()))
      url.replace(at, name.size(), value);
  return url;
}

void resolve_workstation_alerts(store::Transaction& tx, const std::string& id, std::string_view by, base::Instant now) {
  for (const auto kind : {kQuotaAlert, kSlowAlert, kFailedAlert, kDriftAlert})
    fleet::resolve_alert(tx, kind, "workstation", id, by, now);
}

void fail_workstation(store::Transaction& tx, const std::string& id, fleet::WorkstationStatus status,
                      const durable::BadEnd& end, const std::string& action) {
  std::string message = end.failure.message;
  if (!end.step.empty()) message = end.step + ": " + message;
  if (end.needs_attention) message += " (and something could not be undone: it needs a person)";
  const auto record = fleet::find_workstation(tx, Scope::everything("the run that failed on it"), id);
  if (record) {
    fleet::fail_workstation(tx, record->id, end.run, status, {end.failure.code, message}, end.at);
    fleet::set_other_name(tx, record->id, std::nullopt);  // whatever is left of it is nobody's
    for (const auto kind : {kQuotaAlert, kSlowAlert})
      fleet::resolve_alert(tx, kind, "workstation", record->id, action, end.at);
  }
  if (end.status == durable::RunStatus::cancelled && !end.needs_attention) return;
  fleet::raise_alert(tx,
                     {.kind = std::string(kFailedAlert),
                      .severity = fleet::AlertSeverity::critical,
                      .resource_type = "workstation",
                      .resource_id = record ? record->id : id,
                      .owner_id = record ? std::optional(record->user_id) : std::nullopt,
                      .run_id = end.run.str(),
                      .message = action + " failed at " + message,
                      .details = json::Object{{"code", end.failure.code}}},
                     end.at);
}

}  // namespace slipway::workflows
