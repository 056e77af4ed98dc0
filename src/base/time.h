#pragma once
// Wall time in whole milliseconds, as the store and the wire have it, and the clock that gives it.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

using Duration = std::chrono::milliseconds;
using Instant = std::chrono::sys_time<Duration>;

// Injected wherever time is read, so that tests and the simulation decide what time it is. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  // Never set, never stands still, also not while the machine is suspended: for measuring, with no meaning of its own.
  virtual Instant monotonic() const { return now(); }
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Instant monotonic() const override;
};

inline std::int64_t to_unix_ms(Instant at) { return at.time_since_epoch().count(); }
inline Instant from_unix_ms(std::int64_t ms) { return Instant(Duration(ms)); }

// RFC 3339 in UTC with milliseconds: 2025-01-12T10:00:00.000Z.
std::string format_rfc3339(Instant at);
// Any RFC 3339 time within the years 0 to 9999 UTC, or a plain date (midnight UTC); empty when it is neither.
std::optional<Instant> parse_rfc3339(std::string_view text);

// '90s', '15m', '1h30m', '250ms', '7d'; empty when malformed, or longer than a billion days.
std::optional<Duration> parse_duration(std::string_view text);
// For people: '3.2s', '1m05s', '2h10m'.
std::string format_duration(Duration duration);

}  // namespace slipway::base
