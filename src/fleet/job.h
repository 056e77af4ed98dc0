#pragma once
// Jobs: work for provisioner daemons (RUN-1), from the queue to their end. Here: the record, what makes one and what
// ends one. Taking and leasing: job_queue.h. What a job means for templates and workspaces: job_subject.h. Log lines:
// job_log.h.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "durable/payload.h"
#include "fleet/job_messages.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

using base::BuildId;
using base::DaemonId;
using base::Instant;
using base::JobId;
using base::RunId;
using base::TemplateId;
using base::TemplateVersionId;
using base::UserId;
using base::WorkspaceId;

// Who waits for it (RUN-5). Lower goes first.
enum class JobPriority { person = 0, automatic = 1, prebuild = 2 };
BOOST_DESCRIBE_ENUM(JobPriority, person, automatic, prebuild)

// Sealed at rest as one, because some are sensitive.
struct JobValues {
  std::vector<NamedValue> variables;
  std::vector<NamedValue> parameters;
  std::vector<NamedValue> previous_parameters;
};
SLIPWAY_JSON_CAMEL(JobValues, variables, parameters, previous_parameters)

struct NewJob {
  JobId id;
  JobType type = JobType::template_import;
  std::string provisioner;
  std::map<std::string, std::string> tags;  // that its daemon must have
  JobPriority priority = JobPriority::person;
  UserId owner_id;      // whose turn it takes, whose quota it uses
  UserId requested_by;  // perhaps an admin
  std::string requested_by_name;
  TemplateId template_id;
  TemplateVersionId version_id;
  std::optional<WorkspaceId> workspace_id;  // these two of builds
  std::optional<BuildId> build_id;
  RunId run_id;  // is told of the end: signal `job-ended` with a JobEnd
  std::string archive;
  JobMetadata metadata;
  JobValues values;
  bool debug = false;
  std::string trace;
  std::int64_t attempts_max = 3;
};

struct Job {
  JobId id;
  JobType type = JobType::template_import;
  JobStatus status = JobStatus::pending;
  std::string provisioner;
  std::map<std::string, std::string> tags;
  JobPriority priority = JobPriority::person;
  UserId owner_id;
  UserId requested_by;
  std::string requested_by_name;
  TemplateId template_id;
  TemplateVersionId version_id;
  std::optional<WorkspaceId> workspace_id;
  std::optional<BuildId> build_id;
  RunId run_id;
  std::string archive;
  JobMetadata metadata;
  bool debug = false;
  std::string trace;
  std::int64_t attempt = 0;  // 1 when it is taken first
  std::int64_t attempts_max = 3;
  Instant available_at;  // later than now: it waits to be tried again
  std::int64_t fence = 0;
  std::optional<DaemonId> daemon_id;  // that has it, or had it last
  std::string daemon_name;
  std::string daemon_key;  // that it shows: calls about the job are its holder's alone
  std::optional<Instant> lease_until;
  std::optional<Instant> salvage_until;
  JobPhase phase = JobPhase::setup;
  bool repeatable = false;
  std::optional<Instant> cancel_requested_at;
  std::string cancel_by;
  std::int64_t next_log = 0;
  std::int64_t log_bytes = 0;  // that came, kept or not
  std::optional<CompletedJob> outcome;
  std::vector<PhaseTiming> timings;
  std::optional<base::Error> error;  // of the last attempt, also while it waits for another
  bool dead_letter = false;          // given up after its attempts, or because nobody could take it: for a person
  Instant created_at;
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
};

// What the run of a job is told.
struct JobEnd {
  JobId job_id;
  JobStatus status = JobStatus::succeeded;  // succeeded, failed or cancelled
  // A cancel was asked for, and the work was done before it took hold: status is succeeded.
  bool finished_before_cancel = false;
  std::string code;
  base::ErrorClass error_class = base::ErrorClass::internal;
  std::string message;
};
SLIPWAY_JSON_CAMEL(JobEnd, job_id, status, finished_before_cancel, code, error_class, message)
inline constexpr std::string_view kJobEnded = "job-ended";

// Puts it in line. One that is there already under this id is left as it is. Ring kBellQueue (job_queue.h) after the
// commit.
void insert_job(store::Transaction& tx, const durable::Sealer& sealer, const NewJob& job, Instant now);
std::optional<Job> find_job(store::Transaction& tx, const Scope& scope, const JobId& id);

struct JobFilter {
  std::vector<JobStatus> statuses;  // empty: any
  std::optional<JobType> type;
  std::optional<std::string> template_id, version_id, workspace_id, build_id, run_id, daemon_id;
  bool dead_letter = false;  // only those
  std::string before;        // cursor: ids smaller than this; empty: from the newest
  std::int64_t limit = 50;
};
// Newest first.
std::vector<Job> list_jobs(store::Transaction& tx, const Scope& scope, const JobFilter& filter);
std::int64_t count_jobs(store::Transaction& tx, const Scope& scope, const JobFilter& filter);
// Those of the workspace's builds that have not ended; oldest first.
std::vector<Job> unfinished_jobs(store::Transaction& tx, const WorkspaceId& workspace);
// Its values, unsealed: for the daemon that has it. They go with its end: there are none then.
JobValues job_values(store::Transaction& tx, const durable::Sealer& sealer, const JobId& id);

// One that waits ends at once; one that runs is asked to, and its daemon told. False if it has ended. Throws NOT_FOUND.
// Ring kBellCancels, kBellEnds and its id (job_queue.h) after the commit.
bool request_job_cancel(store::Transaction& tx, const JobId& id, const std::string& by, Instant now);

}  // namespace slipway::fleet
