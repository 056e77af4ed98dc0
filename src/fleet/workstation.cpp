#include "fleet/workstation.h"

#include "base/enum_name.h"
#include "fleet/change_feed.h"
#include "fleet/organization.h"

namespace slipway::fleet {
namespace {

#define WORKSTATION_COLUMNS                                                                                      \
  "SELECT id, organization_id, user_id, user_email, tier, machine_type, vcpus, memory_gb, boot_disk_size_gb, "   \
  "config, status, waiting_for, gcp_workstation_id, launch_url, run_id, error_code, error_message, created_at, " \
  "provisioned_at, updated_at, version FROM workstation_records "

#define WORKSTATION_FILTER                                                                            \
  "WHERE (user_id = $1 OR $1 IS NULL) AND (status = $2 OR $2 IS NULL) AND (tier = $3 OR $3 IS NULL) " \
  "AND (organization_id = $4 OR $4 IS NULL) AND (user_id = $5 OR $5 IS NULL) "                        \
  "AND (waiting_for = $6 OR $6 IS NULL) AND ($7 = 1 OR status <> 'deleted') "

using base::name_of;
using base::value_of;

Workstation to_workstation(const store::Row& row) {
  Workstation workstation{.id = row.text(0),
                          .organization_id = row.text(1),
                          .user_id = row.text(2),
                          .user_email = row.text(3),
                          .tier = row.text(4),
                          .machine_type = row.text(5),
                          .vcpus = row.integer(6),
                          .memory_gb = row.integer(7),
                          .boot_disk_size_gb = row.integer(8),
                          .config = row.text(9),
                          .status = value_of<WorkstationStatus>(row.text(10)),
                          .waiting_for = row.text_or_null(11),
                          .gcp_workstation_id = row.text_or_null(12),
                          .launch_url = row.text_or_null(13),
                          .created_at = row.instant(17),
                          .provisioned_at = row.instant_or_null(18),
                          .updated_at = row.instant(19),
                          .version = row.integer(20)};
  if (const auto run = row.text_or_null(14)) workstation.run_id = RunId(*run);
  if (const auto code = row.text_or_null(15)) workstation.error = Problem{*code, row.text_or_null(16).value_or("")};
  return workstation;
}

// Tells the feed how the record looks now.
void tell(store::Transaction& tx, std::string_view type, const std::string& id, Instant now) {
  const auto workstation = get_workstation(tx, Scope::everything("the change feed speaks of every workstation"), id);
  record_change(tx, UserId(workstation.user_id), type, id, now, json::to_value(workstation));
}

std::string_view type_of(WorkstationStatus status) {
  return status == WorkstationStatus::deleted ? "workstation.deleted" : "workstation.updated";
}

// The common end of a change: whether there was one, and the feed's entry for it.
bool told(store::Transaction& tx, std::int64_t changed, const std::string& id, Instant now) {
  if (changed > 0) tell(tx, "workstation.updated", id, now);
  return changed > 0;
}

std::vector<store::Parameter> filter_parameters(const Scope& scope, const WorkstationFilter& filter) {
  return {
      scope.owner_id(),   filter.status ? store::Parameter(name_of(*filter.status)) : store::Parameter(std::nullopt),
      filter.tier,        filter.organization_id,
      filter.user_id,     filter.waiting_for,
      filter.with_deleted};
}

}  // namespace

Workstation put_workstation(store::Transaction& tx, const Workstation& workstation,
                            const std::string& sealed_environment) {
  const auto run = workstation.run_id ? std::optional(workstation.run_id->str()) : std::nullopt;
  const auto inserted = tx.execute(
      "INSERT INTO workstation_records (id, first_id, organization_id, user_id, user_email, tier, machine_type, vcpus, "
      "memory_gb, boot_disk_size_gb, config, status, run_id, counted, sealed_environment, version, created_at, "
      "updated_at) VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, 1, $14, $14) "
      "ON CONFLICT (first_id) DO NOTHING",
      {workstation.id, workstation.organization_id, workstation.user_id, workstation.user_email, workstation.tier,
       workstation.machine_type, workstation.vcpus, workstation.memory_gb, workstation.boot_disk_size_gb,
       workstation.config, name_of(workstation.status), run, sealed_environment, workstation.created_at});
  if (inserted == 0) {
    const auto changed = tx.execute(
        "UPDATE workstation_records SET tier = $3, machine_type = $4, vcpus = $5, memory_gb = $6, "
        "boot_disk_size_gb = $7, config = $8, version = version + 1, updated_at = $9 "
        "WHERE first_id = $1 AND run_id = $2",
        {workstation.id, run, workstation.tier, workstation.machine_type, workstation.vcpus, workstation.memory_gb,
         workstation.boot_disk_size_gb, workstation.config, workstation.created_at});
    if (changed == 0) throw base::invalid_state("the workstation is in the hands of another run");
  }
  const auto record = get_workstation(tx, Scope::everything("it was just written"), workstation.id);
  tell(tx, inserted > 0 ? "workstation.created" : "workstation.updated", record.id, workstation.created_at);
  return record;
}

std::optional<Workstation> find_workstation(store::Transaction& tx, const Scope& scope, const std::string& id) {
  auto rows = tx.query(WORKSTATION_COLUMNS "WHERE id = $2 AND (user_id = $1 OR $1 IS NULL)", {scope.owner_id(), id});
  if (rows.empty())
    rows = tx.query(WORKSTATION_COLUMNS "WHERE first_id = $2 AND (user_id = $1 OR $1 IS NULL)", {scope.owner_id(), id});
  if (rows.empty()) return std::nullopt;
  return to_workstation(rows.front());
}

Workstation get_workstation(store::Transaction& tx, const Scope& scope, const std::string& id) {
  auto workstation = find_workstation(tx, scope, id);
  if (!workstation) throw base::not_found("workstation", id);
  return *std::move(workstation);
}

std::string workstation_environment(store::Transaction& tx, const std::string& id) {
  const auto rows = tx.query("SELECT sealed_environment FROM workstation_records WHERE id = $1", {id});
  if (rows.empty()) throw base::not_found("workstation", id);
  return rows.front().text(0);
}

std::vector<Workstation> list_workstations(store::Transaction& tx, const Scope& scope,
                                           const WorkstationFilter& filter) {
  auto parameters = filter_parameters(scope, filter);
  parameters.emplace_back(filter.before);
  parameters.emplace_back(filter.before_id);
  parameters.emplace_back(filter.limit);
  parameters.emplace_back(filter.offset);
  std::vector<Workstation> workstations;
  for (const auto& row :
       tx.query(WORKSTATION_COLUMNS WORKSTATION_FILTER
                "AND (CAST($8 AS BIGINT) IS NULL OR created_at < $8 OR (created_at = $8 AND id < $9)) "
                "ORDER BY created_at DESC, id DESC LIMIT $10 OFFSET $11",
                parameters))
    workstations.push_back(to_workstation(row));
  return workstations;
}

std::int64_t count_workstations(store::Transaction& tx, const Scope& scope, const WorkstationFilter& filter) {
  return tx.query("SELECT COUNT(*) FROM workstation_records " WORKSTATION_FILTER, filter_parameters(scope, filter))
      .front()
      .integer(0);
}

std::vector<WorkstationCount> count_by_tier(store::Transaction& tx) {
  std::vector<WorkstationCount> counts;
  for (const auto& row :
       tx.query("SELECT tier, status, COUNT(*) FROM workstation_records GROUP BY tier, status ORDER BY tier, status"))
    counts.push_back({row.text(0), value_of<WorkstationStatus>(row.text(1)), row.integer(2)});
  return counts;
}

std::optional<Instant> oldest_creating(store::Transaction& tx) {
  return tx.query("SELECT MIN(created_at) FROM workstation_records WHERE status = 'creating'")
      .front()
      .instant_or_null(0);
}

bool holds_workstation(store::Transaction& tx, const RunId& run) {
  return !tx.query("SELECT 1 FROM workstation_records WHERE run_id = $1", {run.str()}).empty();
}

std::vector<std::string> other_names(store::Transaction& tx) {
  std::vector<std::string> names;
  for (const auto& row : tx.query("SELECT other_name FROM workstation_records WHERE other_name IS NOT NULL"))
    names.push_back(row.text(0));
  return names;
}

// ---- changes by runs

void take_workstation(store::Transaction& tx, Workstation& workstation, const RunId& run, WorkstationStatus status,
                      Instant now) {
  if (workstation.run_id)
    throw base::invalid_state("run " + workstation.run_id->str() +
                              " is at work on this workstation; wait for it or cancel it");
  const auto changed = tx.execute(
      "UPDATE workstation_records SET run_id = $2, status = $3, error_code = NULL, error_message = NULL, "
      "waiting_for = NULL, version = version + 1, updated_at = $4 WHERE id = $1 AND version = $5 AND run_id IS NULL",
      {workstation.id, run.str(), name_of(status), now, workstation.version});
  if (changed == 0) throw base::invalid_state("the workstation was changed by somebody else just now; look again");
  tell(tx, "workstation.updated", workstation.id, now);
  workstation = get_workstation(tx, Scope::everything("it was just changed"), workstation.id);
}

bool rename_workstation(store::Transaction& tx, const std::string& id, const std::string& new_id, const RunId& run,
                        Instant now) {
  const auto changed = tx.execute(
      "UPDATE workstation_records SET id = $3, version = version + 1, updated_at = $4 WHERE id = $1 AND run_id = $2",
      {id, run.str(), new_id, now});
  return told(tx, changed, new_id, now);
}

bool set_waiting(store::Transaction& tx, const std::string& id, const RunId& run,
                 const std::optional<std::string>& waiting_for, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workstation_records SET waiting_for = $3, version = version + 1, updated_at = $4 "
      "WHERE id = $1 AND run_id = $2",
      {id, run.str(), waiting_for, now});
  return told(tx, changed, id, now);
}

