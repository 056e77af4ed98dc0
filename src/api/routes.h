#pragma once
// Every route of the API, one file for each resource.

#include "api/router.h"

namespace slipway::api {

void add_workspace_routes(Router& router);         // workspaces.cpp
void add_build_routes(Router& router);             // builds.cpp: of workspaces that are built from templates
void add_workstation_routes(Router& router);       // workstations.cpp
void add_workstation_actions(Router& router);      // workstation_actions.cpp
void add_template_routes(Router& router);          // templates.cpp
void add_template_version_routes(Router& router);  // template_versions.cpp: added by the one before
void add_template_push_routes(Router& router);     // template_push.cpp: likewise
void add_blob_routes(Router& router);              // blobs.cpp: archives of templates
void add_state_routes(Router& router);             // states.cpp
void add_terraform_state_routes(Router& router);   // terraform_states.cpp: added by the one before
void add_quota_routes(Router& router);             // quota.cpp
void add_group_routes(Router& router);             // groups.cpp
void add_organization_routes(Router& router);      // organizations.cpp: and tiers, and places for workstations
void add_run_queries(Router& router);              // run_queries.cpp
void add_run_event_routes(Router& router);         // run_events.cpp
void add_run_actions(Router& router);              // run_actions.cpp
void add_run_metrics_routes(Router& router);       // run_metrics.cpp
void add_schedule_routes(Router& router);          // schedules.cpp
void add_queue_routes(Router& router);             // queues.cpp
void add_alert_routes(Router& router);             // alerts.cpp
void add_webhook_routes(Router& router);           // webhooks.cpp
void add_webhook_delivery_routes(Router& router);  // webhook_deliveries.cpp: added by the one before
void add_message_routes(Router& router);           // messages.cpp
void add_pubsub_push_routes(Router& router);       // pubsub_push.cpp
void add_event_routes(Router& router);             // events.cpp
void add_connect_routes(Router& router);           // connect.cpp: agents and their clients
void add_job_routes(Router& router);               // jobs.cpp
void add_daemon_routes(Router& router);            // daemons.cpp: and their keys
void add_daemon_calls(Router& router);             // daemon_calls.cpp: what daemons ask themselves
void add_why_routes(Router& router);               // why.cpp
void add_identity_routes(Router& router);          // identity.cpp: me, API keys
void add_audit_routes(Router& router);             // audit.cpp
void add_system_routes(Router& router);            // system.cpp: health, metrics, providers
void add_openapi_routes(Router& router);           // openapi_routes.cpp: the description of all of them; added last

inline Router all_routes() {
  Router router;
  add_workspace_routes(router);
  add_build_routes(router);
  add_workstation_routes(router);
  add_workstation_actions(router);
  add_template_routes(router);
  add_blob_routes(router);
  add_state_routes(router);
  add_quota_routes(router);
  add_group_routes(router);
  add_organization_routes(router);
  add_run_queries(router);
  add_run_event_routes(router);
  add_run_actions(router);
  add_run_metrics_routes(router);
  add_schedule_routes(router);
  add_queue_routes(router);
  add_alert_routes(router);
  add_webhook_routes(router);
  add_message_routes(router);
  add_pubsub_push_routes(router);
  add_event_routes(router);
  add_connect_routes(router);
  add_job_routes(router);
  add_daemon_routes(router);
  add_daemon_calls(router);
  add_why_routes(router);
  add_identity_routes(router);
  add_audit_routes(router);
  add_system_routes(router);
  add_openapi_routes(router);
  return router;
}

}  // namespace slipway::api
