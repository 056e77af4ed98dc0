#pragma once
// When something is to happen again and again: cron expressions and intervals, read from text and evaluated.
//
//   30 4 * * MON-FRI        minute, hour, day of the month, month, day of the week
//   */10 30 4 * * *         six fields: seconds first
//   every 90s               intervals count from 1970-01-01T00:00:00Z, so that every replica agrees
//   every 1h offset 15m     at 00:15, 01:15 … UTC
//   @hourly                 @daily, @midnight, @weekly, @monthly, @yearly, @annually
//
// A field is `*`, or a list of values, ranges (`1-5`) and steps (`*/15`, `10-40/10`, `5/15`). Months and weekdays have
// their English names, too; Sunday is 0 and 7. Days of the month also know `L` (the last), `L-3` (three before it),
// `15W` (the weekday nearest to it within the month) and `LW`; weekdays `FRI#2` (the second) and `FRIL` (the last);
// either may be `?`, which says `*`. As in crontab(5), a day must fit both day fields when one of them begins with
// `*`, and otherwise either.
//
// When clocks are set: a time that is skipped comes at the first instant after the gap, and one that is repeated comes
// once, the first time. Where the hour field begins with `*` the schedule follows elapsed time instead: `0 * * * *`
// comes every hour, also in the hour that is repeated, and a skipped time does not come.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "durable/time_zone.h"

namespace slipway::durable {

using base::Duration;
using base::Instant;

// What the fields of an expression say of a clock on the wall. Values are bits: minute 5 is bit 5.
class CronFields {
 public:
  using Civil = TimeZone::Civil;

  // The first matching second at or after `from`; empty when there is none within a hundred years.
  std::optional<Civil> first_from(Civil from) const;
  bool follows_elapsed_time() const { return any_hour; }

  std::uint64_t at_seconds = 1, at_minutes = 0;
  std::uint32_t at_hours = 0, on_month_days = 0;
  std::uint16_t in_months = 0;
  std::uint8_t on_weekdays = 0;                                       // Sunday is bit 0
  bool any_hour = false, any_month_day = false, any_weekday = false;  // the field begins with `*`
  std::uint32_t days_before_last = 0;                                 // L is bit 0, L-3 bit 3
  std::uint32_t nearest_weekdays = 0;                                 // 15W is bit 15
  bool last_weekday = false;                                          // LW
  std::vector<std::pair<int, int>> nth_weekdays;                      // FRI#2 is {5, 2}; FRIL {5, 0}

 private:
  bool has_day(std::chrono::year_month_day date) const;
  bool has_month_day(std::chrono::year_month_day date) const;
  bool has_weekday(std::chrono::year_month_day date) const;
  std::optional<std::chrono::seconds> first_time_from(std::chrono::seconds of_day) const;
};

class Cron {
 public:
  // Throws VALIDATION_ERROR for the field `cron` ("field 2 (hour): '25' is not within 0 to 23") or `timeZone`.
  static Cron parse(std::string_view expression, const std::string& time_zone);

  // The first time after `at`, in whole seconds; empty when there is none any more.
  std::optional<Instant> next_after(Instant at) const;

 private:
  struct Interval {
    std::chrono::seconds length, offset;
  };
  using Seconds = TimeZone::Seconds;

  Cron(std::variant<CronFields, Interval> times, TimeZone zone) : times_(std::move(times)), zone_(std::move(zone)) {}
  static Interval parse_interval(std::string_view text);
  std::optional<Seconds> next_fixed(const CronFields& fields, Seconds after) const;
  std::optional<Seconds> next_elapsed(const CronFields& fields, Seconds after) const;

  std::variant<CronFields, Interval> times_;
  TimeZone zone_;
};

// The fields' text alone. Throws VALIDATION_ERROR for `cron`.
CronFields parse_cron_fields(std::string_view expression);

}  // namespace slipway::durable
