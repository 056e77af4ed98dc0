#include "durable/schedule_store.h"

#include "base/enum_name.h"
#include "base/error.h"
#include "durable/journal.h"

namespace slipway::durable::schedules {
namespace {

#define SCHEDULE_COLUMNS                                                                                            \
  "SELECT id, name, type, input, cron, time_zone, jitter_ms, overlap, catch_up_ms, starts_at, ends_at, remaining, " \
  "declared, owner_id, paused_at, paused_by, pause_reason, next_at, fire_at, buffered_at, ended_at, error, "        \
  "error_at, last_run_id, last_started_at, started, skipped, missed, outcomes, turn, version, created_at, "         \
  "updated_at FROM schedules "

template <class Enum>
Enum value_of(const std::string& name) {
  return json::from_value<Enum>(json::Value(std::string_view(name)), json::Mode::lenient);
}
using base::name_of;

Schedule to_schedule(const store::Row& row) {
  Schedule schedule;
  schedule.id = ScheduleId(row.text(0));
  schedule.definition = {.name = row.text(1),
                         .type = row.text(2),
                         .cron = row.text(4),
                         .time_zone = row.text(5),
                         .jitter_ms = Duration(row.integer(6)),
                         .catch_up_ms = Duration(row.integer(8)),
                         .starts_at = row.instant_or_null(9),
                         .ends_at = row.instant_or_null(10),
                         .remaining = row.integer_or_null(11)};
  try {  // one row that cannot be understood must not hold up the others
    schedule.definition.input = json::parse_value(row.text(3), "input");
    schedule.definition.overlap = value_of<Overlap>(row.text(7));
  } catch (const base::Error& error) {
    schedule.unreadable = "the stored schedule cannot be read: " + error.message();
  }
  schedule.declared = row.integer(12) != 0;
  schedule.owner_id = row.text(13);
  if (const auto at = row.instant_or_null(14))
    schedule.pause = {*at, row.text_or_null(15).value_or(""), row.text_or_null(16).value_or("")};
  schedule.next_at = row.instant_or_null(17);
  schedule.fire_at = row.instant_or_null(18);
  schedule.buffered_at = row.instant_or_null(19);
  schedule.ended_at = row.instant_or_null(20);
  if (const auto at = row.instant_or_null(22)) schedule.error = {row.text_or_null(21).value_or(""), *at};
  schedule.last_run_id = row.text_or_null(23).value_or("");
  schedule.last_started_at = row.instant_or_null(24);
  schedule.started = row.integer(25);
  schedule.skipped = row.integer(26);
  schedule.missed = row.integer(27);
  schedule.outcomes = row.integer(28);
  schedule.turn = row.integer(29);
  schedule.version = row.integer(30);
  schedule.created_at = row.instant(31);
  schedule.updated_at = row.instant(32);
  return schedule;
}

std::vector<Schedule> to_schedules(const store::Rows& rows) {
  std::vector<Schedule> schedules;
  schedules.reserve(rows.size());
  for (const auto& row : rows) schedules.push_back(to_schedule(row));
  return schedules;
}

std::optional<Schedule> first_of(const store::Rows& rows) {
  if (rows.empty()) return std::nullopt;
  return to_schedule(rows.front());
}

std::optional<std::string> text_or_null(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// $1 to $32, in the order of the columns, without `turn`.
std::vector<store::Parameter> parameters_of(const Schedule& schedule) {
  const auto& d = schedule.definition;
  const auto& pause = schedule.pause;
  const auto& error = schedule.error;
  return {schedule.id.str(),
          d.name,
          d.type,
          json::print_value(d.input),
          d.cron,
          d.time_zone,
          d.jitter_ms.count(),
          name_of(d.overlap),
          d.catch_up_ms.count(),
          d.starts_at,
          d.ends_at,
          d.remaining,
          schedule.declared,
          schedule.owner_id,
          pause ? std::optional(pause->at) : std::nullopt,
          pause ? std::optional(pause->by) : std::nullopt,
          pause ? std::optional(pause->reason) : std::nullopt,
          schedule.next_at,
          schedule.fire_at,
          schedule.buffered_at,
          schedule.ended_at,
          error ? std::optional(error->message) : std::nullopt,
          error ? std::optional(error->at) : std::nullopt,
          text_or_null(schedule.last_run_id),
          schedule.last_started_at,
          schedule.started,
          schedule.skipped,
          schedule.missed,
          schedule.outcomes,
          schedule.version,
          schedule.created_at,
          schedule.updated_at};
}

}  // namespace

void insert(store::Transaction& tx, const Schedule& schedule) {
  if (find_by_name(tx, schedule.definition.name))
    throw base::Error(base::ErrorClass::conflict, "CONFLICT",
                      "there is a schedule named '" + schedule.definition.name + "' already");
  tx.execute(
      "INSERT INTO schedules (id, name, type, input, cron, time_zone, jitter_ms, overlap, catch_up_ms, starts_at, "
      "ends_at, remaining, declared, owner_id, paused_at, paused_by, pause_reason, next_at, fire_at, buffered_at, "
      "ended_at, error, error_at, last_run_id, last_started_at, started, skipped, missed, outcomes, turn, version, "
      "created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
      "$18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, 0, $30, $31, $32)",
      parameters_of(schedule));
}

bool update(store::Transaction& tx, const Schedule& schedule) {
  auto parameters = parameters_of(schedule);
  parameters.emplace_back(schedule.turn);
  return tx.execute(
             "UPDATE schedules SET name = $2, type = $3, input = $4, cron = $5, time_zone = $6, jitter_ms = $7, "
             "overlap = $8, catch_up_ms = $9, starts_at = $10, ends_at = $11, remaining = $12, declared = $13, "
             "owner_id = $14, paused_at = $15, paused_by = $16, pause_reason = $17, next_at = $18, fire_at = $19, "
             "buffered_at = $20, ended_at = $21, error = $22, error_at = $23, last_run_id = $24, "
             "last_started_at = $25, started = $26, skipped = $27, missed = $28, outcomes = $29, version = $30, "
             "created_at = $31, updated_at = $32, turn = turn + 1 WHERE id = $1 AND turn = $33",
             parameters) == 1;
}

Schedule change(store::Transaction& tx, const ScheduleId& id, const std::function<void(Schedule&)>& edit) {
  constexpr int kTriesMax = 20;  // each lost one means that somebody else has got on
  for (int i = 0; i < kTriesMax; ++i) {
    auto schedule = find(tx, id);
    if (!schedule) throw base::not_found("schedule", id.str());
    if (!schedule->unreadable.empty()) throw base::invalid_state(schedule->unreadable + "; delete it and make it anew");
    edit(*schedule);
    if (!update(tx, *schedule)) continue;
    ++schedule->turn;
    return *std::move(schedule);
  }
  throw base::Error(base::ErrorClass::transient, "STORE_BUSY", "the schedule changes all the time; try again");
}

void start_by_hand(store::Transaction& tx, const ScheduleId& id, const RunRecord& run, OutcomeKind kind,
                   std::optional<Instant> calendar_at) {
  const auto changed = change(tx, id, [&](Schedule& schedule) {
    ++schedule.outcomes;
    ++schedule.started;
    schedule.last_run_id = run.id.str();
    schedule.last_started_at = run.started_at;
  });
  add_outcomes(tx, changed,
               {{.seq = changed.outcomes,
                 .kind = kind,
                 .calendar_at = calendar_at,
                 .until_at = {},
                 .count = 1,
                 .run_id = run.id.str(),
                 .at = run.started_at}});
  journal::insert_run(tx, run);
}

bool set_error(store::Transaction& tx, const Schedule& schedule, const ScheduleError& error, Instant try_again_at) {
  return tx.execute(
             "UPDATE schedules SET error = $3, error_at = $4, fire_at = $5, turn = turn + 1 WHERE id = $1 AND turn = "
             "$2",
             {schedule.id.str(), schedule.turn, error.message, error.at, try_again_at}) == 1;
}

void add_outcomes(store::Transaction& tx, const Schedule& schedule, const std::vector<ScheduleOutcome>& outcomes) {
  if (outcomes.empty()) return;
  for (const auto& outcome : outcomes)
    tx.execute(
        "INSERT INTO schedule_outcomes (schedule_id, seq, kind, calendar_at, until_at, count, run_id, at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        {schedule.id.str(), outcome.seq, name_of(outcome.kind), outcome.calendar_at, outcome.until_at, outcome.count,
         outcome.run_id, outcome.at});
  tx.execute("DELETE FROM schedule_outcomes WHERE schedule_id = $1 AND seq <= $2",
             {schedule.id.str(), schedule.outcomes - kOutcomesKept});
}

void remove(store::Transaction& tx, const ScheduleId& id) {
  tx.execute("DELETE FROM schedule_outcomes WHERE schedule_id = $1", {id.str()});
  tx.execute("DELETE FROM schedules WHERE id = $1", {id.str()});
}

std::optional<Schedule> find(store::Transaction& tx, const ScheduleId& id) {
  return first_of(tx.query(SCHEDULE_COLUMNS "WHERE id = $1", {id.str()}));
}

std::optional<Schedule> find_by_name(store::Transaction& tx, const std::string& name) {
  return first_of(tx.query(SCHEDULE_COLUMNS "WHERE name = $1", {name}));
}

std::vector<ScheduleOutcome> outcomes(store::Transaction& tx, const ScheduleId& id, std::int64_t limit) {
  std::vector<ScheduleOutcome> found;
  for (const auto& row : tx.query("SELECT seq, kind, calendar_at, until_at, count, run_id, at FROM schedule_outcomes "
                                  "WHERE schedule_id = $1 ORDER BY seq DESC LIMIT $2",
                                  {id.str(), limit}))
    found.push_back({.seq = row.integer(0),
                     .kind = value_of<OutcomeKind>(row.text(1)),
                     .calendar_at = row.instant_or_null(2),
                     .until_at = row.instant_or_null(3),
                     .count = row.integer(4),
                     .run_id = row.text_or_null(5),
                     .at = row.instant(6)});
  return found;
}

bool was_started(store::Transaction& tx, const ScheduleId& id, Instant calendar_at) {
  return !tx.query(
                "SELECT 1 FROM schedule_outcomes WHERE schedule_id = $1 AND calendar_at = $2 "
                "AND (kind = 'started' OR kind = 'backfilled')",
                {id.str(), calendar_at})
              .empty();
}

#define SCHEDULE_FILTER "WHERE (name = $1 OR $1 IS NULL) AND (type = $2 OR $2 IS NULL) "

std::vector<Schedule> list(store::Transaction& tx, const Filter& filter) {
  return to_schedules(tx.query(SCHEDULE_COLUMNS SCHEDULE_FILTER "AND name > $3 ORDER BY name LIMIT $4 OFFSET $5",
                               {filter.name, filter.type, filter.after, filter.limit, filter.offset}));
}

std::int64_t count(store::Transaction& tx, const Filter& filter) {
  return tx.query("SELECT COUNT(*) FROM schedules " SCHEDULE_FILTER, {filter.name, filter.type}).front().integer(0);
}

std::vector<Schedule> due(store::Transaction& tx, Instant now, const Schedule* after, std::int64_t limit) {
  const Instant since = after != nullptr ? *after->fire_at : Instant();
  return to_schedules(tx.query(SCHEDULE_COLUMNS
                               "WHERE fire_at IS NOT NULL AND fire_at <= $1 AND (fire_at > $2 OR (fire_at = $2 AND id "
                               "> $3)) ORDER BY fire_at, id LIMIT $4",
                               {now, since, after != nullptr ? after->id.str() : "", limit}));
}

std::vector<Schedule> buffered(store::Transaction& tx, std::int64_t limit) {
  return to_schedules(tx.query(SCHEDULE_COLUMNS "WHERE buffered_at IS NOT NULL ORDER BY id LIMIT $1", {limit}));
}

std::optional<Instant> next_fire_at(store::Transaction& tx, Instant after) {
  return tx.query("SELECT MIN(fire_at) FROM schedules WHERE fire_at IS NOT NULL AND fire_at > $1", {after})
      .front()
      .instant_or_null(0);
}

}  // namespace slipway::durable::schedules
