// From the text of a cron expression to its fields.

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "base/error.h"
#include "durable/cron.h"

namespace slipway::durable {
namespace {

constexpr std::size_t kExpressionMax = 256;  // bytes; far more than a list of every minute that is worth listing

struct FieldKind {
  std::string_view name;
  unsigned low, high;
  std::span<const std::string_view> names;  // of the values from `low` on
};

constexpr std::array<std::string_view, 12> kMonths{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                   "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

constexpr FieldKind kSecond{"second", 0, 59, {}};
constexpr FieldKind kMinute{"minute", 0, 59, {}};
constexpr FieldKind kHour{"hour", 0, 23, {}};
constexpr FieldKind kMonthDay{"day of the month", 1, 31, {}};
constexpr FieldKind kMonth{"month", 1, 12, kMonths};
constexpr FieldKind kWeekday{"day of the week", 0, 7, kWeekdays};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNicknames{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = char(c - 'a' + 'A');
  return result;
}

// The parts between separators; empty ones are kept, except between blanks.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    if (separator != ' ' || end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
    if (separator == ' ' && text.empty()) return parts;
  }
}

// One field's text, with where it stands for what is wrong in it.
class FieldReader {
 public:
  FieldReader(const FieldKind& kind, std::size_t number, std::string_view text)
      : kind_(kind), number_(number), text_(upper(text)) {}

  bool begins_with_star() const { return text_.starts_with('*') || text_ == "?"; }
  std::uint64_t plain() const;
  void month_days(CronFields& fields) const;
  void weekdays(CronFields& fields) const;

 private:
  std::vector<std::string_view> terms() const { return split(text_, ','); }
  std::uint64_t values(std::string_view term) const;
  unsigned value(std::string_view text) const;
  unsigned number(std::string_view text, unsigned low, unsigned high) const;
  [[noreturn]] void fail(const std::string& reason) const;

  const FieldKind& kind_;
  std::size_t number_;
  std::string text_;
};

void FieldReader::fail(const std::string& reason) const {
  throw base::validation_error("cron",
                               "field " + std::to_string(number_) + " (" + std::string(kind_.name) + "): " + reason);
}

unsigned FieldReader::number(std::string_view text, unsigned low, unsigned high) const {
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = !text.empty() && end == text.data() + text.size() && failure != std::errc::invalid_argument;
  if (!is_number) fail(text.empty() ? "a value is missing" : quoted(text) + " is not a number");
  if (failure != std::errc() || number < low || number > high)
    fail(quoted(text) + " is not within " + std::to_string(low) + " to " + std::to_string(high));
  return number;
}

unsigned FieldReader::value(std::string_view text) const {
  const auto named = std::ranges::find(kind_.names, text);
  if (named != kind_.names.end()) return kind_.low + unsigned(named - kind_.names.begin());
  const bool has_letter = std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
  if (has_letter && !kind_.names.empty())
    fail(quoted(text) + " is no name that is known; they are " + std::string(kind_.names.front()) + " to " +
         std::string(kind_.names.back()));
  return number(text, kind_.low, kind_.high);
}

// The bits of one term: `*`, `5`, `5-7`, each with a step or without.
std::uint64_t FieldReader::values(std::string_view term) const {
  const auto slash = term.find('/');
  const std::string_view range = term.substr(0, slash);
  const auto dash = range.find('-');
  unsigned first = kind_.low, last = kind_.high;
  if (range != "*") {
    first = last = value(range.substr(0, dash));
    if (dash != std::string_view::npos) {
      last = value(range.substr(dash + 1));
      if (&kind_ == &kWeekday && last == 0 && first > 0) last = 7;  // SAT-SUN
      if (last < first) fail(quoted(range) + " runs backwards; write it as two ranges");
    } else if (slash != std::string_view::npos) {
      last = kind_.high;
    }
  }
  unsigned step = 1;
  if (slash != std::string_view::npos) step = number(term.substr(slash + 1), 1, kind_.high);
  std::uint64_t bits = 0;
  for (unsigned at = first; at <= last; at += step) bits |= std::uint64_t(1) << at;
  return bits;
}

std::uint64_t FieldReader::plain() const {
  std::uint64_t bits = 0;
  for (const auto term : terms()) bits |= values(term);
  return bits;
}

void FieldReader::month_days(CronFields& fields) const {
  fields.any_month_day = begins_with_star();
  for (const auto term : terms()) {
    if (term == "?") {
      fields.on_month_days = ~std::uint32_t(1);
    } else if (term == "L") {
      fields.days_before_last |= 1;
    } else if (term == "LW") {
      fields.last_weekday = true;
    } else if (term.starts_with("L-")) {
      fields.days_before_last |= std::uint32_t(1) << number(term.substr(2), 1, 30);
    } else if (term.ends_with('W')) {
      fields.nearest_weekdays |= std::uint32_t(1) << value(term.substr(0, term.size() - 1));
    } else {
      fields.on_month_days |= std::uint32_t(values(term));
    }
  }
}

void FieldReader::weekdays(CronFields& fields) const {
  fields.any_weekday = begins_with_star();
  std::uint64_t bits = 0;
  for (const auto term : terms()) {
    const auto hash = term.find('#');
    if (term == "?") {
      bits = 0x7f;
    } else if (hash != std::string_view::npos) {
      fields.nth_weekdays.emplace_back(value(term.substr(0, hash)) % 7, number(term.substr(hash + 1), 1, 5));
    } else if (term.size() > 1 && term.ends_with('L')) {
      fields.nth_weekdays.emplace_back(value(term.substr(0, term.size() - 1)) % 7, 0);
    } else {
      bits |= values(term);
    }
  }
  fields.on_weekdays = std::uint8_t((bits | bits >> 7) & 0x7f);  // Sunday is 0 and 7
}

std::string_view without_nickname(std::string_view expression) {
  const auto found = std::ranges::find(kNicknames, expression, [](const auto& nickname) { return nickname.first; });
  if (found != kNicknames.end()) return found->second;
  throw base::validation_error(
      "cron", quoted(expression) + " is not known; use @hourly, @daily, @weekly, @monthly, @yearly, or fields");
}

}  // namespace

CronFields parse_cron_fields(std::string_view expression) {
  if (expression.size() > kExpressionMax)
    throw base::validation_error("cron", "is longer than " + std::to_string(kExpressionMax) + " bytes");
  if (expression.starts_with('@')) expression = without_nickname(expression);
  const auto texts = split(expression, ' ');
  if (expression.empty() || (texts.size() != 5 && texts.size() != 6))
    throw base::validation_error("cron", "has " + std::to_string(expression.empty() ? 0 : texts.size()) +
                                             " fields; expected 5 (minute, hour, day, month, weekday), or 6 with the "
                                             "second first");
  std::size_t next = 0;
  const auto field = [&](const FieldKind& kind) {
    FieldReader reader(kind, next + 1, texts[next]);
    ++next;
    return reader;
  };
  CronFields fields;
  if (texts.size() == 6) fields.at_seconds = field(kSecond).plain();
  fields.at_minutes = field(kMinute).plain();
  const auto hour = field(kHour);
  fields.any_hour = hour.begins_with_star();
  fields.at_hours = std::uint32_t(hour.plain());
  field(kMonthDay).month_days(fields);
  fields.in_months = std::uint16_t(field(kMonth).plain());
  field(kWeekday).weekdays(fields);
  constexpr TimeZone::Civil kAnyTime{};
  if (!fields.first_from(kAnyTime)) throw base::validation_error("cron", "never comes: no month has such a day");
  return fields;
}

}  // namespace slipway::durable
