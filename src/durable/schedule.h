#pragma once
// Schedules: runs that start by the calendar, and what becomes of each of its times.
//
// Every time of a schedule's calendar comes to exactly one outcome: a run is started for it, it is skipped because an
// earlier run is still at work, or it is missed because nobody could start it in time. This file decides; it is plain
// data without I/O, clock or randomness. scheduler.h does what is decided, schedule_store.h has the SQL.

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "durable/cron.h"

namespace slipway::durable {

using base::RunId;
using base::ScheduleId;

// What happens when a time comes while a run of the same schedule has not ended.
enum class Overlap {
  skip,            // nothing: the time is skipped
  buffer_one,      // one start waits for the end; further ones are skipped
  allow,           // it is started beside the others
  cancel_running,  // those at work are cancelled, and it is started when they have ended
};
BOOST_DESCRIBE_ENUM(Overlap, skip, buffer_one, allow, cancel_running)

struct ScheduleDefinition {
  std::string name;  // unique
  std::string type;  // of the workflow
  json::Value input = json::Object{};
  std::string cron;  // cron.h
  std::string time_zone = "UTC";
  Duration jitter_ms{0};  // each start comes up to so much later; the same for the same time on every replica
  Overlap overlap = Overlap::skip;
  Duration catch_up_ms{3'600'000};   // how late a start may still be made; what is later is missed
  std::optional<Instant> starts_at;  // no time before it, nor after the other
  std::optional<Instant> ends_at;
  std::optional<std::int64_t> remaining;  // how many starts there are left
};
SLIPWAY_JSON_CAMEL(ScheduleDefinition, name, type, input, cron, time_zone, jitter_ms, overlap, catch_up_ms, starts_at,
                   ends_at, remaining)

struct SchedulePause {
  Instant at;
  std::string by;
  std::string reason;
};
SLIPWAY_JSON_CAMEL(SchedulePause, at, by, reason)

// Why a schedule cannot come: it is tried again from time to time, and stops nothing else.
struct ScheduleError {
  std::string message;
  Instant at;
};
SLIPWAY_JSON_CAMEL(ScheduleError, message, at)

struct Schedule {
  ScheduleId id;
  ScheduleDefinition definition;
  bool declared = false;  // by the program's code, which then decides its definition
  std::string owner_id;   // of its runs
  std::optional<SchedulePause> pause;
  std::optional<ScheduleError> error;
  std::optional<Instant> next_at;  // the calendar's next time
  std::optional<Instant> fire_at;  // when to look at it next: `next_at` with jitter, or when an error is tried again
  std::optional<Instant> buffered_at;  // the calendar's time whose start waits for the end of a run
  std::optional<Instant> ended_at;     // no time comes any more
  std::string last_run_id;
  std::optional<Instant> last_started_at;
  std::int64_t started = 0, skipped = 0, missed = 0;
  std::int64_t outcomes = 0;  // how many there were: the last one's `seq`
  std::int64_t turn = 0;      // counts every change
  std::int64_t version = 1;   // counts changes by people and code
  Instant created_at, updated_at;
  std::string unreadable;  // why the stored row cannot be understood; then nothing else of it is to be trusted
};

enum class OutcomeKind { started, triggered, backfilled, buffered, skipped, missed };
BOOST_DESCRIBE_ENUM(OutcomeKind, started, triggered, backfilled, buffered, skipped, missed)

struct ScheduleOutcome {
  std::int64_t seq = 0;  // grows
  OutcomeKind kind = OutcomeKind::started;
  std::optional<Instant> calendar_at;  // empty for what a person asked for
  std::optional<Instant> until_at;     // of several missed times: the last
  std::int64_t count = 1;
  std::optional<std::string> run_id;
  Instant at;
};
SLIPWAY_JSON_CAMEL(ScheduleOutcome, seq, kind, calendar_at, until_at, count, run_id, at)

// Throws VALIDATION_ERROR naming the field. The workflow and its input are for the caller to check.
void validate(const ScheduleDefinition& definition);
// Cron::parse of its expression and zone.
Cron calendar_of(const ScheduleDefinition& definition);

// What one look at a schedule makes of it.
struct Turn {
  Schedule after;
  std::vector<ScheduleOutcome> outcomes;
  std::optional<Instant> start;  // start a run for this time of the calendar; its outcome is the last one
  bool cancel_running = false;   // and cancel what is at work: a start waits for its end
};
// What is known of its runs.
struct EarlierRuns {
  bool at_work = false;
  // Whether a run was started for this time of the calendar: a clock that is set back brings it again.
  std::function<bool(Instant)> was_started = [](Instant) { return false; };
};
// Empty when there is nothing to be done. Takes at most one time that is due, and the missed ones before it, of which
// there may be too many for one turn: look again while `fire_at` has passed.
std::optional<Turn> take_turn(const Schedule& schedule, const Cron& calendar, Instant now, const EarlierRuns& earlier);

// Sets out anew: the calendar's first time after `now` is the next one; without one the schedule has ended.
void arm(Schedule& schedule, const Cron& calendar, Instant now);
// A changed definition; it sets out anew if other times follow from it. A pause survives.
void redefine(Schedule& schedule, ScheduleDefinition definition, Instant now);
// Whether `next_at`, if it is yet to come, is what the calendar says. It may not be when a clock was set back by more
// than replicas' clocks differ, or when zones have new rules.
bool is_armed_right(const Schedule& schedule, const Cron& calendar, Instant now);
// While it is paused nothing is due and nothing is missed; a start that waits is dropped (and skipped).
void pause(Schedule& schedule, SchedulePause pause);
void resume(Schedule& schedule, const Cron& calendar, Instant now);

// The calendar's times from `next_at` on.
std::vector<Instant> next_times(const Schedule& schedule, const Cron& calendar, std::size_t count);
// Those within a range, both ends included. Throws VALIDATION_ERROR when there are more than `count_max`.
std::vector<Instant> times_within(const Cron& calendar, Instant from, Instant until, std::size_t count_max);

}  // namespace slipway::durable
