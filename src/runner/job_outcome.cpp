#include "runner/job_outcome.h"

#include "runner/log_queue.h"

namespace slipway::runner {

fleet::CompletedJob completed_job(Completed outcome, std::int64_t fence, std::optional<std::string> state,
                                  std::vector<fleet::PhaseTiming> timings) {
  fleet::CompletedJob job{.fence = fence, .timings = std::move(timings)};
  if (auto* import = std::get_if<fleet::ImportOutcome>(&outcome)) job.template_import = std::move(*import);
  if (auto* dry_run = std::get_if<fleet::DryRunOutcome>(&outcome)) job.dry_run = std::move(*dry_run);
  if (auto* build = std::get_if<fleet::BuildOutcome>(&outcome)) {
    job.build = std::move(*build);
    job.build->state = std::move(state);
  }
  return job;
}

fleet::FailedJob failed_job(fleet::FailedJob outcome, std::int64_t fence, std::optional<std::string> state,
                            std::vector<fleet::PhaseTiming> timings) {
  outcome.fence = fence;
  // Last words of a provisioner may be anything; the hub takes only text.
  outcome.code = clean_utf8(outcome.code);
  outcome.message = clean_utf8(outcome.message);
  outcome.state = std::move(state);
  outcome.timings = std::move(timings);
  return outcome;
}

}  // namespace slipway::runner
