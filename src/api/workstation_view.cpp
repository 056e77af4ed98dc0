#include "api/workstation_view.h"

#include "durable/journal.h"

namespace slipway::api {

const workflows::WorkstationServices& cloud_of(const Call& call) {
  if (call.hub.workstations == nullptr)
    throw base::Error(base::ErrorClass::conflict, "CLOUD_NOT_CONFIGURED",
                      "this hub works with no cloud; slipway serve --cloud FILE tells it which");
  return *call.hub.workstations;
}

workflows::OrderSource source_of(const Call& call) {
  return {.kind = "api", .by = call.caller->user.str(), .remote = call.request.peer, .message_id = {}};
}

Deed begin_run(Call& call, store::Transaction& tx, fleet::Workstation& workstation, durable::RunRecord& run,
               fleet::WorkstationStatus status) {
  run.owner_id = workstation.user_id;
  fleet::take_workstation(tx, workstation, run.id, status, call.hub.clock.now());
  durable::journal::insert_run(tx, run);
  const auto usual = durable::journal::usual_duration(tx, run.type);
  return {.answer = accepted(call, run, "workstation", json::to_value(workstation), usual),
          .action = run.type,
          .resource_type = "workstation",
          .resource_id = workstation.id,
          .details = json::Object{{"run", run.id.str()}}};
}

}  // namespace slipway::api
