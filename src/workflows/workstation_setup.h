#pragma once
// Makes a place ready for workstations, or checks it: a cluster in the tenant's own network (WP-22), and in it a config
// for each tier, which is where the machine type and the disk live (WP-5). Safe to repeat; what is there is kept, and
// what differs is changed, for workstations from their next start on: but a home is
// that of new workstations only, and a cluster in another network than was asked for fails the run (NETWORK_DIFFERS).

#include "workflows/workstation_services.h"

namespace slipway::workflows {

struct MachineSettings {
  std::string container_image;
  std::string service_account;
  bool public_ip = false;
  base::Duration idle_timeout{1'200'000};
  base::Duration running_timeout{43'200'000};
};

struct SetupRequest {
  std::string organization_id;  // empty: the place for organizations without one of their own
  std::string cluster;
  std::string network;     // projects/P/global/networks/N; empty: the project's default
  std::string subnetwork;  // projects/P/regions/R/subnetworks/S; likewise
  bool only_check = false;
  OrderSource source;
};
SLIPWAY_JSON_CAMEL(SetupRequest, organization_id, cluster, network, subnetwork, only_check, source)

struct SetupFinding {
  std::string resource;  // its id: the cluster, or a config
  std::string what;      // ready, made, changed, missing, differs, unfinished (somebody is making or changing it)
  std::vector<std::string> differences;
};
SLIPWAY_JSON_CAMEL(SetupFinding, resource, what, differences)

struct SetupReport {
  std::string cluster;  // its resource name
  bool is_ready = false;
  std::vector<SetupFinding> findings;
};
SLIPWAY_JSON_CAMEL(SetupReport, cluster, is_ready, findings)

// What there should be. Recorded first, so that a run is the same to its end, also under a changed configuration.
struct SetupPlan {
  std::string location;  // where clusters are
  google::WorkstationCluster cluster;
  std::vector<google::WorkstationConfig> configs;
};
SLIPWAY_JSON_CAMEL(SetupPlan, location, cluster, configs)

class WorkstationSetup {
 public:
  static constexpr std::string_view kType = "workstation.setup";
  static std::vector<std::string> outline();
  WorkstationSetup(const WorkstationServices& services, MachineSettings machines)
      : services_(services), machines_(std::move(machines)) {}

  durable::Run<SetupReport> operator()(durable::Context& run, SetupRequest request) const;

 private:
  using IsSettled = std::function<bool(std::stop_token)>;

  durable::Run<SetupFinding> ready_cluster(durable::Context& run, SetupRequest request, SetupPlan plan) const;
  durable::Run<SetupFinding> ready_config(durable::Context& run, std::string cluster, google::WorkstationConfig wanted,
                                          bool only_check) const;
  // Waits until the operation, where it is known, has ended and the resource stands. Throws what it failed with.
  durable::Run<> settle(durable::Context& run, std::string step, std::string operation, IsSettled is_settled) const;
  std::optional<durable::Failure> failure_of(const std::string& operation, bool& done, std::stop_token stop) const;
  SetupPlan plan_for(const SetupRequest& request) const;
  google::WorkstationConfig wanted_config(const std::string& cluster, const fleet::Tier& tier) const;

  const WorkstationServices& services_;
  const MachineSettings machines_;
};

}  // namespace slipway::workflows