bool mark_provisioned(store::Transaction& tx, const std::string& id, const RunId& run, const std::string& resource_name,
                      const std::string& launch_url, Instant now) {
  const auto rows = tx.query("SELECT counted, organization_id FROM workstation_records WHERE id = $1 AND run_id = $2",
                             {id, run.str()});
  if (rows.empty()) return false;
  const auto changed = tx.execute(
      "UPDATE workstation_records SET status = 'running', gcp_workstation_id = $3, launch_url = $4, counted = 1, "
      "waiting_for = NULL, error_code = NULL, error_message = NULL, run_id = NULL, "
      "provisioned_at = COALESCE(provisioned_at, $5), version = version + 1, updated_at = $5 "
      "WHERE id = $1 AND run_id = $2",
      {id, run.str(), resource_name, launch_url, now});
  if (rows.front().integer(0) == 0) add_workstations(tx, rows.front().text(1), 1, now);
  return told(tx, changed, id, now);
}

bool finish_workstation(store::Transaction& tx, const std::string& id, const RunId& run, WorkstationStatus status,
                        Instant now) {
  const auto rows = tx.query("SELECT counted, organization_id FROM workstation_records WHERE id = $1 AND run_id = $2",
                             {id, run.str()});
  if (rows.empty()) return false;
  const bool is_gone = status == WorkstationStatus::deleted;
  const bool uncount = is_gone && rows.front().integer(0) != 0;
  tx.execute(
      "UPDATE workstation_records SET status = $3, run_id = NULL, waiting_for = NULL, error_code = NULL, "
      "error_message = NULL, counted = $4, version = version + 1, updated_at = $5 WHERE id = $1 AND run_id = $2",
      {id, run.str(), name_of(status), uncount ? std::int64_t(0) : rows.front().integer(0), now});
  if (uncount) add_workstations(tx, rows.front().text(1), -1, now);
  tell(tx, type_of(status), id, now);
  return true;
}

