#pragma once
// How many requests a caller may make (WF-48): a bucket for each caller that fills steadily, kept as one number (the
// generic cell rate algorithm). Each replica counts for itself. For the loop's thread.

#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "net/http.h"

namespace slipway::api {

struct RatePolicy {
  std::int64_t quota = 0;  // requests in a window, all at once if one likes; 0: no limit
  base::Duration window = std::chrono::seconds(60);
};

class RateLimits {
 public:
  explicit RateLimits(RatePolicy policy) : policy_(policy) {}

  struct Standing {
    bool admitted = true;
    std::int64_t remaining = 0;
    base::Duration full_after{0};   // until all of the quota is there again
    base::Duration retry_after{0};  // of one that was not admitted
  };
  // Counts a request. `now` is of a clock that does not go back.
  Standing admit(const std::string& caller, base::Instant now);
  const RatePolicy& policy() const { return policy_; }
  std::size_t callers() const { return used_.size(); }

 private:
  Standing standing(double used_ms) const;
  double used(const std::string& caller, double now_ms) const;
  void forget_full(double now_ms);

  RatePolicy policy_;
  std::unordered_map<std::string, double> used_;  // when the bucket will be full again, in ms
};

// RateLimit-Policy and RateLimit, as draft-ietf-httpapi-ratelimit-headers has them.
void set_fields(net::Headers& headers, const RatePolicy& policy, const RateLimits::Standing& standing);

}  // namespace slipway::api
