#include "api/rate_limits.h"

#include <algorithm>
#include <cmath>

namespace slipway::api {
namespace {

// Far more keys than a hub has at work at once. Beyond this, who has used nothing is forgotten first.
constexpr std::size_t kCallersKept = 10'000;

double to_ms(base::Instant at) { return double(at.time_since_epoch().count()); }

std::string seconds_up(base::Duration duration) { return std::to_string((duration.count() + 999) / 1'000); }

}  // namespace

double RateLimits::used(const std::string& caller, double now_ms) const {
  const auto found = used_.find(caller);
  return found == used_.end() ? 0 : std::max(0.0, found->second - now_ms);
}

RateLimits::Standing RateLimits::standing(double used_ms) const {
  const double window = double(policy_.window.count());
  const double each = window / double(policy_.quota);
  Standing standing{.remaining = std::int64_t((window - used_ms) / each + 1e-6),
                    .full_after = base::Duration(std::int64_t(std::ceil(used_ms)))};
  if (standing.remaining < 1) {
    standing.admitted = false;
    standing.remaining = 0;
    standing.retry_after = base::Duration(std::int64_t(std::ceil(used_ms + each - window)));
  }
  return standing;
}

RateLimits::Standing RateLimits::admit(const std::string& caller, base::Instant now) {
  if (policy_.quota == 0) return {};
  const double now_ms = to_ms(now);
  const double used_ms = used(caller, now_ms);
  auto before = standing(used_ms);
  if (!before.admitted) return before;
  if (used_.size() >= kCallersKept && !used_.contains(caller)) forget_full(now_ms);
  const double after = used_ms + double(policy_.window.count()) / double(policy_.quota);
  used_[caller] = now_ms + after;
  auto standing = this->standing(after);
  standing.admitted = true;
  return standing;
}

void RateLimits::forget_full(double now_ms) {
  std::erase_if(used_, [&](const auto& entry) { return entry.second <= now_ms; });
  if (used_.size() >= kCallersKept) used_.clear();  // better that some begin anew than that memory grows
}

void set_fields(net::Headers& headers, const RatePolicy& policy, const RateLimits::Standing& standing) {
  headers.set("RateLimit-Policy", "\"default\";q=" + std::to_string(policy.quota) + ";w=" + seconds_up(policy.window));
  headers.set("RateLimit",
              "\"default\";r=" + std::to_string(standing.remaining) + ";t=" + seconds_up(standing.full_after));
}

}  // namespace slipway::api
