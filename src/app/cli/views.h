#pragma once
// What the API answers (docs/api.md), as far as the command line shows it. Read leniently: a newer hub may say more.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace slipway::app::cli {

struct ErrorView {
  std::string code;
  std::string message;
  std::optional<std::string> step;
};
SLIPWAY_JSON_SNAKE(ErrorView, code, message, step)

struct MetadataView {
  std::optional<std::string> repo, branch, device_id;
};
SLIPWAY_JSON_SNAKE(MetadataView, repo, branch, device_id)

struct WorkspaceView {
  std::string id;
  std::string name;
  std::string owner_id;
  std::string provider;
  std::optional<std::string> instance_name, zone, image_tag, machine_type;
  std::string status;
  std::optional<base::Instant> last_connected_at;
  std::optional<MetadataView> metadata;
  std::optional<base::Instant> created_at;
  std::optional<std::string> run_id;
  std::optional<ErrorView> error;
};
SLIPWAY_JSON_SNAKE(WorkspaceView, id, name, owner_id, provider, instance_name, zone, image_tag, machine_type, status,
                   last_connected_at, metadata, created_at, run_id, error)

struct StepView {
  std::string name;
  std::string status;
  std::optional<std::string> kind;
  std::optional<base::Instant> started_at, completed_at;
  std::optional<base::Duration> duration_ms;
  std::optional<int> attempts;
  std::optional<base::Instant> next_attempt_at;
  std::optional<std::string> child_run_id;
  std::optional<bool> taken_over;
  std::optional<ErrorView> error;
};
SLIPWAY_JSON_CAMEL(StepView, name, status, kind, started_at, completed_at, duration_ms, attempts, next_attempt_at,
                   child_run_id, taken_over, error)

struct WaitingView {
  std::string queue;
  std::int64_t position = 0;
  std::string explanation;
};
SLIPWAY_JSON_CAMEL(WaitingView, queue, position, explanation)

struct RunView {
  std::string id;
  std::string type;
  std::string status;
  std::optional<std::string> resource_type, resource_id, triggered_by;
  std::optional<base::Instant> started_at, completed_at;
  std::optional<base::Duration> duration_ms;
  std::optional<double> progress;
  std::optional<base::Instant> estimated_completion_at;
  std::optional<std::string> parent_run_id, retry_of, retried_by;
  std::optional<ErrorView> error;
  std::optional<WaitingView> waiting;
  std::vector<StepView> steps;

  bool has_ended() const { return status == "completed" || status == "failed" || status == "cancelled"; }
};
SLIPWAY_JSON_CAMEL(RunView, id, type, status, resource_type, resource_id, triggered_by, started_at, completed_at,
                   duration_ms, progress, estimated_completion_at, parent_run_id, retry_of, retried_by, error, waiting,
                   steps)
// What a retry answers.
struct RetriedView {
  RunView run;
  std::vector<std::string> taken_over;
  std::optional<std::string> starts_at;
};
SLIPWAY_JSON_CAMEL(RetriedView, run, taken_over, starts_at)

struct RateView {
  std::int64_t count = 0;
  base::Duration period_ms{0};
};
SLIPWAY_JSON_CAMEL(RateView, count, period_ms)

struct PauseView {
  base::Instant at;
  std::string by, reason;
};
SLIPWAY_JSON_CAMEL(PauseView, at, by, reason)

struct QueueKeyView {
  std::string key;
  std::int64_t waiting = 0;
  std::int64_t admitted = 0;
  std::optional<base::Instant> waiting_since;
};
SLIPWAY_JSON_CAMEL(QueueKeyView, key, waiting, admitted, waiting_since)

struct QueueView {
  std::string name;
  std::optional<std::int64_t> concurrency, key_concurrency, size;
  std::optional<RateView> rate;
  std::optional<PauseView> paused;
  std::int64_t waiting = 0;
  std::int64_t admitted = 0;
  std::optional<base::Instant> waiting_since;
  std::vector<QueueKeyView> keys;
};
SLIPWAY_JSON_CAMEL(QueueView, name, concurrency, key_concurrency, size, rate, paused, waiting, admitted, waiting_since,
                   keys)

struct AcceptedView {
  std::optional<WorkspaceView> workspace;
  RunView run;
};
SLIPWAY_JSON_CAMEL(AcceptedView, workspace, run)

struct EventView {
  std::int64_t seq = 0;
  std::string type;
  std::optional<base::Instant> at;
  std::optional<std::string> step;
  json::Value data;
};
SLIPWAY_JSON_CAMEL(EventView, seq, type, at, step, data)

struct OutcomeView {
  std::string kind;
  std::optional<base::Instant> calendar_at, until_at;
  std::int64_t count = 1;
  std::optional<std::string> run_id;
};
SLIPWAY_JSON_CAMEL(OutcomeView, kind, calendar_at, until_at, count, run_id)

struct ScheduleView {
  std::string id, name, type, status, cron, time_zone, overlap;
  json::Value input;
  base::Duration jitter_ms{0}, catch_up_ms{0};
  std::optional<PauseView> pause;
  std::optional<ErrorView> error;
  std::optional<base::Instant> next_at, last_started_at;
  std::optional<std::int64_t> remaining;
  std::int64_t started = 0, skipped = 0, missed = 0;
  std::vector<base::Instant> next_times;
  std::vector<OutcomeView> last_outcomes;
};
SLIPWAY_JSON_CAMEL(ScheduleView, id, name, type, status, cron, time_zone, overlap, input, jitter_ms, catch_up_ms, pause,
                   error, next_at, last_started_at, remaining, started, skipped, missed, next_times, last_outcomes)

struct NextView {
  std::string what;
  std::optional<base::Instant> at;
};
SLIPWAY_JSON_CAMEL(NextView, what, at)

struct WhyView {
  std::string id;
  std::string kind;
  std::string state;
  std::vector<std::string> because;
  std::vector<NextView> next;
};
SLIPWAY_JSON_CAMEL(WhyView, id, kind, state, because, next)

struct KeyView {
  std::string id;
  std::string name;
  std::optional<std::string> user_id, role, key;
  std::optional<base::Instant> created_at, last_used_at;
};
SLIPWAY_JSON_SNAKE(KeyView, id, name, user_id, role, key, created_at, last_used_at)

struct MeView {
  std::string user_id;
  std::string name;
  std::string role;
};
SLIPWAY_JSON_SNAKE(MeView, user_id, name, role)

template <class View>
View read_view(const json::Value& value) {
  return json::from_value<View>(value, json::Mode::lenient);
}

}  // namespace slipway::app::cli
