#pragma once
// One of the things that a run does at a time: an operation, or the undoing of one, on its way to an outcome. A body
// that awaits one step after another has one lane; a fan-out has one for each item under way. Belongs to the execution.

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "durable/operation.h"

namespace slipway::durable {

struct Lane {
  enum class Phase {
    waiting,  // until `until`, or for an input
    wants_attempt,
    attempt,  // under way
    wants_transaction,
    transaction,
  };

  std::int64_t id = 0;
  Operation* operation = nullptr;  // null: the compensation at hand
  Phase phase = Phase::waiting;
  std::optional<Instant> until;
  std::int64_t failed = 0;  // attempts
  std::optional<Instant> started_at;

  // The attempt under way. Its times are those of Clock::monotonic: a clock that is set must not end it.
  std::int64_t attempt = 0;
  std::stop_source stop;
  std::shared_ptr<Pulse> pulse;
  Instant attempt_began_at;
  std::optional<Instant> look_at;   // when its pulse is recorded next
  std::optional<Instant> leave_at;  // it was told to stop, and is left behind at that time
  std::string overdue;              // why, if not because the run is stopped
  bool poked = false;               // while it was under way

  // When the attempt's time is over, whatever it says; nothing if it has no limit.
  std::optional<Instant> limit(const Retry& retry) const {
    std::optional<Instant> at;
    if (retry.attempt_timeout.count() > 0) at = attempt_began_at + retry.attempt_timeout;
    if (retry.heartbeat_timeout.count() > 0) {
      const auto silent = pulse->last_at() + retry.heartbeat_timeout;
      at = at ? std::min(*at, silent) : silent;
    }
    return at;
  }
  // When the execution must see to the attempt.
  std::optional<Instant> attempt_due(const Retry& retry) const {
    if (leave_at) return leave_at;
    const auto limit_at = limit(retry);
    if (!limit_at || (look_at && *look_at < *limit_at)) return look_at;
    return limit_at;
  }
  // When the execution must see to the lane, by the wall clock; nothing while only something else can move it.
  std::optional<Instant> due(const Retry& retry, const base::Clock& clock) const {
    if (phase == Phase::waiting) return until;
    const auto at = phase == Phase::attempt ? attempt_due(retry) : std::nullopt;
    if (!at) return std::nullopt;
    return clock.now() + (*at - clock.monotonic());
  }
};

}  // namespace slipway::durable
