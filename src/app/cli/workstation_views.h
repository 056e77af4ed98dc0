#pragma once
// Workstations, tiers and organizations as the API answers them (docs/api.md). Read leniently: a newer hub may say
// more.

#include <map>
#include <optional>
#include <string>

#include "app/cli/views.h"

namespace slipway::app::cli {

struct WorkstationView {
  std::string id;
  std::string organization_id, user_id, user_email;
  std::string tier, machine_type;
  std::int64_t vcpus = 0, memory_gb = 0, boot_disk_size_gb = 0;
  std::string config, status;
  std::optional<std::string> waiting_for, gcp_workstation_id, launch_url, run_id;
  std::optional<ErrorView> error;
  std::optional<base::Instant> created_at, provisioned_at;
};
SLIPWAY_JSON_CAMEL(WorkstationView, id, organization_id, user_id, user_email, tier, machine_type, vcpus, memory_gb,
                   boot_disk_size_gb, config, status, waiting_for, gcp_workstation_id, launch_url, run_id, error,
                   created_at, provisioned_at)

struct TierView {
  std::string name, machine_type;
  std::int64_t vcpus = 0, memory_gb = 0, disk_gb = 0, monthly_cost_usd = 0;
  std::map<std::string, std::int64_t> workstations;
};
SLIPWAY_JSON_CAMEL(TierView, name, machine_type, vcpus, memory_gb, disk_gb, monthly_cost_usd, workstations)

struct OrganizationView {
  std::string id;
  std::int64_t workstation_count = 0;
  std::optional<std::string> cluster, network, subnetwork;
};
SLIPWAY_JSON_CAMEL(OrganizationView, id, workstation_count, cluster, network, subnetwork)

struct SetupFindingView {
  std::string resource, what;
  std::vector<std::string> differences;
};
SLIPWAY_JSON_CAMEL(SetupFindingView, resource, what, differences)
struct SetupReportView {
  std::string cluster;
  bool is_ready = false;
  std::vector<SetupFindingView> findings;
};
SLIPWAY_JSON_CAMEL(SetupReportView, cluster, is_ready, findings)

struct SweepReportView {
  std::int64_t machines = 0;
  std::vector<std::string> orphans, lost, observed, unreachable;
};
SLIPWAY_JSON_CAMEL(SweepReportView, machines, orphans, lost, observed, unreachable)

}  // namespace slipway::app::cli
