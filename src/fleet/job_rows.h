#pragma once
// Jobs as rows: what job.cpp, job_queue.cpp and job_end.cpp share.

#include "base/enum_name.h"
#include "fleet/job.h"
#include "fleet/sealer.h"

namespace slipway::fleet {

// Of a job whose daemon was lost, and with it the way to do the job anew.
inline constexpr const char* kProvisionerLost = "PROVISIONER_LOST";

#define JOB_COLUMNS                                                                                         \
  "id, type, status, provisioner, tags, priority, owner_id, requested_by, requested_by_name, template_id, " \
  "version_id, workspace_id, build_id, run_id, archive, metadata, debug, trace, attempt, attempts_max, "    \
  "available_at, fence, daemon_id, daemon_name, lease_until, salvage_until, phase, repeatable, "            \
  "cancel_requested_at, cancel_by, next_log, outcome, timings, error_code, error_class, error_message, "    \
  "error_details, dead_letter, created_at, started_at, ended_at, daemon_key, log_bytes "

Job to_job(const store::Row& row);

// The row, locked for the rest of the transaction.
std::optional<Job> lock_job(store::Transaction& tx, const JobId& id);

using base::name_of;
using base::value_of;

// Ends it as failed or cancelled: record, subject, alert of a dead letter, signal to its run.
void end_unsuccessful(store::Transaction& tx, Job& job, JobStatus status, const base::Error& error, bool dead_letter,
                      const std::vector<Resource>& resources, Instant now);
// What its run is told, and who listens to changes.
void tell_end(store::Transaction& tx, const Job& job, Instant now);
void tell_change(store::Transaction& tx, const Job& job, std::string_view what, Instant now);

}  // namespace slipway::fleet
