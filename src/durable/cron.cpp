#include "durable/cron.h"

#include "base/error.h"

namespace slipway::durable {
namespace {

using namespace std::chrono;

constexpr years kHorizon{100};  // 29 February on a certain weekday can be 40 years away
constexpr seconds kIntervalMin{1};
constexpr seconds kIntervalMax = days(366);

template <class Bits>
bool has(Bits bits, unsigned value) {
  return (bits >> value & 1) != 0;
}

// The first set bit at or after `from`, below `end`; `end` when there is none.
template <class Bits>
unsigned first_bit(Bits bits, unsigned from, unsigned end) {
  while (from < end && !has(bits, from)) ++from;
  return from;
}

unsigned days_in_month(year_month_day date) { return unsigned((date.year() / date.month() / last).day()); }

// The weekday (Monday to Friday) nearest to the day `wanted` of this month, within it; 0 when it has no such day.
unsigned nearest_weekday(year_month_day date, unsigned wanted) {
  const unsigned length = days_in_month(date);
  if (wanted > length) return 0;
  const weekday falls_on{local_days(date.year() / date.month() / day(wanted))};
  if (falls_on == Saturday) return wanted == 1 ? 3 : wanted - 1;
  if (falls_on == Sunday) return wanted == length ? wanted - 2 : wanted + 1;
  return wanted;
}

}  // namespace

// ---- evaluation

bool CronFields::has_month_day(year_month_day date) const {
  const unsigned today = unsigned(date.day());
  const unsigned length = days_in_month(date);
  if (has(on_month_days, today) || has(days_before_last, length - today)) return true;
  if (last_weekday && nearest_weekday(date, length) == today) return true;
  for (unsigned wanted = 1; wanted <= length; ++wanted)
    if (has(nearest_weekdays, wanted) && nearest_weekday(date, wanted) == today) return true;
  return false;
}

bool CronFields::has_weekday(year_month_day date) const {
  const int today = int(weekday(local_days(date)).c_encoding());
  if (has(on_weekdays, unsigned(today))) return true;
  const int day_of_month = int(unsigned(date.day()));
  for (const auto& [wanted, nth] : nth_weekdays) {
    if (wanted != today) continue;
    const bool is_last = day_of_month + 7 > int(days_in_month(date));
    if (nth == 0 ? is_last : (day_of_month - 1) / 7 + 1 == nth) return true;
  }
  return false;
}

bool CronFields::has_day(year_month_day date) const {
  if (any_month_day || any_weekday) return has_month_day(date) && has_weekday(date);
  return has_month_day(date) || has_weekday(date);
}

std::optional<seconds> CronFields::first_time_from(seconds of_day) const {
  const hh_mm_ss from(of_day);
  unsigned hour = unsigned(from.hours().count()), minute = unsigned(from.minutes().count()),
           second = unsigned(from.seconds().count());
  for (hour = first_bit(at_hours, hour, 24); hour < 24; hour = first_bit(at_hours, hour + 1, 24)) {
    if (hour != unsigned(from.hours().count())) minute = second = 0;
    for (minute = first_bit(at_minutes, minute, 60); minute < 60; minute = first_bit(at_minutes, minute + 1, 60)) {
      if (hour != unsigned(from.hours().count()) || minute != unsigned(from.minutes().count())) second = 0;
      second = first_bit(at_seconds, second, 60);
      if (second < 60) return hours(hour) + minutes(minute) + seconds(second);
    }
  }
  return std::nullopt;
}

std::optional<CronFields::Civil> CronFields::first_from(Civil from) const {
  local_days today = floor<days>(from);
  auto time = from - today;
  const year end = year_month_day(today).year() + kHorizon;
  for (year_month_day date(today); date.year() <= end; date = year_month_day(today)) {
    if (!has(in_months, unsigned(date.month()))) {
      today = local_days((date.year() / date.month() + months(1)) / 1);
    } else {
      if (has_day(date))
        if (const auto found = first_time_from(time)) return today + *found;
      today += days(1);
    }
    time = seconds(0);
  }
  return std::nullopt;
}

std::optional<Cron::Seconds> Cron::next_fixed(const CronFields& fields, Seconds after) const {
  auto from = zone_.civil(after);
  while (const auto civil = fields.first_from(from + 1s)) {
    const auto at = zone_.instant(*civil);
    if (at > after) return at;
    from = *civil;  // in an hour that is repeated: it came the first time
  }
  return std::nullopt;
}

std::optional<Cron::Seconds> Cron::next_elapsed(const CronFields& fields, Seconds after) const {
  for (Seconds from = after + 1s;;) {
    const auto here = zone_.civil(from);
    const auto civil = fields.first_from(here);
    if (!civil) return std::nullopt;
    const Seconds at = from + (*civil - here);
    const auto change = zone_.next_change(from);
    if (!change || at < *change) return at;
    from = *change;  // the clock is set before that: look again with what it shows then
  }
}

std::optional<Instant> Cron::next_after(Instant at) const {
  const Seconds after = floor<seconds>(at);
  if (const auto* interval = std::get_if<Interval>(&times_)) {
    const auto since = after.time_since_epoch() - interval->offset;
    auto passed = since / interval->length;
    if (since < 0s && since % interval->length != 0s) --passed;
    return Seconds((passed + 1) * interval->length + interval->offset);
  }
  const auto& fields = std::get<CronFields>(times_);
  return fields.follows_elapsed_time() ? next_elapsed(fields, after) : next_fixed(fields, after);
}

// ---- intervals, and the whole

Cron::Interval Cron::parse_interval(std::string_view text) {
  const auto fail = [](std::string reason) { throw base::validation_error("cron", std::move(reason)); };
  const auto read = [&](std::string_view duration) {
    const auto length = base::parse_duration(duration);
    if (!length) fail("'" + std::string(duration) + "' is no duration such as 90s, 15m or 1h30m");
    if (*length % 1s != 0s) fail("'" + std::string(duration) + "' is no whole number of seconds");
    return duration_cast<seconds>(*length);
  };
  Interval interval{.length = 0s, .offset = 0s};
  constexpr std::string_view kOffset = " offset ";
  const auto joint = text.find(kOffset);
  interval.length = read(text.substr(0, joint));
  if (joint != std::string_view::npos) interval.offset = read(text.substr(joint + kOffset.size()));
  if (interval.length < kIntervalMin || interval.length > kIntervalMax) fail("an interval lasts from 1s to 366d");
  if (interval.offset >= interval.length) fail("an offset is shorter than its interval");
  return interval;
}

Cron Cron::parse(std::string_view expression, const std::string& time_zone) {
  const auto zone = TimeZone::find(time_zone);
  if (!zone)
    throw base::validation_error("timeZone",
                                 "no time zone is called '" + time_zone + "'; names are like Europe/Berlin or UTC");
  constexpr std::string_view kEvery = "every ";
  if (expression.starts_with(kEvery)) return Cron(parse_interval(expression.substr(kEvery.size())), *zone);
  return Cron(parse_cron_fields(expression), *zone);
}

}  // namespace slipway::durable
