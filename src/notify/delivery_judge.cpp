#include "notify/delivery_judge.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace slipway::notify {
namespace {

constexpr int kGone = 410;

bool is_success(const Reply& reply) { return reply.status && *reply.status >= 200 && *reply.status < 300; }

// The receiver, or what stands before it, has too much to do.
bool asks_for_patience(const Reply& reply) {
  return reply.status == 429 || reply.status == 502 || reply.status == 503 || reply.status == 504;
}

std::optional<base::Duration> obeyed(const Reply& reply) {
  if (!reply.retry_after) return std::nullopt;
  return std::clamp(*reply.retry_after, base::Duration(0), kRetryAfterMax);
}

base::Duration hold_after(std::int64_t failures, const Reply& reply) {
  base::Duration hold{0};
  if (asks_for_patience(reply)) hold = obeyed(reply).value_or(kHoldFirst);
  if (failures >= kFailuresInARow) {
    const auto doublings = std::min<std::int64_t>(failures - kFailuresInARow, 10);
    hold = std::max(hold, std::min(kHoldFirst * (std::int64_t(1) << doublings), kHoldMax));
  }
  return hold;
}

// When the next attempt comes, if one is left.
std::optional<base::Instant> next_try(const fleet::Delivery& delivery, const Reply& reply, base::Instant now,
                                      double chance) {
  if (delivery.tries > std::int64_t(kRetryPauses.size())) return std::nullopt;
  const auto pause = kRetryPauses[std::size_t(delivery.tries - 1)];
  const auto stretched = pause + base::Duration(std::int64_t(double(pause.count()) * kJitter * chance));
  const auto at = now + std::max(stretched, obeyed(reply).value_or(base::Duration(0)));
  if (at > *delivery.first_tried_at + kGiveUpAfter) return std::nullopt;
  return at;
}

}  // namespace

Judgement judge(fleet::Delivery delivery, fleet::WebhookHealth health, const Reply& reply, base::Instant now,
                double chance) {
  ++delivery.attempts;
  ++delivery.tries;
  if (!delivery.first_tried_at) delivery.first_tried_at = now;
  delivery.claimed_until.reset();
  delivery.due_at.reset();
  if (is_success(reply)) {
    delivery.status = fleet::DeliveryStatus::delivered;
    delivery.ended_at = now;
    health.failures = 0;
    health.failing_since.reset();
    health.hold_until.reset();
    health.last_success_at = now;
    return {std::move(delivery), health, ""};
  }
  ++health.failures;
  if (!health.failing_since) health.failing_since = now;
  health.last_failure_at = now;
  if (const auto hold = hold_after(health.failures, reply); hold.count() > 0)
    health.hold_until = std::max(now + hold, health.hold_until.value_or(now));

  const bool has_tried = health.failures >= kFailuresBeforeDisabled;
  const bool gone = reply.status == kGone;
  if (!gone) delivery.due_at = next_try(delivery, reply, now, chance);
  std::string reason;
  if (gone) {
    reason = "it answered 410 Gone";
  } else if (has_tried && now - *health.failing_since >= kGiveUpAfter) {
    reason = "nothing was delivered for a day";
  } else if (has_tried && !delivery.due_at && *health.failing_since <= *delivery.first_tried_at) {
    reason = "every attempt of a delivery failed, and nothing else was delivered meanwhile";
  }
  if (!reason.empty()) delivery.due_at.reset();
  if (!delivery.due_at) {
    delivery.status = fleet::DeliveryStatus::failed;
    delivery.ended_at = now;
  }
  return {std::move(delivery), health, reason};
}

std::optional<base::Duration> parse_retry_after(const std::string& field, base::Instant now) {
  std::int32_t seconds = 0;
  const auto [end, failure] = std::from_chars(field.data(), field.data() + field.size(), seconds);
  if (failure == std::errc() && end == field.data() + field.size() && seconds >= 0)
    return std::chrono::seconds(seconds);
  std::tm date{};
  const char* rest = ::strptime(field.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  const auto at = base::from_unix_ms(std::int64_t(::timegm(&date)) * 1'000);
  return std::max(at - now, base::Duration(0));
}

}  // namespace slipway::notify
