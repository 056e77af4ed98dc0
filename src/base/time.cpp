#include "base/time.h"

#include <time.h>

#include <fmt/format.h>

#include <charconv>

namespace slipway::base {

Instant SystemClock::now() const { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

Instant SystemClock::monotonic() const {
  timespec at{};
  ::clock_gettime(CLOCK_BOOTTIME, &at);
  return from_unix_ms(std::int64_t(at.tv_sec) * 1'000 + at.tv_nsec / 1'000'000);
}

std::string format_rfc3339(Instant at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

namespace {

constexpr Instant kFirstInstant = std::chrono::sys_days(std::chrono::year(0) / 1 / 1);
constexpr Instant kLastInstant = std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1) - Duration(1);
constexpr Duration kLongestDuration = std::chrono::days(1'000'000'000);  // sums of a few do not overflow

// Reads exactly `digits` decimal digits from the front of `text`.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

// A fraction of a second, of any length, cut to milliseconds.
std::optional<Duration> take_fraction(std::string_view& text) {
  int digits = 0;
  int ms = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    if (digits < 3) ms = ms * 10 + (text.front() - '0');
    ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 3; ++digits) ms *= 10;
  return Duration(ms);
}

std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return std::chrono::minutes(0);
  const int sign = take(text, '+') ? 1 : take(text, '-') ? -1 : 0;
  if (sign == 0) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_number(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return std::chrono::minutes(sign * (*hours * 60 + *minutes));
}

}  // namespace

std::optional<Instant> parse_rfc3339(std::string_view text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!date.ok()) return std::nullopt;
  const Instant midnight = std::chrono::sys_days(date);
  if (text.empty()) return midnight;

  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  const auto second = take_number(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second
  Duration fraction{0};
  if (take(text, '.')) {
    const auto parsed = take_fraction(text);
    if (!parsed) return std::nullopt;
    fraction = *parsed;
  }
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  const Instant at = midnight + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                     std::chrono::seconds(*second) + fraction - *offset;
  // An offset may lead out of the years that have four digits: that time could not be written again.
  if (at < kFirstInstant || at > kLastInstant) return std::nullopt;
  return at;
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Duration total{0};
  while (!text.empty()) {
    std::int64_t amount = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), amount);
    if (failure != std::errc() || amount < 0 || amount > 1'000'000'000) return std::nullopt;
    text.remove_prefix(std::size_t(end - text.data()));
    if (text.starts_with("ms")) {
      total += Duration(amount);
      text.remove_prefix(2);
    } else if (take(text, 's')) {
      total += std::chrono::seconds(amount);
    } else if (take(text, 'm')) {
      total += std::chrono::minutes(amount);
    } else if (take(text, 'h')) {
      total += std::chrono::hours(amount);
    } else if (take(text, 'd')) {
      total += std::chrono::days(amount);
    } else {
      return std::nullopt;
    }
    if (total > kLongestDuration) return std::nullopt;
  }
  return total;
}

std::string format_duration(Duration duration) {
  const auto ms = duration.count();
  if (ms < 1'000) return fmt::format("{}ms", ms);
  if (ms < 60'000) return fmt::format("{}.{}s", ms / 1'000, ms % 1'000 / 100);
  if (ms < 3'600'000) return fmt::format("{}m{:02}s", ms / 60'000, ms / 1'000 % 60);
  if (ms < 86'400'000) return fmt::format("{}h{:02}m", ms / 3'600'000, ms / 60'000 % 60);
  return fmt::format("{}d{:02}h", ms / 86'400'000, ms / 3'600'000 % 24);
}

}  // namespace slipway::base
