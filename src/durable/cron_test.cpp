// What cron expressions mean: errors, days, clocks that are set, and what croniter and Python's zones say.

#include "durable/cron.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/random.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

Instant at(std::string_view text) { return base::parse_rfc3339(text).value(); }

// The next `count` times after `from`, as text without the milliseconds.
std::vector<std::string> times(std::string_view cron, const std::string& zone, std::string_view from, int count) {
  const auto parsed = Cron::parse(cron, zone);
  std::vector<std::string> found;
  Instant now = at(from);
  for (int i = 0; i < count; ++i) {
    const auto next = parsed.next_after(now);
    if (!next) break;
    found.push_back(base::format_rfc3339(*next).substr(0, 19) + "Z");
    now = *next;
  }
  return found;
}

using Times = std::vector<std::string>;

std::string error_of(std::string_view cron, const std::string& zone = "UTC") {
  try {
    Cron::parse(cron, zone);
    return "no error";
  } catch (const base::Error& error) {
    return error.message();
  }
}

TEST(Cron, ErrorsSayWhichFieldIsWrongAndHow) {
  EXPECT_EQ(error_of("0 25 * * *"), "cron: field 2 (hour): '25' is not within 0 to 23");
  EXPECT_EQ(error_of("0 0 25 * * *"), "cron: field 3 (hour): '25' is not within 0 to 23");
  EXPECT_EQ(error_of("60 * * * *"), "cron: field 1 (minute): '60' is not within 0 to 59");
  EXPECT_EQ(error_of("x * * * *"), "cron: field 1 (minute): 'X' is not a number");
  EXPECT_EQ(error_of("1,,2 * * * *"), "cron: field 1 (minute): a value is missing");
  EXPECT_EQ(error_of("-5 * * * *"), "cron: field 1 (minute): a value is missing");
  EXPECT_EQ(error_of("99999999999 * * * *"), "cron: field 1 (minute): '99999999999' is not within 0 to 59");
  EXPECT_EQ(error_of("0 0 0 * *"), "cron: field 3 (day of the month): '0' is not within 1 to 31");
  EXPECT_EQ(error_of("0 0 1 FOO *"), "cron: field 4 (month): 'FOO' is no name that is known; they are JAN to DEC");
  EXPECT_EQ(error_of("0 0 * * 8"), "cron: field 5 (day of the week): '8' is not within 0 to 7");
  EXPECT_EQ(error_of("0 0 * * MON#6"), "cron: field 5 (day of the week): '6' is not within 1 to 5");
  EXPECT_EQ(error_of("5-1 * * * *"), "cron: field 1 (minute): '5-1' runs backwards; write it as two ranges");
  EXPECT_EQ(error_of("*/0 * * * *"), "cron: field 1 (minute): '0' is not within 1 to 59");
  EXPECT_EQ(error_of("* * ?,1 * *"), "no error");
  EXPECT_EQ(error_of("* ? * * *"), "cron: field 2 (hour): '?' is not a number");
  EXPECT_EQ(error_of("* * *"),
            "cron: has 3 fields; expected 5 (minute, hour, day, month, weekday), or 6 with the second first");
  EXPECT_EQ(error_of(""),
            "cron: has 0 fields; expected 5 (minute, hour, day, month, weekday), or 6 with the second first");
  EXPECT_EQ(error_of("@reboot"),
            "cron: '@reboot' is not known; use @hourly, @daily, @weekly, @monthly, @yearly, or fields");
  EXPECT_EQ(error_of("0 0 31 2 *"), "cron: never comes: no month has such a day");
  EXPECT_EQ(error_of("every 1500ms"), "cron: '1500ms' is no whole number of seconds");
  EXPECT_EQ(error_of("every soon"), "cron: 'soon' is no duration such as 90s, 15m or 1h30m");
  EXPECT_EQ(error_of("every 0s"), "cron: an interval lasts from 1s to 366d");
  EXPECT_EQ(error_of("every 1h offset 1h"), "cron: an offset is shorter than its interval");
  EXPECT_EQ(error_of(std::string(300, '1')), "cron: is longer than 256 bytes");
}

TEST(Cron, ZonesAreNamesOfTheWorldAndNothingOfThisMachine) {
  for (const char* zone : {"", "Nowhere/Town", "/etc/localtime", "localtime", "../zoneinfo/UTC", "Europe", "UTC\n"})
    EXPECT_EQ(error_of("* * * * *", zone),
              "timeZone: no time zone is called '" + std::string(zone) + "'; names are like Europe/Berlin or UTC");
  EXPECT_EQ(error_of("* * * * *", "Europe/Berlin"), "no error");
  EXPECT_EQ(error_of("* * * * *", "UTC"), "no error");
}

