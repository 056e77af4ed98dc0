#pragma once
// Names of the resources of Cloud Workstations:
// projects/P/locations/L/workstationClusters/C/workstationConfigs/F/workstations/W.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace slipway::google {

struct LocationName {
  std::string project, location;
  std::string str() const;
};
struct ClusterName {
  std::string project, location, cluster;
  LocationName parent() const { return {project, location}; }
  std::string str() const;
};
struct ConfigName {
  std::string project, location, cluster, config;
  ClusterName parent() const { return {project, location, cluster}; }
  std::string str() const;
};
struct WorkstationName {
  std::string project, location, cluster, config, workstation;
  ConfigName parent() const { return {project, location, cluster, config}; }
  std::string str() const;
};

// Empty when it is no such name. Ids within are checked only for characters that a name cannot have.
std::optional<LocationName> parse_location_name(std::string_view name);
std::optional<ClusterName> parse_cluster_name(std::string_view name);
std::optional<ConfigName> parse_config_name(std::string_view name);
std::optional<WorkstationName> parse_workstation_name(std::string_view name);

// ^[a-z][-a-z0-9]{0,61}[a-z0-9]$: of clusters, configs and workstations.
bool is_resource_id(std::string_view id);

}  // namespace slipway::google
