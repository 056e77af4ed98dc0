#include "api/schedule_view.h"

#include "fleet/workspace.h"

namespace slipway::api {
namespace {

using durable::Schedule;
using durable::ScheduleDefinition;

constexpr std::size_t kTimesShown = 5;

ScheduleStatus status_of(const Schedule& schedule) {
  if (schedule.ended_at) return ScheduleStatus::ended;
  if (schedule.pause) return ScheduleStatus::paused;
  return schedule.error || !schedule.unreadable.empty() ? ScheduleStatus::error : ScheduleStatus::active;
}

std::vector<base::Instant> times_of(const Schedule& schedule) {
  try {
    return durable::next_times(schedule, durable::calendar_of(schedule.definition), kTimesShown);
  } catch (const base::Error&) {  // the schedule's `error` says it
    return {};
  }
}

constexpr std::int64_t kJitterMaxMs = 24 * 3'600'000;  // durable/schedule.cpp checks these
constexpr std::int64_t kCatchUpMinMs = 10'000, kCatchUpMaxMs = 366 * kJitterMaxMs;

// `nullable`: null takes away what there is.
json::Rules definition_rules(bool nullable) {
  return {{.member = "name",
           .description = "A label of lower-case letters, digits and '-', unique",
           .min_length = 1,
           .max_length = fleet::kNameMax,
           .example = R"("nightly")"},
          {.member = "type", .description = "A workflow that can be scheduled", .example = R"("hub.forget-old")"},
          {.member = "cron",
           .description = "Five or six fields, @daily and the like, or `every 1h offset 15m`",
           .example = R"("30 4 * * MON-FRI")"},
          {.member = "input", .description = "What its runs are given; {} if not given"},
          {.member = "time_zone",
           .description = "IANA name; UTC if not given",
           .example = R"("Europe/Berlin")",
           .nullable = nullable},
          {.member = "jitter_ms",
           .description = "Each start comes up to so much later, always the same for the same time",
           .maximum = kJitterMaxMs,
           .nullable = nullable},
          {.member = "overlap",
           .description = "When a time comes while a run of the schedule is at work; skip if not given",
           .nullable = nullable},
          {.member = "catch_up_ms",
           .description = "How late a start may still be made; an hour if not given",
           .minimum = kCatchUpMinMs,
           .maximum = kCatchUpMaxMs,
           .nullable = nullable},
          {.member = "starts_at", .description = "No time before it", .nullable = nullable},
          {.member = "ends_at", .description = "No time after it", .nullable = nullable},
          {.member = "remaining", .description = "Only so many starts", .minimum = 1, .nullable = nullable}};
}

}  // namespace

const json::Rules& json_rules(const CreateSchedule*) {
  static const json::Rules rules = definition_rules(false);
  return rules;
}

const json::Rules& json_rules(const ChangeSchedule*) {
  static const json::Rules rules = definition_rules(true);
  return rules;
}

ScheduleView view_schedule(const Schedule& schedule) {
  const ScheduleDefinition& d = schedule.definition;
  ScheduleView view{.id = schedule.id.str(), .name = d.name, .type = d.type, .input = d.input, .cron = d.cron};
  view.time_zone = d.time_zone;
  view.jitter_ms = d.jitter_ms;
  view.overlap = d.overlap;
  view.catch_up_ms = d.catch_up_ms;
  view.starts_at = d.starts_at;
  view.ends_at = d.ends_at;
  view.remaining = d.remaining;
  view.declared = schedule.declared;
  view.status = status_of(schedule);
  view.pause = schedule.pause;
  view.error = schedule.error;
  view.next_at = schedule.next_at;
  view.buffered_at = schedule.buffered_at;
  view.ended_at = schedule.ended_at;
  if (!schedule.last_run_id.empty()) view.last_run_id = schedule.last_run_id;
  view.last_started_at = schedule.last_started_at;
  view.started = schedule.started;
  view.skipped = schedule.skipped;
  view.missed = schedule.missed;
  view.version = schedule.version;
  view.created_at = schedule.created_at;
  view.updated_at = schedule.updated_at;
  return view;
}

ScheduleView view_schedule(const Schedule& schedule, std::vector<durable::ScheduleOutcome> outcomes) {
  auto view = view_schedule(schedule);
  view.next_times = times_of(schedule);
  view.last_outcomes = std::move(outcomes);
  return view;
}

ScheduleDefinition merge_definition(const std::optional<ScheduleDefinition>& current, const json::Value& patch) {
  if (!patch.is_object()) json::fail_type(json::Path{&json::kRoot, "body"}, "an object", patch);
  auto merged = json::to_value(current.value_or(ScheduleDefinition{})).as_object();
  if (!current)
    for (const char* required : {"name", "type", "cron"}) merged.erase(required);
  for (const auto& [name, value] : patch.get_object()) {
    if (value.is_null()) {
      merged.erase(name);
    } else {
      merged.insert_or_assign(name, value);
    }
  }
  return json::from_value<ScheduleDefinition>(merged);
}

}  // namespace slipway::api
