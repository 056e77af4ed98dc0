#pragma once
// A run as the API shows it (WF-2, WF-8).

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "durable/journal.h"
#include "durable/queue_standing.h"
#include "durable/run_state.h"
#include "durable/step_timings.h"
#include "durable/workflow.h"

namespace slipway::api {

struct RunError {
  std::string code;
  std::string message;
  std::optional<std::string> step;
};
SLIPWAY_JSON_CAMEL(RunError, code, message, step)

struct StepView {
  std::string name;
  std::optional<durable::StepKind> kind;  // not known of one that is pending
  durable::StepStatus status = durable::StepStatus::pending;
  std::optional<base::Instant> started_at;
  std::optional<base::Instant> completed_at;
  std::optional<std::int64_t> duration_ms;
  std::optional<std::int64_t> attempts;
  std::optional<base::Instant> next_attempt_at;
  std::optional<std::string> child_run_id;
  std::optional<std::int64_t> items;     // of a fan-out; each is a step as well, `name[0]` and so on
  std::optional<json::Value> heartbeat;  // how far the attempt under way says that it is
  std::optional<bool> taken_over;
  std::optional<RunError> error;
};
SLIPWAY_JSON_CAMEL(StepView, name, kind, status, started_at, completed_at, duration_ms, attempts, next_attempt_at,
                   child_run_id, items, heartbeat, taken_over, error)
inline const json::Rules& json_rules(const StepView*) {
  static const json::Rules rules{
      {.member = "kind",
       .description = "Not known of one that is pending. A `signal` step waits for the signal of its "
                      "name"},
      {.member = "attempts", .description = "Failed ones while it runs, all of them once it has ended"},
      {.member = "next_attempt_at",
       .description = "When what it waits for is over: the next attempt, look, or its time"},
      {.member = "items", .description = "Of a fan-out; each is a step as well, `name[0]` and so on"},
      {.member = "heartbeat", .description = "How far the attempt under way says that it is"},
      {.member = "taken_over", .description = "Its outcome is that of the run which this one does again"},
      {.member = "error", .description = "What went wrong last, in doing or in undoing it"}};
  return rules;
}

// Where a pending run stands.
struct WaitingView {
  std::string queue;
  std::optional<std::string> key;
  std::int64_t priority = 0;
  base::Instant since;
  std::int64_t position = 1;  // in line, from 1
  std::int64_t ahead = 0;
  durable::WaitReason reason = durable::WaitReason::next;
  std::string explanation;
  std::optional<base::Instant> until;
};
SLIPWAY_JSON_CAMEL(WaitingView, queue, key, priority, since, position, ahead, reason, explanation, until)

struct RunView {
  std::string id;
  std::string type;
  durable::RunStatus status = durable::RunStatus::running;
  std::string resource_type;
  std::string resource_id;
  std::string triggered_by;
  std::optional<std::string> trace_id;  // of the request that asked for it (WF-49)
  base::Instant started_at;
  std::optional<base::Instant> completed_at;
  std::optional<std::int64_t> duration_ms;
  std::int64_t progress = 0;  // of 100
  std::optional<base::Instant> estimated_completion_at;
  std::optional<std::string> parent_run_id;
  std::optional<std::string> retry_of;
  std::optional<std::string> retried_by;  // left out in lists
  std::optional<base::Instant> cancel_requested_at;
  std::optional<bool> needs_attention;
  std::optional<std::string> parked_reason;
  std::optional<RunError> error;
  std::optional<WaitingView> waiting;          // in a queue; left out in lists
  std::optional<std::vector<StepView>> steps;  // left out in lists
  std::optional<std::int64_t> last_seq;        // the same
  std::optional<std::int64_t> at;              // the event after which it was so, where that was asked for
};
SLIPWAY_JSON_CAMEL(RunView, id, type, status, resource_type, resource_id, triggered_by, trace_id, started_at,
                   completed_at, duration_ms, progress, estimated_completion_at, parent_run_id, retry_of, retried_by,
                   cancel_requested_at, needs_attention, parked_reason, error, waiting, steps, last_seq, at)
inline const json::Rules& json_rules(const RunView*) {
  static const json::Rules rules{
      {.member = "triggered_by", .description = "A user, or a schedule"},
      {.member = "progress", .description = "Of 100, by what its steps took in the past", .minimum = 0, .maximum = 100},
      {.member = "estimated_completion_at", .description = "Left out where history says too little, and in lists"},
      {.member = "parent_run_id", .description = "The run that started it and awaits its end"},
      {.member = "retry_of", .description = "The run that it does again"},
      {.member = "retried_by", .description = "The latest run that does this one again"},
      {.member = "needs_attention", .description = "Something could not be undone: it needs a person"},
      {.member = "parked_reason", .description = "Why it cannot go on with the hub's code of today"},
      {.member = "waiting", .description = "Where it stands in its queue, while it is pending"},
      {.member = "steps", .description = "Left out in lists. Those of the outline that have not begun are pending"},
      {.member = "last_seq", .description = "Of its journal's events. Left out in lists"},
      {.member = "at", .description = "The event after which it was so, where a state of the past is asked for"}};
  return rules;
}

struct EventView {
  std::int64_t seq = 0;
  durable::EventType type = durable::EventType::run_started;
  base::Instant at;
  std::optional<std::string> step;
  json::Value data;
};
SLIPWAY_JSON_CAMEL(EventView, seq, type, at, step, data)

RunView view_row(const durable::journal::Row& row);
// With steps; `workflow` may be unknown to this hub: then there is no outline. Without timings no end is foreseen, and
// `now` does not matter.
RunView view_run(const durable::journal::Row& row, const durable::RunState& state, const durable::Workflow* workflow,
                 const durable::TypeTimings& timings = {}, base::Instant now = {});
// The row as it was when `then` was all that had happened.
durable::journal::Row row_at(durable::journal::Row row, const durable::RunState& then);
WaitingView view_standing(const durable::queues::Standing& standing);
EventView view_event(const durable::Event& event);

}  // namespace slipway::api
