#include "durable/queue_line.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace slipway::durable {
namespace {

constexpr std::int64_t kTurn = 1'000'000;  // a turn of a key of weight 1, so that every weight divides it well
constexpr std::int64_t kLimitMax = 1'000'000;
constexpr Duration kPeriodMax = std::chrono::hours(24 * 366);
constexpr std::size_t kNameMax = 100;
constexpr std::size_t kKeyMax = 255;

std::int64_t to_us(Instant at) { return base::to_unix_ms(at) * 1'000; }
std::int64_t to_us(Duration duration) { return duration.count() * 1'000; }
// Rounded up: not one microsecond too early.
Instant from_us(std::int64_t us) { return base::from_unix_ms((us + 999) / 1'000); }

std::int64_t per_run(const Rate& rate) { return (to_us(rate.period) + rate.count - 1) / rate.count; }
std::int64_t full_bucket(const Rate& rate) { return rate.count * per_run(rate); }

// The bucket's state cannot be better than full, nor worse than empty: whoever wrote it had another clock then.
std::int64_t used_until(const Rate& rate, std::int64_t used_until_us, Instant now) {
  return std::clamp(used_until_us, to_us(now), to_us(now) + full_bucket(rate));
}

void check_range(std::string_view field, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    throw base::validation_error(field, "must be from " + std::to_string(least) + " to " + std::to_string(most));
}

void check_key(std::string_view field, const std::string& key) {
  if (key.size() > kKeyMax) throw base::validation_error(field, "is longer than " + std::to_string(kKeyMax) + " bytes");
}

}  // namespace

Places places_in(const QueueRow& row, std::int64_t admitted, Instant now) {
  if (row.queue.pause) return {.free = 0, .reason = WaitReason::paused, .next_at = {}};
  Places places{.free = std::numeric_limits<std::int64_t>::max(), .reason = WaitReason::next, .next_at = {}};
  const QueueLimits& limits = row.queue.limits;
  if (limits.concurrency) {
    places.free = std::max<std::int64_t>(0, *limits.concurrency - admitted);
    places.reason = WaitReason::concurrency;
  }
  if (!limits.rate) return places;
  const auto used = used_until(*limits.rate, row.rate_used_until_us, now);
  const auto tokens = (to_us(now) + full_bucket(*limits.rate) - used) / per_run(*limits.rate);
  places.next_at = from_us(used + (tokens + 1) * per_run(*limits.rate) - full_bucket(*limits.rate));
  if (tokens < places.free) {
    places.free = tokens;
    places.reason = WaitReason::rate;
  }
  return places;
}

std::int64_t use_rate(const Rate& rate, std::int64_t used_until_us, std::int64_t count, Instant now) {
  return used_until(rate, used_until_us, now) + count * per_run(rate);
}

std::int64_t Tags::give(std::int64_t priority, const std::string& key, std::int64_t weight) {
  const auto now = virtual_time_.find(priority);
  auto& last = last_[{priority, key}];
  if (now != virtual_time_.end()) last = std::max(last, now->second);
  return last += kTurn / weight;
}

void validate(const Ticket& ticket) {
  check_range("queue.priority", ticket.priority, -kPriorityMax, kPriorityMax);
  check_range("queue.weight", ticket.weight, 1, kWeightMax);
  check_key("queue.key", ticket.key);
  check_key("queue.dedupKey", ticket.dedup_key);
  if (!ticket.debounce) return;
  check_key("queue.debounce.key", ticket.debounce->key);
  if (ticket.debounce->key.empty()) throw base::validation_error("queue.debounce.key", "is missing");
  if (!ticket.dedup_key.empty())
    throw base::validation_error("queue.debounce", "cannot be combined with a deduplication key");
  if (ticket.not_before) throw base::validation_error("queue.debounce", "cannot be combined with a time to start at");
  check_range("queue.debounce.wait", ticket.debounce->wait.count(), 1, kPeriodMax.count());
  check_range("queue.debounce.waitMax", ticket.debounce->wait_max.count(), ticket.debounce->wait.count(),
              kPeriodMax.count());
}

void validate(const QueueLimits& limits) {
  if (limits.concurrency) check_range("concurrency", *limits.concurrency, 1, kLimitMax);
  if (limits.key_concurrency) check_range("keyConcurrency", *limits.key_concurrency, 1, kLimitMax);
  if (limits.size) check_range("size", *limits.size, 1, kLimitMax);
  if (!limits.rate) return;
  check_range("rate/count", limits.rate->count, 1, kLimitMax);
  check_range("rate/periodMs", limits.rate->period.count(), 1, kPeriodMax.count());
  if (limits.rate->count > to_us(limits.rate->period))
    throw base::validation_error("rate/count", "is more than one in a microsecond");
}

void validate_queue_name(std::string_view name) {
  const bool valid = !name.empty() && name.size() <= kNameMax &&
                     name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                         std::string_view::npos;
  if (!valid)
    throw base::validation_error(
        "name", "must have 1 to " + std::to_string(kNameMax) + " characters of a-z, A-Z, 0-9, '.', '_' and '-'");
}

}  // namespace slipway::durable