TEST(Cron, TimesComeStrictlyAfterTheInstantThatIsAskedFor) {
  const auto cron = Cron::parse("30 12 * * *", "UTC");
  EXPECT_EQ(cron.next_after(at("2026-01-01T12:29:59.999Z")), at("2026-01-01T12:30:00Z"));
  EXPECT_EQ(cron.next_after(at("2026-01-01T12:30:00.000Z")), at("2026-01-02T12:30:00Z"));
  EXPECT_EQ(cron.next_after(at("2026-01-01T12:30:00.001Z")), at("2026-01-02T12:30:00Z"));
}

TEST(Cron, SecondsNamesListsStepsAndNicknames) {
  EXPECT_EQ(times("*/25 59 23 31 DEC ?", "UTC", "2025-06-01T00:00:00Z", 4),
            (Times{"2025-12-31T23:59:00Z", "2025-12-31T23:59:25Z", "2025-12-31T23:59:50Z", "2026-12-31T23:59:00Z"}));
  EXPECT_EQ(times("0 9-17/4,23 * * mon-wed,Fri", "UTC", "2026-01-01T00:00:00Z", 5),
            (Times{"2026-01-02T09:00:00Z", "2026-01-02T13:00:00Z", "2026-01-02T17:00:00Z", "2026-01-02T23:00:00Z",
                   "2026-01-05T09:00:00Z"}));
  EXPECT_EQ(times("  15   0 * *   SAT-SUN ", "UTC", "2026-01-01T00:00:00Z", 3),
            (Times{"2026-01-03T00:15:00Z", "2026-01-04T00:15:00Z", "2026-01-10T00:15:00Z"}));
  EXPECT_EQ(times("0 0 * * 0-0", "UTC", "2026-01-01T00:00:00Z", 2),
            (Times{"2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"}));
  EXPECT_EQ(times("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", 1), times("@weekly", "UTC", "2026-01-01T00:00:00Z", 1));
  EXPECT_EQ(times("@yearly", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2027-01-01T00:00:00Z"}));
  EXPECT_EQ(times("@hourly", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-01-01T01:00:00Z"}));
}

TEST(Cron, DaysOfMonthAndWeekAreAlternativesUnlessOneBeginsWithAStar) {
  EXPECT_EQ(times("0 0 13 * FRI", "UTC", "2026-02-01T00:00:00Z", 4),
            (Times{"2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z"}));
  EXPECT_EQ(times("0 0 */10 * FRI", "UTC", "2026-02-01T00:00:00Z", 2),
            (Times{"2026-05-01T00:00:00Z", "2026-07-31T00:00:00Z"}));
}

TEST(Cron, LastNearestAndNthDays) {
  EXPECT_EQ(times("0 0 L * *", "UTC", "2028-01-31T00:00:00Z", 3),
            (Times{"2028-02-29T00:00:00Z", "2028-03-31T00:00:00Z", "2028-04-30T00:00:00Z"}));
  EXPECT_EQ(times("0 0 L-3 2 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-02-25T00:00:00Z"}));
  // 1 August 2026 is a Saturday, 31 May a Sunday, 15 August a Saturday, 15 March a Sunday.
  EXPECT_EQ(times("0 0 1W 8 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-08-03T00:00:00Z"}));
  EXPECT_EQ(times("0 0 15W 8 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-08-14T00:00:00Z"}));
  EXPECT_EQ(times("0 0 15W 3 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-03-16T00:00:00Z"}));
  EXPECT_EQ(times("0 0 31W 5 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-05-29T00:00:00Z"}));
  EXPECT_EQ(times("0 0 LW 5 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-05-29T00:00:00Z"}));
  EXPECT_EQ(times("0 0 31W 2,3 *", "UTC", "2026-01-01T00:00:00Z", 1), (Times{"2026-03-31T00:00:00Z"}));
  EXPECT_EQ(times("0 0 * * FRI#2", "UTC", "2026-01-01T00:00:00Z", 2),
            (Times{"2026-01-09T00:00:00Z", "2026-02-13T00:00:00Z"}));
  EXPECT_EQ(times("0 0 * * MON#5", "UTC", "2026-01-01T00:00:00Z", 2),
            (Times{"2026-03-30T00:00:00Z", "2026-06-29T00:00:00Z"}));
  EXPECT_EQ(times("0 0 * * FRIL", "UTC", "2026-01-01T00:00:00Z", 2),
            (Times{"2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z"}));
}

