#include "durable/schedule.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;

constexpr Duration kCatchUpMin = 10s;        // a hub that is busy for a moment misses nothing
constexpr Duration kCatchUpMax = 24h * 366;  // and one that was away for a year need not start what nobody awaits
constexpr Duration kJitterMax = 24h;
constexpr Duration kClockSkewMax = 60s;  // between replicas: more is repaired (and told)
constexpr std::size_t kNameMax = 100;
constexpr std::size_t kInputBytesMax = 64 << 10;
constexpr std::int64_t kMissedAtOnce = 10'000;  // times counted in one turn: some milliseconds on the store's thread

// 64 bits that look random and are the same everywhere: FNV-1a, and the last step of splitmix64 to mix it well.
std::uint64_t hash_of(const std::string& id, Instant at) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3; };
  for (const char c : id) add(static_cast<unsigned char>(c));
  for (auto rest = std::uint64_t(base::to_unix_ms(at)); rest != 0; rest >>= 8) add(static_cast<unsigned char>(rest));
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

// The calendar of one schedule within its bounds.
class Times {
 public:
  Times(const Schedule& schedule, const Cron& calendar) : schedule_(schedule), calendar_(calendar) {}

  std::optional<Instant> after(Instant at) const {
    const auto& definition = schedule_.definition;
    if (definition.starts_at) at = std::max(at, *definition.starts_at - 1ms);
    const auto next = calendar_.next_after(at);
    if (!next || (definition.ends_at && *next > *definition.ends_at)) return std::nullopt;
    return next;
  }

  // With jitter, which ends before the following time, so that times keep their order.
  Instant fire_at(Instant time) const {
    auto room = schedule_.definition.jitter_ms;
    if (room == Duration(0)) return time;
    if (const auto following = calendar_.next_after(time)) room = std::min(room, *following - time);
    return time + Duration(std::int64_t(hash_of(schedule_.id.str(), time) % std::uint64_t(room.count())));
  }

 private:
  const Schedule& schedule_;
  const Cron& calendar_;
};

void set_next(Schedule& schedule, const Times& times, std::optional<Instant> next, Instant now) {
  schedule.next_at = next;
  schedule.fire_at = next ? std::optional(times.fire_at(*next)) : std::nullopt;
  if (!next && !schedule.buffered_at) schedule.ended_at = now;
}

class TurnMaker {
 public:
  TurnMaker(const Schedule& schedule, const Cron& calendar, Instant now, const EarlierRuns& earlier)
      : schedule_(schedule), times_(schedule, calendar), now_(now), earlier_(earlier) {
    turn_.after = schedule;
    turn_.after.error.reset();
  }

  std::optional<Turn> make();

 private:
  void note(OutcomeKind kind, Instant calendar_at, std::int64_t count = 1, std::optional<Instant> until = {});
  void start(Instant time);
  void on_due(Instant time);
  std::optional<Instant> pass_missed(Instant time);

  const Schedule& schedule_;
  const Times times_;
  const Instant now_;
  const EarlierRuns& earlier_;
  Turn turn_;
};

void TurnMaker::note(OutcomeKind kind, Instant calendar_at, std::int64_t count, std::optional<Instant> until) {
  Schedule& after = turn_.after;
  turn_.outcomes.push_back({.seq = ++after.outcomes,
                            .kind = kind,
                            .calendar_at = calendar_at,
                            .until_at = until,
                            .count = count,
                            .run_id = {},
                            .at = now_});
  if (kind == OutcomeKind::skipped) after.skipped += count;
  if (kind == OutcomeKind::missed) after.missed += count;
}

void TurnMaker::start(Instant time) {
  if (earlier_.was_started(time)) return;
  Schedule& after = turn_.after;
  turn_.start = time;
  note(OutcomeKind::started, time);
  ++after.started;
  if (after.definition.remaining) --*after.definition.remaining;
}

void TurnMaker::on_due(Instant time) {
  Schedule& after = turn_.after;
  const auto overlap = schedule_.definition.overlap;
  if (!earlier_.at_work || overlap == Overlap::allow) return start(time);
  if (overlap == Overlap::skip || (overlap == Overlap::buffer_one && after.buffered_at))
    return note(OutcomeKind::skipped, time);
  if (after.buffered_at) note(OutcomeKind::skipped, *after.buffered_at);  // the newer one takes its place
  after.buffered_at = time;
  note(OutcomeKind::buffered, time);
  turn_.cancel_running = overlap == Overlap::cancel_running;
}

// From `time` on, the first that is not too late to start; empty when there is none, or too many for one turn.
std::optional<Instant> TurnMaker::pass_missed(Instant time) {
  const Instant too_late = now_ - schedule_.definition.catch_up_ms;
  std::optional<Instant> next = time, last;
  std::int64_t count = 0;
  while (next && count < kMissedAtOnce && times_.fire_at(*next) < too_late) {
    last = next;
    next = times_.after(*next);
    ++count;
  }
  if (last) note(OutcomeKind::missed, time, count, count > 1 ? last : std::nullopt);
  return next;
}

