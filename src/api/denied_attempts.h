#pragma once
// What known callers were refused for lack of a permission, in the audit log (WP-19). Bounded, so that nobody fills the
// log by asking. For the loop's thread.

#include "api/call.h"
#include "api/rate_limits.h"

namespace slipway::api {

class DeniedAttempts {
 public:
  // Not waited for: it delays nobody's answer.
  void note(const Call& call);

 private:
  static constexpr RatePolicy kPerCaller{.quota = 20, .window = std::chrono::minutes(1)};
  RateLimits rates_{kPerCaller};
};

}  // namespace slipway::api
