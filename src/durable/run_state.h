#pragma once
// The state of a run: a fold over its journal. The engine, the API and the simulation share this one function.
// Plain data without I/O, clock or randomness.

#include <boost/describe/enum.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "durable/event.h"

namespace slipway::durable {

enum class RunStatus { pending, running, completed, failed, cancelled };
BOOST_DESCRIBE_ENUM(RunStatus, pending, running, completed, failed, cancelled)

enum class StepStatus {
  pending,  // listed by the outline only
  running,
  waiting,  // between attempts or looks, or asleep: until `wake_at`
  completed,
  failed,
  cancelled,
  compensating,
  compensated,
  compensation_failed,
};
BOOST_DESCRIBE_ENUM(StepStatus, pending, running, waiting, completed, failed, cancelled, compensating, compensated,
                    compensation_failed)

enum class StepKind { step, compute, transaction, sleep, poll };
BOOST_DESCRIBE_ENUM(StepKind, step, compute, transaction, sleep, poll)

struct StepState {
  std::string key;  // the step's name; `name#2` when the run does it a second time
  StepKind kind = StepKind::step;
  StepStatus status = StepStatus::running;
  std::int64_t attempts = 0;  // failed ones while it runs, all of them once it has ended
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  std::optional<Instant> wake_at;
  std::optional<Failure> failure;  // the last one
  json::Value result;
  StepStatus ended_as = StepStatus::running;  // how it ended, before anything undid it
  std::int64_t undo_attempts = 0;
  bool undone = false;

  // Has an outcome from which a replay answers.
  bool is_recorded() const { return ended_at.has_value(); }
};

struct RunState {
  RunStatus status = RunStatus::running;
  std::int64_t last_seq = 0;
  Instant started_at;
  std::optional<Instant> ended_at;
  std::optional<Instant> cancel_requested_at;
  bool needs_attention = false;  // a compensation was given up
  std::optional<Failure> failure;
  std::string failed_step;
  json::Value output;
  std::vector<StepState> steps;  // in the order of their first event

  StepState* find(std::string_view key);
  const StepState* find(std::string_view key) const;
  StepState& at(std::string_view key);  // made if it is not there
  bool is_final() const { return status != RunStatus::running && status != RunStatus::pending; }
};

// Throws INTERNAL_ERROR when the event cannot follow (a gap in `seq`, anything after the end).
void fold(RunState& state, const Event& event);
RunState fold_all(const std::vector<Event>& events);

// The steps as a reader sees them: those of the journal, then those of the outline that have not begun, as pending.
// A run that has ended has no pending steps.
std::vector<StepState> with_outline(const RunState& state, const std::vector<std::string>& outline);

}  // namespace slipway::durable
