#pragma once
// How a job ends: set once (RUN-7), then reported.

#include <variant>
#include <vector>

#include "fleet/job_messages.h"

namespace slipway::runner {

using Completed = std::variant<fleet::ImportOutcome, fleet::DryRunOutcome, fleet::BuildOutcome>;
using JobOutcome = std::variant<Completed, fleet::FailedJob>;

// What is sent: with the fence, the newest state's digest, and the timings.
fleet::CompletedJob completed_job(Completed outcome, std::int64_t fence, std::optional<std::string> state,
                                  std::vector<fleet::PhaseTiming> timings);
fleet::FailedJob failed_job(fleet::FailedJob outcome, std::int64_t fence, std::optional<std::string> state,
                            std::vector<fleet::PhaseTiming> timings);

// How long each stage of a job takes, by the name that its log has for it.
class StageTimings {
 public:
  void begin(std::string stage, base::Instant now) {
    end(now);
    timings_.push_back({std::move(stage), now, now});
    open_ = true;
  }
  void end(base::Instant now) {
    if (open_) timings_.back().ended_at = now;
    open_ = false;
  }
  const std::vector<fleet::PhaseTiming>& all() const { return timings_; }

 private:
  std::vector<fleet::PhaseTiming> timings_;
  bool open_ = false;
};

}  // namespace slipway::runner
