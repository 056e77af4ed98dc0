#pragma once
// Organizations: how many workstations each has, and the isolated network that they go into (WP-7, WP-22).

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

struct Organization {
  std::string id;
  std::int64_t workstation_count = 0;
  std::optional<std::string> cluster;  // the id of its workstation cluster: a cluster is what has a network of its own
  std::optional<std::string> network;  // projects/P/global/networks/N
  std::optional<std::string> subnetwork;
  base::Instant created_at;
  base::Instant updated_at;
  std::int64_t version = 1;
};
SLIPWAY_JSON_CAMEL(Organization, id, workstation_count, cluster, network, subnetwork, created_at, updated_at, version)
inline const json::Rules& json_rules(const Organization*) {
  static const json::Rules rules{
      {.member = "workstation_count", .description = "Those that were made and not taken away"},
      {.member = "cluster", .description = "The workstation cluster that is in its network"},
      {.member = "network", .description = "projects/P/global/networks/N"},
      {.member = "subnetwork", .description = "projects/P/regions/R/subnetworks/S"}};
  return rules;
}

std::optional<Organization> find_organization(store::Transaction& tx, const Scope& scope, const std::string& id);
// By id, those after `after`.
std::vector<Organization> list_organizations(store::Transaction& tx, const Scope& scope, const std::string& after,
                                             std::int64_t offset, std::int64_t limit);
std::int64_t count_organizations(store::Transaction& tx, const Scope& scope);
// Throws CONFLICT when the cluster is another organization's: tenants share no network (WP-22). For those that have
// none of their own, `id` is empty.
void check_cluster_free(store::Transaction& tx, const std::string& cluster, const std::string& id);
// Makes it, or changes where its workstations go from now on. Counts the version up. CONFLICT as above.
Organization put_organization(store::Transaction& tx, const Organization& organization, base::Instant now);
// One workstation more or less; makes the organization if it is new.
void add_workstations(store::Transaction& tx, const std::string& id, std::int64_t by, base::Instant now);

}  // namespace slipway::fleet
