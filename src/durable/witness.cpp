#include "durable/witness.h"

namespace slipway::durable {

Transition to_transition(const RunRecord& run, const RunState& ended) {
  const auto kind = ended.status == RunStatus::completed ? TransitionKind::run_completed
                    : ended.status == RunStatus::failed  ? TransitionKind::run_failed
                                                         : TransitionKind::run_cancelled;
  return {.kind = kind, .run = &run, .at = *ended.ended_at, .failure = ended.failure, .step = ended.failed_step};
}

}  // namespace slipway::durable
