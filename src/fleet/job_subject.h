#pragma once
// What a job means for the records that it is about: the template's version of an import, the build and the workspace
// of a build. Called within the transactions that move the job (job.h), so that job, state, resources and cost are one
// commit (RUN-13).

#include <vector>

#include "fleet/job.h"

namespace slipway::fleet {

// A daemon took it.
void on_job_taken(store::Transaction& tx, const Job& job, Instant now);
// Keeps what was parsed and gives the values that the template's variables have now. Throws REQUIRED_TEMPLATE_VARIABLES
// (user; details: the names).
std::vector<NamedValue> on_job_parsed(store::Transaction& tx, const durable::Sealer& sealer, const Job& job,
                                      const ParsedTemplate& parsed, Instant now);
// Its end. The state that it wrote is already kept (workspace_state.h).
void on_job_completed(store::Transaction& tx, const Job& job, const CompletedJob& outcome, Instant now);
// `status` is failed or cancelled. `resources`: what is known to be there, of a build that failed while it applied.
void on_job_failed(store::Transaction& tx, const Job& job, JobStatus status, const base::Error& error,
                   const std::vector<Resource>& resources, Instant now);

}  // namespace slipway::fleet
