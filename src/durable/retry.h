#pragma once
// When a failed attempt is tried again, decided from the error's class alone.

#include <optional>
#include <string>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"

namespace slipway::durable {

struct Retry {
  std::int64_t attempts_max = 5;
  base::Duration first_delay{200};
  double factor = 2.0;
  base::Duration delay_max{30'000};
  base::Duration quota_delay_max{3'600'000};  // a limit that is reached frees up slowly
  bool waits_for_quota = true;                // else the workflow sees the error, and waits itself
  base::Duration time_max{600'000};           // from the step's first attempt; quota waits do not count

  // What is called, for all steps that call the same one: its retries share a budget (retry_budget.h), so that many
  // runs that fail on it do not storm it. What made no call (base::Error) is no retry for it. Empty: none.
  std::string endpoint = {};

  // How long one attempt may take, and how long it may be silent (Attempt::heartbeat); 0: as long as it likes. When the
  // time is over its stop token fires; if it has not returned after the engine's grace it is left behind. It counts as
  // failed with TIMED_OUT, which passes: it is tried again. What is left behind may still run beside the next attempt,
  // even when the run has ended: a function with such a limit captures by value, and bears company.
  base::Duration attempt_timeout{0};
  base::Duration heartbeat_timeout{0};
  bool may_leave_behind() const { return attempt_timeout.count() > 0 || heartbeat_timeout.count() > 0; }

  // The delay before the attempt after `attempts` failed ones, or nothing when the step has failed for good. Jitter
  // takes up to a half away, so that what failed together does not come back together. A throttled error's own
  // `retry_after` is the least.
  std::optional<base::Duration> delay(std::int64_t attempts, base::Duration since_first, const base::Error& error,
                                      base::Random& random) const;
};

namespace retry {
// For calls of a backend: patient with it, never with a wrong request.
inline Retry cloud(std::string endpoint = {}) {
  return {.attempts_max = 10,
          .first_delay = base::Duration(500),
          .time_max = base::Duration(1'800'000),
          .endpoint = std::move(endpoint)};
}
// For calls on this machine: they fail for a reason or pass quickly.
inline Retry local() {
  return {.attempts_max = 6, .first_delay = base::Duration(50), .delay_max = base::Duration(2'000)};
}
// For what undoes a step: it should succeed in the end.
inline Retry compensation() {
  return {.attempts_max = 20, .first_delay = base::Duration(200), .time_max = base::Duration(3'600'000)};
}
inline Retry none() { return {.attempts_max = 1}; }
}  // namespace retry

}  // namespace slipway::durable
