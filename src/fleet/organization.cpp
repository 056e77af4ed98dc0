#include "fleet/organization.h"

namespace slipway::fleet {
namespace {

#define ORGANIZATION_COLUMNS \
  "SELECT id, workstation_count, cluster, network, subnetwork, created_at, updated_at, version FROM organizations "

Organization to_organization(const store::Row& row) {
  return {.id = row.text(0),
          .workstation_count = row.integer(1),
          .cluster = row.text_or_null(2),
          .network = row.text_or_null(3),
          .subnetwork = row.text_or_null(4),
          .created_at = row.instant(5),
          .updated_at = row.instant(6),
          .version = row.integer(7)};
}

// Users belong to no organization here: only those who see everything see these.
bool sees(const Scope& scope) { return scope.is_everything(); }

base::Error taken(const std::string& cluster, const std::string& by) {
  return base::Error(base::ErrorClass::conflict, "CONFLICT",
                     "cluster '" + cluster + "' is that of " + by + ": tenants share no network, so name another one",
                     json::Object{{"field", "cluster"}});
}

}  // namespace

std::optional<Organization> find_organization(store::Transaction& tx, const Scope& scope, const std::string& id) {
  if (!sees(scope)) return std::nullopt;
  const auto rows = tx.query(ORGANIZATION_COLUMNS "WHERE id = $1", {id});
  if (rows.empty()) return std::nullopt;
  return to_organization(rows.front());
}

std::vector<Organization> list_organizations(store::Transaction& tx, const Scope& scope, const std::string& after,
                                             std::int64_t offset, std::int64_t limit) {
  std::vector<Organization> organizations;
  if (!sees(scope)) return organizations;
  for (const auto& row :
       tx.query(ORGANIZATION_COLUMNS "WHERE id > $1 ORDER BY id LIMIT $2 OFFSET $3", {after, limit, offset}))
    organizations.push_back(to_organization(row));
  return organizations;
}

std::int64_t count_organizations(store::Transaction& tx, const Scope& scope) {
  return sees(scope) ? tx.query("SELECT COUNT(*) FROM organizations").front().integer(0) : 0;
}

void check_cluster_free(store::Transaction& tx, const std::string& cluster, const std::string& id) {
  const auto rows = tx.query("SELECT id FROM organizations WHERE cluster = $1 AND id <> $2", {cluster, id});
  if (!rows.empty()) throw taken(cluster, "organization '" + rows.front().text(0) + "'");
}

Organization put_organization(store::Transaction& tx, const Organization& organization, base::Instant now) {
  if (organization.cluster) check_cluster_free(tx, *organization.cluster, organization.id);
  try {
    tx.execute(
        "INSERT INTO organizations (id, workstation_count, cluster, network, subnetwork, version, created_at, "
        "updated_at) "
        "VALUES ($1, 0, $2, $3, $4, 1, $5, $5) ON CONFLICT (id) DO UPDATE SET cluster = excluded.cluster, "
        "network = excluded.network, subnetwork = excluded.subnetwork, version = organizations.version + 1, "
        "updated_at = excluded.updated_at",
        {organization.id, organization.cluster, organization.network, organization.subnetwork, now});
  } catch (const base::Error& error) {  // another replica was faster
    if (error.code() != "CONSTRAINT_VIOLATED") throw;
    throw taken(organization.cluster.value_or(""), "another organization");
  }
  return *find_organization(tx, Scope::everything("it was just written"), organization.id);
}

void add_workstations(store::Transaction& tx, const std::string& id, std::int64_t by, base::Instant now) {
  tx.execute(
      "INSERT INTO organizations (id, workstation_count, version, created_at, updated_at) VALUES ($1, $2, 1, $3, $3) "
      "ON CONFLICT (id) DO UPDATE SET workstation_count = organizations.workstation_count + "
      "excluded.workstation_count, "
      "updated_at = excluded.updated_at",
      {id, by, now});
}

}  // namespace slipway::fleet
