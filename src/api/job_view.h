#pragma once
// Jobs as the API shows them: never their values.

#include "api/why_view.h"
#include "fleet/job_standing.h"

namespace slipway::api {

struct JobErrorView {
  std::string code;
  base::ErrorClass error_class = base::ErrorClass::internal;
  std::string message;
  json::Value details;
};
SLIPWAY_JSON_CAMEL(JobErrorView, code, error_class, message, details)

struct JobView {
  base::JobId id;
  fleet::JobType type = fleet::JobType::template_import;
  fleet::JobStatus status = fleet::JobStatus::pending;
  std::string provisioner;
  std::map<std::string, std::string> tags;
  fleet::JobPriority priority = fleet::JobPriority::person;
  base::UserId owner_id;
  base::UserId requested_by;
  std::string requested_by_name;
  base::TemplateId template_id;
  base::TemplateVersionId version_id;
  std::optional<base::WorkspaceId> workspace_id;
  std::optional<base::BuildId> build_id;
  base::RunId run_id;
  std::int64_t attempt = 0;
  std::int64_t attempts_max = 0;
  std::optional<fleet::JobPhase> phase;
  std::optional<base::DaemonId> daemon_id;
  std::optional<std::string> daemon_name;
  std::optional<base::Instant> salvage_until;
  std::optional<fleet::JobStanding> pending;
  std::optional<base::Instant> cancel_requested_at;
  std::optional<std::string> cancel_by;
  std::optional<JobErrorView> error;
  bool dead_letter = false;
  std::int64_t log_lines = 0;
  std::optional<fleet::ImportOutcome> template_import;
  std::optional<fleet::DryRunOutcome> dry_run;
  std::optional<fleet::BuildOutcome> build;
  std::vector<fleet::PhaseTiming> timings;
  base::Instant created_at;
  std::optional<base::Instant> started_at;
  std::optional<base::Instant> ended_at;
};
SLIPWAY_JSON_CAMEL(JobView, id, type, status, provisioner, tags, priority, owner_id, requested_by, requested_by_name,
                   template_id, version_id, workspace_id, build_id, run_id, attempt, attempts_max, phase, daemon_id,
                   daemon_name, salvage_until, pending, cancel_requested_at, cancel_by, error, dead_letter, log_lines,
                   template_import, dry_run, build, timings, created_at, started_at, ended_at)
const json::Rules& json_rules(const JobView*);

// Of one that waits, with why.
JobView view_job(store::Transaction& tx, const fleet::Job& job, const fleet::QueueLimits& limits, base::Instant now);
// As in a list: without the outcome, and of what it waits for the explanation only.
JobView view_job_briefly(const fleet::Job& job, const fleet::JobStandings& standings);

// Throws NOT_FOUND.
Why explain_job(store::Transaction& tx, const fleet::Scope& scope, const base::JobId& id,
                const fleet::QueueLimits& limits, base::Instant now);

}  // namespace slipway::api
