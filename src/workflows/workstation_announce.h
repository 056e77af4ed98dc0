#pragma once
// Steps that the workflows of workstations share: starting one, telling the world, and the audit.

#include "fleet/audit.h"
#include "workflows/workstation_services.h"

namespace slipway::workflows {

CloudWork starting(const WorkstationServices& services, const std::string& resource);
CloudWork stopping(const WorkstationServices& services, const std::string& resource);
CloudWork removing(const WorkstationServices& services, const std::string& resource);

// The mail of WP-8 and the event of WP-9. A step that fails for good is marked so and raises an alert; the run goes on,
// for the workstation is ready (WP-15).
durable::Run<> send_ready_mail(durable::Context& run, const WorkstationServices& services, std::string id);
durable::Run<> publish_ready(durable::Context& run, const WorkstationServices& services, std::string user_id,
                             std::string resource_name);

// WP-19: who, what, when, from where, and what came of it.
struct WorkstationDeed {
  std::string action;
  std::string id;
  fleet::AuditOutcome outcome = fleet::AuditOutcome::success;
  std::string error_code = {};
};
void audit_workstation(store::Transaction& tx, const WorkstationDeed& deed, const RunId& run, const OrderSource& source,
                       base::Instant now);

}  // namespace slipway::workflows
