#pragma once
// What the provisioner daemon and the hub say to each other about jobs (RUN-2): bodies of requests and answers under
// /v1/daemon. Archives and states go beside them. Every call about a job names its fence; one that is not the job's own
// any more is refused with JOB_LEASE_LOST (RUN-3).

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "fleet/template_parts.h"

namespace slipway::fleet {

enum class JobType { template_import, template_dry_run, workspace_build };
BOOST_DESCRIBE_ENUM(JobType, template_import, template_dry_run, workspace_build)

// Raised when a message gets a meaning that older programs would get wrong; both sides refuse what they do not know
// (DAEMON_TOO_OLD, HUB_TOO_OLD) and say which is to be updated.
inline constexpr std::int64_t kDaemonApiVersion = 1;

// ---- the daemon

struct RegisterDaemon {
  std::string name;
  std::string version;  // of the program
  std::int64_t api_version = kDaemonApiVersion;
  std::vector<std::string> provisioners;  // types: terraform, scripted …
  std::map<std::string, std::string> tags;
  std::int64_t runners = 1;  // jobs at once
  std::string instance;      // made once by each process: how the hub knows one that registers again
};
SLIPWAY_JSON_CAMEL(RegisterDaemon, name, version, api_version, provisioners, tags, runners, instance)

struct DaemonRegistered {
  std::string daemon_id;  // of this process, until it says goodbye or is forgotten
  std::string hub_version;
  std::int64_t api_version = kDaemonApiVersion;
  base::Duration update_interval_ms{5'000};          // RUN-8
  base::Duration lease_ms{15'000};                   // a job that is not updated for so long is taken back (RUN-15)
  base::Duration force_cancel_interval_ms{600'000};  // RUN-9
};
SLIPWAY_JSON_CAMEL(DaemonRegistered, daemon_id, hub_version, api_version, update_interval_ms, lease_ms,
                   force_cancel_interval_ms)

struct AcquireJob {
  std::string daemon_id;
  std::string token;  // chosen anew for each job that is wanted: an answer that got lost is given again
  base::Duration wait_ms{30'000};
  bool draining = false;  // wants none: only says that it lives
};
SLIPWAY_JSON_CAMEL(AcquireJob, daemon_id, token, wait_ms, draining)

// Which of a daemon's jobs are to be cancelled: answered as soon as there is one that was not in `known` (RUN-9).
struct WaitForCancels {
  std::string daemon_id;
  std::vector<std::string> known;
  base::Duration wait_ms{30'000};
};
SLIPWAY_JSON_CAMEL(WaitForCancels, daemon_id, known, wait_ms)

struct CancelledJobs {
  std::vector<std::string> jobs;
};
SLIPWAY_JSON_CAMEL(CancelledJobs, jobs)

// Who and what a job is for. Provisioners get it with each plan.
struct JobMetadata {
  std::string hub_url;  // as the daemon reaches it; set by the daemon
  Transition transition = Transition::start;
  std::string workspace_id;
  std::string workspace_name;
  std::string owner_id;
  std::string owner_name;
  std::string template_name;
  std::string template_version;  // its name
  std::string build_id;
  std::int64_t build_number = 0;
  std::string agent_token;  // of a start: with it the workspace's agent calls the hub. Made when the job is handed out
};
SLIPWAY_JSON_CAMEL(JobMetadata, hub_url, transition, workspace_id, workspace_name, owner_id, owner_name, template_name,
                   template_version, build_id, build_number, agent_token)

struct AcquiredJob {
  std::string id;
  std::int64_t fence = 0;
  JobType type = JobType::template_import;
  std::string provisioner;
  std::int64_t attempt = 1;
  std::string requested_by;  // name of a user
  std::string archive;       // a blob: GET /v1/blobs/:hash
  JobMetadata metadata;
  std::vector<NamedValue> variables;            // of the template's version
  std::vector<NamedValue> parameters;           // of the build or dry-run
  std::vector<NamedValue> previous_parameters;  // of the build before
  bool has_state = false;                       // GET /v1/daemon/jobs/:id/state
  std::string state_token;    // for Terraform's http backend, as password of user `job`; worth nothing elsewhere
  std::int64_t next_log = 0;  // number of the first line that the hub has not got
  std::int64_t previous_daily_cost = 0;
  bool debug = false;  // the provisioner's debug lines are wanted
  bool cancelled = false;
  std::string trace;  // base::TraceContext as text
};
SLIPWAY_JSON_CAMEL(AcquiredJob, id, fence, type, provisioner, attempt, requested_by, archive, metadata, variables,
                   parameters, previous_parameters, has_state, state_token, next_log, previous_daily_cost, debug,
                   cancelled, trace)

struct JobAcquired {  // the answer to AcquireJob; nothing came up: no job
  std::optional<AcquiredJob> job;
};
SLIPWAY_JSON_CAMEL(JobAcquired, job)

// ---- one job

enum class LogSource { daemon, provisioner };
BOOST_DESCRIBE_ENUM(LogSource, daemon, provisioner)
enum class LogLevel { trace, debug, info, warn, error };
BOOST_DESCRIBE_ENUM(LogLevel, trace, debug, info, warn, error)

struct LogLine {
  LogSource source = LogSource::provisioner;
  LogLevel level = LogLevel::info;
  std::string stage;
  base::Instant at;
  std::string output;
};
SLIPWAY_JSON_CAMEL(LogLine, source, level, stage, at, output)

// How far a job is. From `apply` on, another daemon may not simply begin anew.
enum class JobPhase { setup, parse, plan, quota, apply, cleanup };
BOOST_DESCRIBE_ENUM(JobPhase, setup, parse, plan, quota, apply, cleanup)

// What a parse has found.
struct ParsedTemplate {
  std::vector<TemplateVariable> variables;
  std::vector<TemplateParameter> parameters;
  std::string readme;
  std::map<std::string, std::string> tags;  // that its builds want of a daemon
};
SLIPWAY_JSON_CAMEL(ParsedTemplate, variables, parameters, readme, tags)

// Also the heartbeat: all but the fence may be empty.
struct JobUpdate {
  std::int64_t fence = 0;
  JobPhase phase = JobPhase::setup;
  bool repeatable = false;     // what its provisioner said of an apply that is cut off (provisioner::Hello)
  std::int64_t first_log = 0;  // the number of the first of `logs`; lines that the hub has are ignored
  std::vector<LogLine> logs;
  std::optional<ParsedTemplate> parsed;
};
SLIPWAY_JSON_CAMEL(JobUpdate, fence, phase, repeatable, first_log, logs, parsed)

struct JobUpdated {
  bool cancelled = false;
  std::int64_t next_log = 0;
  std::vector<NamedValue> variables;  // effective values, after `parsed`
};
SLIPWAY_JSON_CAMEL(JobUpdated, cancelled, next_log, variables)

struct CommitQuota {
  std::int64_t fence = 0;
  std::int64_t daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(CommitQuota, fence, daily_cost)

struct QuotaCommitted {
  bool ok = true;
  std::int64_t consumed = 0;           // by all of the owner's workspaces, this build included if `ok`
  std::optional<std::int64_t> budget;  // absent: no limit
};
SLIPWAY_JSON_CAMEL(QuotaCommitted, ok, consumed, budget)

struct ImportOutcome {
  std::vector<Resource> start_resources;
  std::vector<Resource> stop_resources;
  std::int64_t start_daily_cost = 0;
  std::int64_t stop_daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(ImportOutcome, start_resources, stop_resources, start_daily_cost, stop_daily_cost)

struct DryRunOutcome {
  std::vector<Resource> resources;
  std::int64_t daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(DryRunOutcome, resources, daily_cost)

struct BuildOutcome {
  std::vector<Resource> resources;
  std::map<std::string, std::string> outputs;  // what the template shows to its user; sensitive ones left out
  // SHA-256 (hex) of the state that must be the last one journalled; absent: whatever was. A mismatch is refused with
  // STATE_MISMATCH, and the state is to be put again.
  std::optional<std::string> state;
};
SLIPWAY_JSON_CAMEL(BuildOutcome, resources, outputs, state)

// Exactly one of the three. Repeating the call changes nothing and gets the same answer (RUN-13).
struct CompletedJob {
  std::int64_t fence = 0;
  std::optional<ImportOutcome> template_import;
  std::optional<DryRunOutcome> dry_run;
  std::optional<BuildOutcome> build;
  std::vector<PhaseTiming> timings;
};
SLIPWAY_JSON_CAMEL(CompletedJob, fence, template_import, dry_run, build, timings)

struct FailedJob {
  std::int64_t fence = 0;
  std::string code;  // RUN-14
  base::ErrorClass error_class = base::ErrorClass::internal;
  std::string message;
  bool cancelled = false;            // it ended because it was cancelled
  std::optional<std::string> state;  // as BuildOutcome::state
  std::vector<Resource> resources;   // of a build that failed while it applied: what is known to be there
  std::vector<PhaseTiming> timings;
};
SLIPWAY_JSON_CAMEL(FailedJob, fence, code, error_class, message, cancelled, state, resources, timings)

enum class JobStatus { pending, running, succeeded, failed, cancelled };
BOOST_DESCRIBE_ENUM(JobStatus, pending, running, succeeded, failed, cancelled)

struct JobEnded {  // the answer to both: how the job stands now; pending if it will be tried again
  JobStatus status = JobStatus::succeeded;
};
SLIPWAY_JSON_CAMEL(JobEnded, status)

}  // namespace slipway::fleet
