#pragma once
// Jobs in the feed of changes: job.queued, also when one waits again, job.started, job.completed, job.failed and
// job.cancelled.

#include "fleet/job.h"

namespace slipway::fleet {

// What is told of a job: never its values.
struct JobChange {
  JobId id;
  JobType type = JobType::template_import;
  JobStatus status = JobStatus::pending;
  std::int64_t attempt = 0;
  TemplateId template_id;
  TemplateVersionId version_id;
  std::optional<WorkspaceId> workspace_id;
  std::optional<BuildId> build_id;
  RunId run_id;
  std::optional<std::string> error_code;
  std::optional<std::string> error_message;
};
SLIPWAY_JSON_CAMEL(JobChange, id, type, status, attempt, template_id, version_id, workspace_id, build_id, run_id,
                   error_code, error_message)
inline const json::Rules& json_rules(const JobChange*) {
  static const json::Rules rules{
      {.member = "run_id", .description = "The run that waits for it"},
      {.member = "error_code", .description = "Of the last attempt, also while it waits for another"}};
  return rules;
}

}  // namespace slipway::fleet