std::optional<Turn> TurnMaker::make() {
  Schedule& after = turn_.after;
  const bool is_due = schedule_.next_at && schedule_.fire_at && *schedule_.fire_at <= now_;
  if (schedule_.buffered_at && (!earlier_.at_work || schedule_.definition.overlap == Overlap::allow)) {
    after.buffered_at.reset();
    start(*schedule_.buffered_at);
    if (!after.next_at) after.ended_at = now_;
  } else if (is_due) {
    auto next = pass_missed(*schedule_.next_at);
    if (next && times_.fire_at(*next) <= now_ && times_.fire_at(*next) >= now_ - schedule_.definition.catch_up_ms) {
      on_due(*next);
      next = times_.after(*next);
    }
    set_next(after, times_, next, now_);
  } else {
    return std::nullopt;
  }
  if (after.definition.remaining && *after.definition.remaining <= 0) {
    if (after.buffered_at) note(OutcomeKind::skipped, *after.buffered_at);
    after.next_at = after.fire_at = after.buffered_at = std::nullopt;
    after.ended_at = now_;
  }
  return std::move(turn_);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

void validate(const ScheduleDefinition& definition) {
  const auto& name = definition.name;
  if (name.empty() || name.size() > kNameMax || std::ranges::any_of(name, is_control))
    throw base::validation_error("name", "must have 1 to " + std::to_string(kNameMax) + " bytes");
  calendar_of(definition);
  if (definition.jitter_ms > kJitterMax) throw base::validation_error("jitterMs", "is longer than a day");
  if (definition.catch_up_ms < kCatchUpMin || definition.catch_up_ms > kCatchUpMax)
    throw base::validation_error("catchUpMs", "must be from 10 seconds to 366 days");
  if (definition.starts_at && definition.ends_at && *definition.starts_at > *definition.ends_at)
    throw base::validation_error("endsAt", "is before startsAt");
  if (definition.remaining && *definition.remaining < 1)
    throw base::validation_error("remaining", "must be at least 1");
  if (json::print_value(definition.input).size() > kInputBytesMax)
    throw base::validation_error("input", "is larger than " + std::to_string(kInputBytesMax) + " bytes");
}

Cron calendar_of(const ScheduleDefinition& definition) { return Cron::parse(definition.cron, definition.time_zone); }

std::optional<Turn> take_turn(const Schedule& schedule, const Cron& calendar, Instant now, const EarlierRuns& earlier) {
  return TurnMaker(schedule, calendar, now, earlier).make();
}

void arm(Schedule& schedule, const Cron& calendar, Instant now) {
  const Times times(schedule, calendar);
  schedule.error.reset();
  schedule.ended_at.reset();
  set_next(schedule, times, times.after(now), now);
}

bool is_armed_right(const Schedule& schedule, const Cron& calendar, Instant now) {
  if (schedule.pause || schedule.ended_at || schedule.error) return true;
  if (!schedule.next_at || !schedule.fire_at) return schedule.buffered_at.has_value();
  const Instant next = *schedule.next_at;
  if (next <= now) return true;  // it is due; what comes of it is not judged here
  const Times times(schedule, calendar);
  if (times.after(next - 1ms) != next || *schedule.fire_at < next) return false;
  const auto later = times.after(now + kClockSkewMax);
  return !later || *later >= next;
}

void redefine(Schedule& schedule, ScheduleDefinition definition, Instant now) {
  const auto timing = [](const ScheduleDefinition& d) {
    return std::tie(d.cron, d.time_zone, d.jitter_ms, d.starts_at, d.ends_at, d.remaining);
  };
  const bool other_times = timing(schedule.definition) != timing(definition);
  const Cron calendar = calendar_of(definition);
  schedule.definition = std::move(definition);
  ++schedule.version;
  schedule.updated_at = now;
  schedule.error.reset();
  if (!other_times) return;
  schedule.ended_at.reset();
  if (!schedule.pause) arm(schedule, calendar, now);
}

void pause(Schedule& schedule, SchedulePause pause) {
  schedule.skipped += schedule.buffered_at ? 1 : 0;
  schedule.next_at = schedule.fire_at = schedule.buffered_at = std::nullopt;
  schedule.error.reset();
  schedule.pause = std::move(pause);
}

void resume(Schedule& schedule, const Cron& calendar, Instant now) {
  schedule.pause.reset();
  if (schedule.ended_at) return;
  arm(schedule, calendar, now);
}

std::vector<Instant> next_times(const Schedule& schedule, const Cron& calendar, std::size_t count) {
  const Times times(schedule, calendar);
  std::vector<Instant> found;
  if (schedule.definition.remaining) count = std::min(count, std::size_t(*schedule.definition.remaining));
  for (auto next = schedule.next_at; next && found.size() < count; next = times.after(*next)) found.push_back(*next);
  return found;
}

std::vector<Instant> times_within(const Cron& calendar, Instant from, Instant until, std::size_t count_max) {
  std::vector<Instant> found;
  for (auto next = calendar.next_after(from - 1ms); next && *next <= until; next = calendar.next_after(*next)) {
    if (found.size() == count_max)
      throw base::validation_error("until",
                                   "more than " + std::to_string(count_max) + " times of the calendar are meant");
    found.push_back(*next);
  }
  return found;
}

}  // namespace slipway::durable
