#include "fleet/job_subject.h"

#include "fleet/build.h"
#include "fleet/template.h"
#include "fleet/workspace_state.h"

namespace slipway::fleet {
void on_job_taken(store::Transaction& tx, const Job& job, Instant now) {
  if (job.build_id) start_build(tx, *job.build_id, now);
}

std::vector<NamedValue> on_job_parsed(store::Transaction& tx, const durable::Sealer& sealer, const Job& job,
                                      const ParsedTemplate& parsed, Instant) {
  if (job.type == JobType::template_import) return keep_parsed(tx, sealer, job.version_id, parsed);
  return version_values(tx, sealer, get_version(tx, job.version_id));
}

void on_job_completed(store::Transaction& tx, const Job& job, const CompletedJob& outcome, Instant now) {
  switch (job.type) {
    case JobType::template_import:
      finish_import(tx, job.version_id, outcome.template_import.value_or(ImportOutcome{}), now);
      break;
    case JobType::template_dry_run:  // its outcome stays with the job
      break;
    case JobType::workspace_build: {
      const auto build = outcome.build.value_or(BuildOutcome{});
      break_lock_of_job(tx, job.id);
      if (job.build_id) complete_build(tx, *job.build_id, build.resources, build.outputs, now);
      break;
    }
  }
}

void on_job_failed(store::Transaction& tx, const Job& job, JobStatus status, const base::Error& error,
                   const std::vector<Resource>& resources, Instant now) {
  const Problem problem{error.code(), error.message()};
  if (job.type == JobType::template_import) {
    const auto ended = status == JobStatus::cancelled ? VersionStatus::cancelled : VersionStatus::failed;
    fail_import(tx, job.version_id, ended, problem, now);
  }
  if (job.type == JobType::workspace_build) {
    break_lock_of_job(tx, job.id);
    if (!job.build_id) return;
    const bool has_applied = job.phase >= JobPhase::apply || !resources.empty();
    fail_build(tx, *job.build_id,
               {.status = status, .problem = problem, .has_applied = has_applied, .resources = resources}, now);
  }
}

}  // namespace slipway::fleet
