#pragma once
// The state of a run: a fold over its journal. The engine, the API and the simulation share this one function.
// Plain data without I/O, clock or randomness.

#include <boost/describe/enum.hpp>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "durable/event.h"

namespace slipway::durable {

enum class RunStatus { pending, running, completed, failed, cancelled };
BOOST_DESCRIBE_ENUM(RunStatus, pending, running, completed, failed, cancelled)

enum class StepStatus {
  pending,  // listed by the outline only
  running,
  waiting,  // between attempts or looks, asleep, for a signal or a child: until `wake_at`, if there is one
  completed,
  failed,
  cancelled,
  compensating,
  compensated,
  compensation_failed,
};
BOOST_DESCRIBE_ENUM(StepStatus, pending, running, waiting, completed, failed, cancelled, compensating, compensated,
                    compensation_failed)

enum class StepKind {
  step,
  compute,
  transaction,
  sleep,
  poll,
  signal,   // waits for one
  child,    // another run
  fan_out,  // many steps or children, each of them a step of its own: `name[0]`, `name[1]` …
};
BOOST_DESCRIBE_ENUM(StepKind, step, compute, transaction, sleep, poll, signal, child, fan_out)

struct StepState {
  std::string key;  // the step's name; `name#2` when the run does it a second time
  StepKind kind = StepKind::step;
  StepStatus status = StepStatus::running;
  std::int64_t attempts = 0;  // failed ones while it runs, all of them once it has ended
  std::optional<Instant> started_at;
  std::optional<Instant> ended_at;
  std::optional<Instant> wake_at;
  std::optional<Failure> failure;  // the last one; of a failed step, the one that is thrown
  json::Value result;
  StepStatus ended_as = StepStatus::running;  // how it ended, before anything undid it
  std::int64_t undo_attempts = 0;
  std::optional<Failure> undo_failure;  // the last one of what undoes it
  bool undone = false;
  bool taken_over = false;           // its outcome is that of the run which this one does again
  std::string child;                 // the child run's id
  std::optional<std::size_t> items;  // of a fan-out
  json::Value heartbeat;             // the last recorded detail, while the step has not ended
  std::optional<Instant> heartbeat_at;

  // What went wrong last, in doing or in undoing it.
  const std::optional<Failure>& last_failure() const { return undo_failure ? undo_failure : failure; }
  // Has an outcome from which a replay answers.
  bool is_recorded() const { return ended_at.has_value(); }
};

// Values of this name are the versions that changes were made at: code may cease to ask for them.
inline constexpr std::string_view kVersionPrefix = "version:";
inline bool is_version(std::string_view value_name) { return value_name.starts_with(kVersionPrefix); }

// A signal that came and has not been awaited yet.
struct BufferedSignal {
  std::int64_t seq = 0;  // of the event that brought it
  std::string name;
  json::Value payload;
};
SLIPWAY_JSON_CAMEL(BufferedSignal, seq, name, payload)

struct RunState {
  RunStatus status = RunStatus::running;
  std::int64_t last_seq = 0;
  Instant started_at;
  std::optional<Instant> ended_at;
  std::int64_t generation = 1;       // how often the journal has begun
  Instant began_at;                  // this generation; of one that waited in a queue, when it was admitted
  std::optional<json::Value> input;  // of this generation, if it is not the first
  std::optional<Instant> timed_out_at;
  std::optional<Instant> cancel_requested_at;
  bool needs_attention = false;  // a compensation was given up
  std::optional<Failure> failure;
  std::string failed_step;
  json::Value output;
  std::vector<StepState> steps;               // in the order of their first event
  std::map<std::string, json::Value> values;  // recorded ones that are no steps
  std::deque<BufferedSignal> signals;         // in the order of their coming
  std::deque<std::string> signal_keys;        // of the latest signals, to know one that is sent again

  StepState* find(std::string_view key);
  const StepState* find(std::string_view key) const;
  StepState& at(std::string_view key);  // made if it is not there
  bool knows_signal(std::string_view key) const;
  // It was told to stop: nothing new begins, and what waits ends as cancelled.
  bool is_stopping() const { return cancel_requested_at || timed_out_at; }
  bool is_final() const { return status != RunStatus::running && status != RunStatus::pending; }

 private:
  std::unordered_map<std::string, std::size_t> index_;  // of the steps, once they are many
};

// Throws INTERNAL_ERROR when the event cannot follow (a gap in `seq`, anything after the end). A fold may begin at the
// journal's first event or at any run_continued: what lies before that does not matter any more.
void fold(RunState& state, const Event& event);
RunState fold_all(const std::vector<Event>& events);

// The steps as a reader sees them: those of the journal, then those of the outline that have not begun, as pending.
// A run that has ended has no pending steps.
std::vector<StepState> with_outline(const RunState& state, const std::vector<std::string>& outline);

}  // namespace slipway::durable
