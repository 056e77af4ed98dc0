#pragma once
// The groups of commands, each in a file of its own; `add_…` hangs them on the program.

#include <string>

#include "app/cli/invocation.h"

namespace slipway::app::cli {

void add_workspace_commands(CLI::App& app, Invocation& invocation);  // workspace create|list|show|stop|start|delete|…
void add_build_commands(CLI::App& app, Invocation& invocation);      // builds list|show|cancel
void add_template_commands(CLI::App& app, Invocation& invocation);   // template init|push|list|show|versions|promote|…
void add_quota_commands(CLI::App& app, Invocation& invocation);      // quota show|check, groups list|set|delete
void add_session_commands(CLI::App& app, CLI::App& workspace, Invocation& invocation);  // ssh, exec: at both places
void add_copy_command(CLI::App& app, Invocation& invocation);                           // cp
void add_ssh_config_command(CLI::App& app, Invocation& invocation);                     // ssh-config
void add_workstation_commands(CLI::App& app, Invocation& invocation);  // workstations create|list|show|start|stop|…
void add_run_commands(CLI::App& app, Invocation& invocation);          // runs list|show|watch|events|cancel|retry
void add_schedule_commands(CLI::App& app, Invocation& invocation);     // schedules list|show|create|pause|…
void add_hub_commands(CLI::App& app, Invocation& invocation);          // why, status, version, openapi
void add_job_commands(CLI::App& app, Invocation& invocation);          // jobs list|show|logs|cancel
void add_daemon_commands(CLI::App& app, Invocation& invocation);       // daemons list, keys list|create|delete
void add_queue_commands(CLI::App& app, Invocation& invocation);        // queues list|show|set|pause|resume|delete
void add_alert_commands(CLI::App& app, Invocation& invocation);        // alerts list|show|ack|resolve
void add_audit_commands(CLI::App& app, Invocation& invocation);        // audit list|show|export|verify
void add_message_commands(CLI::App& app, Invocation& invocation);      // messages list|show|replay
void add_webhook_commands(CLI::App& app, Invocation& invocation);      // webhooks list|create|show|update|…
void add_key_commands(CLI::App& app, Invocation& invocation);          // key create|list|delete
void add_completion_commands(CLI::App& app, Invocation& invocation);   // completion, and what it calls back
void add_mail_commands(CLI::App& app, Invocation& invocation);         // mail test

// workstations setup|sweep; organizations list|show|set
void add_workstation_place_commands(CLI::App& app, CLI::App& workstations, Invocation& invocation);
void add_run_metrics_command(CLI::App& runs, Invocation& invocation);  // runs metrics

void add_template_push(CLI::App& group, Invocation& invocation);  // template push
void add_template_init(CLI::App& group, Invocation& invocation);  // template init

// A time as the hub reads it: "15m" means that long ago; what is no duration goes to the hub as it is, which says what
// it expects.
std::string as_time(const std::string& text, base::Instant now);

// Shows a run until it ends, on stderr, or on stdout for `runs watch`; with --output json only its end is printed by
// the caller. Ctrl-C leaves the run going and says so. Returns the run as the API answered it.
json::Value watch_run(Invocation& invocation, const std::string& run_id, std::ostream& out, bool out_is_terminal);

// The id of a workspace to open a session with; one that is stopped or suspended is a conflict.
std::string running_workspace(HubClient& hub, const std::string& name_or_id);

}  // namespace slipway::app::cli
