#pragma once
// The record of a workstation on Cloud Workstations and its queries (WP-4, WP-7). Every change of a record is also an
// entry of the change feed, in the same transaction: workstation.created, workstation.updated, workstation.deleted.
//
// A record is never removed: a workstation that was taken away is `deleted`, for reports and the audit.

#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/scope.h"
#include "fleet/tier.h"
#include "fleet/workspace.h"
#include "store/store.h"

namespace slipway::fleet {

enum class WorkstationStatus { creating, running, stopping, stopped, starting, deleting, deleted, failed, lost };
BOOST_DESCRIBE_ENUM(WorkstationStatus, creating, running, stopping, stopped, starting, deleting, deleted, failed, lost)

struct Workstation {
  std::string id;
  std::string organization_id;
  std::string user_id;  // whose it is, as who ordered it names them
  std::string user_email;
  std::string tier;
  std::string machine_type;
  std::int64_t vcpus = 0;
  std::int64_t memory_gb = 0;
  std::int64_t boot_disk_size_gb = 0;
  std::string config;  // the workstation config's resource name: projects/…/workstationConfigs/starter
  WorkstationStatus status = WorkstationStatus::creating;
  std::optional<std::string> waiting_for;         // "quota"
  std::optional<std::string> gcp_workstation_id;  // the resource name in the cloud, once it is there
  std::optional<std::string> launch_url;
  std::optional<RunId> run_id;  // the run in progress
  std::optional<Problem> error;
  Instant created_at;
  std::optional<Instant> provisioned_at;
  Instant updated_at;
  std::int64_t version = 1;  // grows with every change: the ETag

  // Its resource name, also before the cloud has said it.
  std::string resource_name() const { return config + "/workstations/" + id; }
};
SLIPWAY_JSON_CAMEL(Workstation, id, organization_id, user_id, user_email, tier, machine_type, vcpus, memory_gb,
                   boot_disk_size_gb, config, status, waiting_for, gcp_workstation_id, launch_url, run_id, error,
                   created_at, provisioned_at, updated_at, version)
inline const json::Rules& json_rules(const Workstation*) {
  static const json::Rules rules{
      {.member = "id", .description = "Also its id in the cloud"},
      {.member = "waiting_for", .description = "`quota`: the cloud has no room for it now, and it is tried again"},
      {.member = "gcp_workstation_id", .description = "Its resource name in the cloud"},
      {.member = "launch_url", .description = "Where its user opens it"},
      {.member = "run_id", .description = "The run that is at work on it"},
      {.member = "provisioned_at", .description = "When it first ran"}};
  return rules;
}

// A run that is done again finds the record that the first one made: then it gets the tier and the place of today.
// Gives the record, whose id may be another one by now. Throws INVALID_STATE_TRANSITION when it is no longer the run's.
Workstation put_workstation(store::Transaction& tx, const Workstation& workstation,
                            const std::string& sealed_environment);
// `id` may also be the one that was chosen first.
std::optional<Workstation> find_workstation(store::Transaction& tx, const Scope& scope, const std::string& id);
// Throws NOT_FOUND: what belongs to others is not there.
Workstation get_workstation(store::Transaction& tx, const Scope& scope, const std::string& id);
std::string workstation_environment(store::Transaction& tx, const std::string& id);  // sealed

struct WorkstationFilter {
  std::optional<WorkstationStatus> status;
  std::optional<std::string> tier;
  std::optional<std::string> organization_id;
  std::optional<std::string> user_id;
  std::optional<std::string> waiting_for;
  bool with_deleted = true;
  // Cursor: older than this one.
  std::optional<Instant> before;
  std::string before_id;
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// Newest first.
std::vector<Workstation> list_workstations(store::Transaction& tx, const Scope& scope, const WorkstationFilter& filter);
std::int64_t count_workstations(store::Transaction& tx, const Scope& scope, const WorkstationFilter& filter);
struct WorkstationCount {
  std::string tier;
  WorkstationStatus status;
  std::int64_t count;
};
std::vector<WorkstationCount> count_by_tier(store::Transaction& tx);
// When the oldest was ordered of those that are being made; empty when none is.
std::optional<Instant> oldest_creating(store::Transaction& tx);

// Whether the run has a workstation in hand, under whatever id.
bool holds_workstation(store::Transaction& tx, const RunId& run);
// The second machine that belongs to each, where there is one.
std::vector<std::string> other_names(store::Transaction& tx);

// ---- changes by runs. Each is ignored unless the workstation still belongs to that run; false then.

// Makes `run` the run in progress. Throws INVALID_STATE_TRANSITION when another is at work or came between.
void take_workstation(store::Transaction& tx, Workstation& workstation, const RunId& run, WorkstationStatus status,
                      Instant now);
// The id was taken in the cloud: the record follows the new one (WP-12).
bool rename_workstation(store::Transaction& tx, const std::string& id, const std::string& new_id, const RunId& run,
                        Instant now);
bool set_waiting(store::Transaction& tx, const std::string& id, const RunId& run,
                 const std::optional<std::string>& waiting_for, Instant now);
// It runs: its name in the cloud, where it is opened, and for the first time also the count of its organization (WP-7).
bool mark_provisioned(store::Transaction& tx, const std::string& id, const RunId& run, const std::string& resource_name,
                      const std::string& launch_url, Instant now);
// The run is done with it.
bool finish_workstation(store::Transaction& tx, const std::string& id, const RunId& run, WorkstationStatus status,
                        Instant now);
bool fail_workstation(store::Transaction& tx, const std::string& id, const RunId& run, WorkstationStatus status,
                      const Problem& problem, Instant now);
// While it is moved: the resource name of its second machine.
bool set_other_name(store::Transaction& tx, const std::string& id, const std::optional<std::string>& name);
// It is of another tier now, under another id of the cloud.
struct NewTier {
  std::string id;
  Tier tier;
  std::string config;
};
bool move_workstation(store::Transaction& tx, const std::string& id, const RunId& run, const NewTier& to, Instant now);

// The cloud has it otherwise than recorded. False, and nothing changed, when a run is at work or the record is no
// longer the one that was looked at.
bool observe_workstation(store::Transaction& tx, const Workstation& seen, WorkstationStatus status,
                         const std::optional<Problem>& problem, Instant now);

}  // namespace slipway::fleet
