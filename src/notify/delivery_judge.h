#pragma once
// What follows from a receiver's answer: delivered, again later, or given up; and what it says about the endpoint.
// Plain functions: no clock, no randomness, no I/O.

#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "fleet/webhook_delivery.h"

namespace slipway::notify {

// Pauses before the second attempt and the following ones. With the jitter, which only lengthens them by up to
// kJitter, the last attempt comes 20 h 35 min to 23 h 41 min after the first.
inline constexpr std::array<base::Duration, 7> kRetryPauses{
    std::chrono::seconds(5), std::chrono::minutes(5), std::chrono::minutes(30), std::chrono::hours(2),
    std::chrono::hours(4),   std::chrono::hours(6),   std::chrono::hours(8)};
inline constexpr double kJitter = 0.15;
// No attempt is made later than this after the first; an endpoint that has only failed for so long is disabled.
inline constexpr base::Duration kGiveUpAfter = std::chrono::hours(24);
// And only after so many attempts that failed: a hub that was down meanwhile has not tried.
inline constexpr std::int64_t kFailuresBeforeDisabled = 5;
// The longest that a Retry-After is obeyed: more would be a way to make us keep things.
inline constexpr base::Duration kRetryAfterMax = std::chrono::hours(1);
// After so many failures in a row, the endpoint as a whole is tried ever more seldom, one message at a time.
inline constexpr std::int64_t kFailuresInARow = 10;
inline constexpr base::Duration kHoldFirst = std::chrono::seconds(5);
inline constexpr base::Duration kHoldMax = std::chrono::minutes(5);

struct Reply {
  std::optional<int> status;                    // none: there was no answer
  std::optional<base::Duration> retry_after{};  // as the answer said it
};

struct Judgement {
  fleet::Delivery delivery;     // its new state
  fleet::WebhookHealth health;  // the endpoint's
  std::string disable_reason;   // not empty: the endpoint is to be disabled
};

// `chance` in [0, 1) decides the jitter.
Judgement judge(fleet::Delivery delivery, fleet::WebhookHealth health, const Reply& reply, base::Instant now,
                double chance);

// RFC 9110 section 10.2.3: seconds, or a date.
std::optional<base::Duration> parse_retry_after(const std::string& field, base::Instant now);

}  // namespace slipway::notify
