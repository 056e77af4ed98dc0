#pragma once
// A job of a provisioner daemon as part of a run: put in line, waited for, and cancelled with the run. The job ends in
// a transaction of its own (fleet/job.h), which also changes the records that it is about; the run follows it, also
// when it is cancelled: it then ends as its job does, which may have been done before.

#include <functional>

#include "fleet/job.h"
#include "workflows/services.h"

namespace slipway::workflows {

inline constexpr std::string_view kQueueJob = "queue-job";
inline constexpr std::string_view kAskToCancel = "ask-to-cancel";

// Puts it in line and waits for its end, however long that takes. `make` runs in the transaction, more than once, and
// gives the job with the id that `job_of` gives; nothing, where there is nothing to do after all. Throws what the job
// failed with, durable::Cancelled if it was cancelled, by whomever.
using MakeJob = std::function<std::optional<fleet::NewJob>(store::Transaction&)>;
durable::Run<> run_job(durable::Context& run, const Services& services, MakeJob make);

// The same for a job that was put in line with the run itself, in one transaction.
durable::Run<> follow_job(durable::Context& run, const Services& services);

// The id of the job of this run: the same for a step that is done again.
fleet::JobId job_of(const RunId& run);

// Asks the job to cancel. Whether it has ended; what is unknown has.
bool ask_to_cancel(const Services& services, const fleet::JobId& job, const std::string& by);

// The same for the job of a run that ends without waiting for it, because it was parked or could not be undone, in the
// transaction of that end. While it has not ended it is the job that will end what it is about.
bool end_job(store::Transaction& tx, const RunId& run, base::Instant now);

}  // namespace slipway::workflows
