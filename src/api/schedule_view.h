#pragma once
// A schedule as the API shows it, and as it is asked for.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "durable/schedule.h"

namespace slipway::api {

enum class ScheduleStatus { active, paused, error, ended };
BOOST_DESCRIBE_ENUM(ScheduleStatus, active, paused, error, ended)

struct ScheduleView {
  std::string id;
  std::string name;
  std::string type;
  json::Value input;
  std::string cron;
  std::string time_zone;
  base::Duration jitter_ms{0};
  durable::Overlap overlap = durable::Overlap::skip;
  base::Duration catch_up_ms{0};
  std::optional<base::Instant> starts_at, ends_at;
  std::optional<std::int64_t> remaining;
  bool declared = false;
  ScheduleStatus status = ScheduleStatus::active;
  std::optional<durable::SchedulePause> pause;
  std::optional<durable::ScheduleError> error;
  std::optional<base::Instant> next_at, buffered_at, ended_at;
  std::optional<std::string> last_run_id;
  std::optional<base::Instant> last_started_at;
  std::int64_t started = 0, skipped = 0, missed = 0;
  std::int64_t version = 0;
  base::Instant created_at, updated_at;
  std::optional<std::vector<base::Instant>> next_times;                // left out in lists
  std::optional<std::vector<durable::ScheduleOutcome>> last_outcomes;  // newest first; likewise
};
SLIPWAY_JSON_CAMEL(ScheduleView, id, name, type, input, cron, time_zone, jitter_ms, overlap, catch_up_ms, starts_at,
                   ends_at, remaining, declared, status, pause, error, next_at, buffered_at, ended_at, last_run_id,
                   last_started_at, started, skipped, missed, version, created_at, updated_at, next_times,
                   last_outcomes)

inline const json::Rules& json_rules(const ScheduleView*) {
  static const json::Rules rules{
      {.member = "input", .description = "What its runs are given"},
      {.member = "remaining", .description = "How many starts there are left"},
      {.member = "declared", .description = "By the hub itself: it can be paused and triggered, not changed"},
      {.member = "error", .description = "Why it cannot come; it is tried again from time to time"},
      {.member = "buffered_at", .description = "The time whose start waits for the end of a run"},
      {.member = "next_times", .description = "Left out in lists"},
      {.member = "last_outcomes", .description = "Newest first; left out in lists"}};
  return rules;
}

// A schedule as it is asked for. Read by merge_definition; these are for the document.
struct CreateSchedule {
  std::string name;
  std::string type;
  std::string cron;
  json::Value input;
  std::optional<std::string> time_zone;
  std::optional<base::Duration> jitter_ms;
  std::optional<durable::Overlap> overlap;
  std::optional<base::Duration> catch_up_ms;
  std::optional<base::Instant> starts_at, ends_at;
  std::optional<std::int64_t> remaining;
};
SLIPWAY_JSON_CAMEL(CreateSchedule, name, type, cron, input, time_zone, jitter_ms, overlap, catch_up_ms, starts_at,
                   ends_at, remaining)
struct ChangeSchedule {
  std::optional<std::string> name, type, cron;
  json::Value input;
  std::optional<std::string> time_zone;
  std::optional<base::Duration> jitter_ms;
  std::optional<durable::Overlap> overlap;
  std::optional<base::Duration> catch_up_ms;
  std::optional<base::Instant> starts_at, ends_at;
  std::optional<std::int64_t> remaining;
};
SLIPWAY_JSON_CAMEL(ChangeSchedule, name, type, cron, input, time_zone, jitter_ms, overlap, catch_up_ms, starts_at,
                   ends_at, remaining)
const json::Rules& json_rules(const CreateSchedule*);
const json::Rules& json_rules(const ChangeSchedule*);

ScheduleView view_schedule(const durable::Schedule& schedule);
// With the next times and these outcomes.
ScheduleView view_schedule(const durable::Schedule& schedule, std::vector<durable::ScheduleOutcome> outcomes);

// The definition that a request body makes of `current` (RFC 7396: what it names is replaced, null takes it away); a
// new one when there is none. Throws VALIDATION_ERROR.
durable::ScheduleDefinition merge_definition(const std::optional<durable::ScheduleDefinition>& current,
                                             const json::Value& body);

}  // namespace slipway::api
