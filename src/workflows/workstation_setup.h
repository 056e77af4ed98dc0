#pragma once
// Makes a place ready for workstations, or checks it: a cluster in the tenant's own network (WP-22), and in it a config
// for each tier, which is where the machine type and the disk live (WP-5). Safe to repeat; what is there is kept, and
// what differs is changed, for workstations from their next start on.

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
  std::string what;      // ready, made, changed, missing, differs
  std::vector<std::string> differences;
};
SLIPWAY_JSON_CAMEL(SetupFinding, resource, what, differences)

struct SetupReport {
  std::string cluster;  // its resource name
  bool is_ready = false;
  std::vector<SetupFinding> findings;
};
SLIPWAY_JSON_CAMEL(SetupReport, cluster, is_ready, findings)

class WorkstationSetup {
 public:
  static constexpr std::string_view kType = "workstation.setup";
  static std::vector<std::string> outline();
  WorkstationSetup(const WorkstationServices& services, MachineSettings machines)
      : services_(services), machines_(std::move(machines)) {}

  durable::Run<SetupReport> operator()(durable::Context& run, SetupRequest request) const;

 private:
  durable::Run<SetupFinding> ready_cluster(durable::Context& run, SetupRequest request, std::string name) const;
  durable::Run<SetupFinding> ready_config(durable::Context& run, std::string cluster, fleet::Tier tier,
                                          bool only_check) const;
  // Follows an operation to its end, and throws what it failed with.
  durable::Run<> follow(durable::Context& run, std::string step, std::string operation) const;
  google::WorkstationConfig wanted_config(const std::string& cluster, const fleet::Tier& tier) const;

  const WorkstationServices& services_;
  const MachineSettings machines_;
};

}  // namespace slipway::workflows
