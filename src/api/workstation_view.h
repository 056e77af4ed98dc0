#pragma once
// What the routes of workstations share: reading them, their answers, and starting a run on one.

#include "api/conditional.h"
#include "api/launch.h"
#include "api/query.h"
#include "api/run_view.h"
#include "workflows/workstation_changes.h"

namespace slipway::api {

// For the document: launch.h makes it.
struct AcceptedWorkstation {
  fleet::Workstation workstation;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedWorkstation, workstation, run, status_url, estimated_duration_ms)

inline std::string etag(const fleet::Workstation& workstation) {
  return "\"" + std::to_string(workstation.version) + "-0\"";  // nothing of it changes without a version
}

// Throws CLOUD_NOT_CONFIGURED when the hub knows no cloud.
const workflows::WorkstationServices& cloud_of(const Call& call);

// Who asks, for the run and the audit.
workflows::OrderSource source_of(const Call& call);

// For the transaction of a change: makes the run the one in progress on the workstation, and gives what is answered.
// The run's owner is set to the workstation's.
Deed begin_run(Call& call, store::Transaction& tx, fleet::Workstation& workstation, durable::RunRecord& run,
               fleet::WorkstationStatus status);

}  // namespace slipway::api