bool fail_workstation(store::Transaction& tx, const std::string& id, const RunId& run, WorkstationStatus status,
                      const Problem& problem, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workstation_records SET status = $3, run_id = NULL, waiting_for = NULL, error_code = $4, "
      "error_message = $5, version = version + 1, updated_at = $6 WHERE id = $1 AND run_id = $2",
      {id, run.str(), name_of(status), problem.code, problem.message, now});
  if (changed > 0) tell(tx, type_of(status), id, now);
  return changed > 0;
}

bool set_other_name(store::Transaction& tx, const std::string& id, const std::optional<std::string>& name) {
  return tx.execute("UPDATE workstation_records SET other_name = $2 WHERE id = $1", {id, name}) > 0;
}

bool move_workstation(store::Transaction& tx, const std::string& id, const RunId& run, const NewTier& to, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workstation_records SET id = $3, tier = $4, machine_type = $5, vcpus = $6, memory_gb = $7, "
      "boot_disk_size_gb = $8, config = $9, version = version + 1, updated_at = $10 WHERE id = $1 AND run_id = $2",
      {id, run.str(), to.id, to.tier.name, to.tier.machine_type, to.tier.vcpus, to.tier.memory_gb, to.tier.disk_gb,
       to.config, now});
  return told(tx, changed, to.id, now);
}

bool observe_workstation(store::Transaction& tx, const Workstation& seen, WorkstationStatus status,
                         const std::optional<Problem>& problem, Instant now) {
  const auto changed = tx.execute(
      "UPDATE workstation_records SET status = $2, error_code = $3, error_message = $4, version = version + 1, "
      "updated_at = $5 WHERE id = $1 AND run_id IS NULL AND version = $6",
      {seen.id, name_of(status), problem ? std::optional(problem->code) : std::nullopt,
       problem ? std::optional(problem->message) : std::nullopt, now, seen.version});
  return told(tx, changed, seen.id, now);
}

}  // namespace slipway::fleet
