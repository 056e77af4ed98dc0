#pragma once
// A run as the API shows it (WF-2, WF-8).

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "durable/journal.h"
#include "durable/queue_standing.h"
#include "durable/run_state.h"
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
  std::optional<RunError> error;
};
SLIPWAY_JSON_CAMEL(StepView, name, kind, status, started_at, completed_at, duration_ms, attempts, next_attempt_at,
                   child_run_id, items, heartbeat, error)

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
  std::int64_t progress = 0;  // of 100: the steps that have ended, of those known
  std::optional<base::Instant> cancel_requested_at;
  std::optional<bool> needs_attention;
  std::optional<std::string> parked_reason;
  std::optional<RunError> error;
  std::optional<WaitingView> waiting;          // in a queue; left out in lists
  std::optional<std::vector<StepView>> steps;  // left out in lists
};
SLIPWAY_JSON_CAMEL(RunView, id, type, status, resource_type, resource_id, triggered_by, trace_id, started_at,
                   completed_at, duration_ms, progress, cancel_requested_at, needs_attention, parked_reason, error,
                   waiting, steps)

struct EventView {
  std::int64_t seq = 0;
  durable::EventType type = durable::EventType::run_started;
  base::Instant at;
  std::optional<std::string> step;
  json::Value data;
};
SLIPWAY_JSON_CAMEL(EventView, seq, type, at, step, data)

RunView view_row(const durable::journal::Row& row);
// With steps; `workflow` may be unknown to this hub: then there is no outline.
RunView view_run(const durable::journal::Row& row, const durable::RunState& state, const durable::Workflow* workflow);
WaitingView view_standing(const durable::queues::Standing& standing);
EventView view_event(const durable::Event& event);

}  // namespace slipway::api
