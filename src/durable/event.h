#pragma once
// One entry of a run's journal. A run's state is a fold over these (run_state.h); they are never changed.

#include <boost/describe/enum.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

namespace slipway::durable {

using base::Duration;
using base::Instant;
using base::RunId;

enum class EventType {
  run_started,             // data: queue, when it begins by waiting in one; of a retry: retryOf, fromStep
  run_admitted,            // it need not wait in its queue any longer (data: queue, waitedMs)
  step_started,            // informs: an attempt began, or a wait set out (data: kind, wakeAt, items, width)
  attempt_failed,          // informs: it will be tried again (data: kind, attempt, error, retryAt)
  step_heartbeat,          // informs: how far the attempt under way has come (data: kind, detail)
  step_completed,          // data: kind, result, attempts, startedAt; of a signal, instead of result: signal, its event
  step_failed,             // data: error, attempts, startedAt. Thrown into the workflow
  step_cancelled,          // the await ended because of a cancel or the run's time-out. Thrown into the workflow
  value_recorded,          // what a replay must find again and is no step: a time, a random number, a version (value)
  signal_received,         // data: name, key, payload, sender. Kept until it is awaited
  child_started,           // data: child, workflow. The child is started in the same commit
  cancel_requested,        // data: by
  run_timed_out,           // the time that its workflow allows is over: it is stopped, undone and failed
  run_continued,           // the journal begins again: data: input, generation, startedAt, signals, signalKeys
  compensation_failing,    // informs: an attempt to undo failed (data: attempt, error, retryAt)
  compensation_completed,  // step is the name of the step that it undoes; data: name
  compensation_failed,     // given up: needs a person
  run_completed,           // data: output
  run_failed,              // data: error, step
  run_cancelled,
};
BOOST_DESCRIBE_ENUM(EventType, run_started, run_admitted, step_started, attempt_failed, step_heartbeat, step_completed,
                    step_failed, step_cancelled, value_recorded, signal_received, child_started, cancel_requested,
                    run_timed_out, run_continued, compensation_failing, compensation_completed, compensation_failed,
                    run_completed, run_failed, run_cancelled)

struct Event {
  std::int64_t seq = 0;  // from 1, without gaps, within its run
  EventType type = EventType::run_started;
  Instant at;
  std::string step;   // the step's key, empty where the event is the run's
  json::Object data;  // what the type's comment above says
};

// A failure as the journal keeps it.
struct Failure {
  std::string code;
  std::string message;
  base::ErrorClass error_class = base::ErrorClass::internal;
  json::Value details;
};
SLIPWAY_JSON_CAMEL(Failure, code, message, error_class, details)

Failure to_failure(const base::Error& error);
base::Error to_error(const Failure& failure);

// Whether the workflow's next action must wait until the event is durable. Events that only inform ride along.
bool is_awaited(EventType type);

}  // namespace slipway::durable