TEST(Cron, RareDaysAreFoundOverCenturies) {
  EXPECT_EQ(times("0 0 29 2 */7", "UTC", "2096-03-01T00:00:00Z", 2),  // a Sunday
            (Times{"2128-02-29T00:00:00Z", "2156-02-29T00:00:00Z"}));
}

TEST(Cron, IntervalsCountFromTheSameInstantEverywhere) {
  EXPECT_EQ(times("every 90s", "UTC", "2026-01-01T00:00:10Z", 3),
            (Times{"2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z", "2026-01-01T00:04:30Z"}));
  EXPECT_EQ(times("every 1h offset 15m", "Europe/Berlin", "2026-01-01T00:15:00Z", 2),
            (Times{"2026-01-01T01:15:00Z", "2026-01-01T02:15:00Z"}));
  EXPECT_EQ(times("every 7d", "UTC", "1969-12-20T00:00:00Z", 2),
            (Times{"1969-12-25T00:00:00Z", "1970-01-01T00:00:00Z"}));
}

// ---- clocks that are set. Berlin: 2026-03-29 02:00 → 03:00 (01:00Z), 2026-10-25 03:00 → 02:00 (01:00Z).

TEST(CronAcrossClockChanges, ASkippedTimeComesAtTheFirstInstantAfterTheGap) {
  EXPECT_EQ(times("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            (Times{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}));
  EXPECT_EQ(times("*/20 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2),  // three of them, but one instant
            (Times{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}));
  EXPECT_EQ(times("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 2),
            (Times{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}));
  EXPECT_EQ(times("30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 1), (Times{"2026-03-08T07:00:00Z"}));
}

TEST(CronAcrossClockChanges, ARepeatedTimeComesOnceTheFirstTime) {
  EXPECT_EQ(times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            (Times{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}));
  EXPECT_EQ(times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1), (Times{"2026-10-26T01:30:00Z"}));
  EXPECT_EQ(times("*/30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1), (Times{"2026-10-26T01:00:00Z"}));
}

TEST(CronAcrossClockChanges, AnyHourFollowsElapsedTime) {
  EXPECT_EQ(times("0 * * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", 4),
            (Times{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"}));
  EXPECT_EQ(times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:10:00Z", 3),
            (Times{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}));
  EXPECT_EQ(times("0 */2 * * *", "Europe/Berlin", "2026-03-28T22:30:00Z", 2),  // midnight, then 04:00
            (Times{"2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z"}));
}

TEST(CronAcrossClockChanges, HalfHoursAndWholeDays) {
  // Lord Howe sets its clocks by half an hour: 2026-10-04 02:00 → 02:30 (2026-10-03 15:30Z).
  EXPECT_EQ(times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 1), (Times{"2026-10-03T15:30:00Z"}));
  // Apia left out 2011-12-30 altogether.
  EXPECT_EQ(times("0 9 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1), (Times{"2011-12-30T10:00:00Z"}));
}

// ---- what others say

class RandomExpression {
 public:
  explicit RandomExpression(base::Random& random) : random_(random) {}

  std::string make() {
    const bool any_month_day = random_.below(2) == 0, any_weekday = random_.below(2) == 0;
    std::string text = random_.below(4) == 0 ? std::to_string(random_.below(60)) + " " : "";
    const bool fixed = !text.empty() || random_.below(3) != 0;
    text += field(0, 59, false) + " " + (fixed ? field(0, 23, false) : random_.below(2) == 0 ? "*" : "*/3") + " ";
    text += (any_month_day ? "*" : random_.below(8) == 0 ? "L" : field(1, 31, false)) + " ";
    text += field(1, 12, true) + " ";
    return text + (any_weekday ? "*" : weekday());
  }

 private:
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + random_.below(high - low + 1); }

  std::string term(std::uint64_t low, std::uint64_t high) {
    const auto first = between(low, high);
    if (random_.below(2) == 0) return std::to_string(first);
    std::string text = std::to_string(first) + "-" + std::to_string(between(first, high));
    if (random_.below(2) == 0) text += "/" + std::to_string(between(1, 7));
    return text;
  }

  std::string field(std::uint64_t low, std::uint64_t high, bool may_be_any) {
    if (may_be_any && random_.below(3) != 0) return random_.below(4) == 0 ? "*/" + std::to_string(between(2, 5)) : "*";
    std::string text = term(low, high);
    while (random_.below(3) == 0) text += "," + term(low, high);
    return text;
  }

  std::string weekday() {
    constexpr std::string_view kNames[] = {"sun", "MON", "Tue", "WED", "thu", "FRI", "SAT"};
    if (random_.below(3) == 0) return std::string(kNames[random_.below(7)]);
    return field(0, 6, false);
  }

  base::Random& random_;
};

struct Case {
  std::string zone, cron;
  Instant from, until;
};

std::vector<Case> random_cases(std::uint64_t seed, int count) {
  constexpr std::string_view kZones[] = {"UTC",
                                         "Europe/Berlin",
                                         "America/New_York",
                                         "America/St_Johns",
                                         "Asia/Kolkata",
                                         "Europe/Dublin",
                                         "Australia/Lord_Howe",
                                         "America/Sao_Paulo",
                                         "Asia/Kathmandu",
                                         "Africa/Casablanca",
                                         "Pacific/Auckland",
                                         "America/Havana"};
  base::SeededRandom random(seed);
  std::vector<Case> cases;
  while (int(cases.size()) < count) {
    Case one{.zone = std::string(kZones[random.below(std::size(kZones))]), .cron = RandomExpression(random).make()};
    const auto zone = *TimeZone::find(one.zone);
    const Instant some = at("1990-01-01T00:00:00Z") + std::chrono::minutes(random.below(40ull * 365 * 24 * 60));
    const auto change = zone.next_change(std::chrono::floor<std::chrono::seconds>(some));
    // Mostly near a change of the clock: there is where the bugs live.
    one.from =
        change && random.below(4) != 0 ? Instant(*change) - std::chrono::minutes(random.below(3 * 24 * 60)) : some;
    if (error_of(one.cron) != "no error") continue;
    const auto fields = parse_cron_fields(one.cron);
    if (fields.on_weekdays == 0x7f && !fields.any_weekday) continue;  // croniter takes `0-6` for `*`
    one.until = one.from + std::chrono::days(fields.follows_elapsed_time() ? 4 : 400);
    cases.push_back(std::move(one));
  }
  return cases;
}

std::vector<std::string> ask_oracle(const std::vector<Case>& cases) {
  const store::testing::TemporaryFolder folder;
  const auto questions = folder.path() / "questions";
  std::ofstream file(questions);
  for (const auto& one : cases)
    file << one.zone << '\t' << one.cron << '\t' << base::to_unix_ms(one.from) / 1'000 << '\t'
         << base::to_unix_ms(one.until) / 1'000 << '\n';
  file.close();
  // Debian's own Python: it is the one that has Debian's croniter.
  std::FILE* pipe = ::popen(("/usr/bin/python3 " SLIPWAY_CRON_ORACLE " < " + questions.string()).c_str(), "r");
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += char(c);
  EXPECT_EQ(::pclose(pipe), 0);
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string our_answer(const Case& one) {
  constexpr int kTimesMax = 40;  // as the oracle
  const auto cron = Cron::parse(one.cron, one.zone);
  std::string line;
  Instant now = one.from;
  for (int i = 0; i < kTimesMax; ++i) {
    const auto next = cron.next_after(now);
    if (!next || *next > one.until) break;
    line += (line.empty() ? "" : " ") + std::to_string(base::to_unix_ms(*next) / 1'000);
    now = *next;
  }
  return line;
}

// SLIPWAY_SEED makes other cases.
TEST(CronOracle, CroniterAndPythonsZonesAgreeWithUsOnRandomExpressions) {
  const char* seed = std::getenv("SLIPWAY_SEED");
  const auto cases = random_cases(seed != nullptr ? std::strtoull(seed, nullptr, 10) : 1, 200);
  const auto answers = ask_oracle(cases);
  ASSERT_EQ(answers.size(), cases.size());
  std::size_t with_times = 0, given_up = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    if (answers[i] == "?") {
      ++given_up;
      continue;
    }
    with_times += answers[i].empty() ? 0 : 1;
    EXPECT_EQ(our_answer(cases[i]), answers[i])
        << cases[i].cron << " in " << cases[i].zone << " from " << base::format_rfc3339(cases[i].from);
  }
  EXPECT_GT(with_times, cases.size() / 2);
  EXPECT_LT(given_up, cases.size() / 20);
}

}  // namespace
}  // namespace slipway::durable
