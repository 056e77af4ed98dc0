#include "durable/run_state.h"

namespace slipway::durable {

Failure to_failure(const base::Error& error) {
  return {error.code(), error.message(), error.error_class(), error.details()};
}

base::Error to_error(const Failure& failure) {
  return base::Error(failure.error_class, failure.code, failure.message, failure.details);
}

bool is_awaited(EventType type) {
  return type != EventType::step_started && type != EventType::attempt_failed &&
         type != EventType::compensation_failing;
}

StepState* RunState::find(std::string_view key) {
  for (auto& step : steps)
    if (step.key == key) return &step;
  return nullptr;
}

const StepState* RunState::find(std::string_view key) const { return const_cast<RunState*>(this)->find(key); }

StepState& RunState::at(std::string_view key) {
  if (auto* found = find(key)) return *found;
  steps.push_back({.key = std::string(key)});
  return steps.back();
}

namespace {

template <class T>
std::optional<T> member(const Event& event, std::string_view name) {
  const auto* value = event.data.if_contains(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return json::from_value<T>(*value, json::Mode::lenient);
}

void end_step(RunState& state, const Event& event, StepStatus status) {
  StepState& step = state.at(event.step);
  step.status = step.ended_as = status;
  step.ended_at = event.at;
  step.wake_at.reset();
  if (const auto kind = member<StepKind>(event, "kind")) step.kind = *kind;
  if (const auto at = member<Instant>(event, "startedAt")) step.started_at = *at;
  if (!step.started_at) step.started_at = event.at;
  if (const auto attempts = member<std::int64_t>(event, "attempts")) step.attempts = *attempts;
  step.failure = member<Failure>(event, "error");
  if (const auto* result = event.data.if_contains("result")) step.result = *result;
}

void end_run(RunState& state, const Event& event, RunStatus status) {
  state.status = status;
  state.ended_at = event.at;
  state.failure = member<Failure>(event, "error");
  state.failed_step = member<std::string>(event, "step").value_or("");
  if (const auto* output = event.data.if_contains("output")) state.output = *output;
}

}  // namespace

void fold(RunState& state, const Event& event) {
  if (event.seq != state.last_seq + 1)
    throw base::internal_error("journal: event " + std::to_string(event.seq) + " follows " +
                               std::to_string(state.last_seq));
  if (state.is_final()) throw base::internal_error("journal: an event after the run's end");
  state.last_seq = event.seq;
  switch (event.type) {
    case EventType::run_started:
      state.started_at = event.at;
      break;
    case EventType::step_started: {
      StepState& step = state.at(event.step);
      step.wake_at = member<Instant>(event, "wakeAt");
      step.status = step.wake_at ? StepStatus::waiting : StepStatus::running;
      step.kind = member<StepKind>(event, "kind").value_or(StepKind::step);
      if (!step.started_at) step.started_at = member<Instant>(event, "startedAt").value_or(event.at);
      break;
    }
    case EventType::attempt_failed: {
      StepState& step = state.at(event.step);
      step.status = StepStatus::waiting;
      step.kind = member<StepKind>(event, "kind").value_or(step.kind);
      step.attempts = member<std::int64_t>(event, "attempt").value_or(step.attempts + 1);
      step.failure = member<Failure>(event, "error");
      step.wake_at = member<Instant>(event, "retryAt");
      if (!step.started_at) step.started_at = member<Instant>(event, "startedAt").value_or(event.at);
      break;
    }
    case EventType::step_completed:
      end_step(state, event, StepStatus::completed);
      break;
    case EventType::step_failed:
      end_step(state, event, StepStatus::failed);
      break;
    case EventType::step_cancelled:
      end_step(state, event, StepStatus::cancelled);
      break;
    case EventType::cancel_requested:
      state.cancel_requested_at = event.at;
      break;
    case EventType::compensation_failing: {
      StepState& step = state.at(event.step);
      step.status = StepStatus::compensating;
      step.undo_attempts = member<std::int64_t>(event, "attempt").value_or(step.undo_attempts + 1);
      step.failure = member<Failure>(event, "error");
      step.wake_at = member<Instant>(event, "retryAt");
      break;
    }
    case EventType::compensation_completed: {
      StepState& step = state.at(event.step);
      step.undone = true;
      // The step that failed stays the one that failed, also when its traces were removed.
      step.status = step.ended_as == StepStatus::failed ? StepStatus::failed : StepStatus::compensated;
      step.wake_at.reset();
      break;
    }
    case EventType::compensation_failed: {
      StepState& step = state.at(event.step);
      step.status = StepStatus::compensation_failed;
      step.failure = member<Failure>(event, "error");
      step.wake_at.reset();
      state.needs_attention = true;
      break;
    }
    case EventType::run_completed:
      end_run(state, event, RunStatus::completed);
      break;
    case EventType::run_failed:
      end_run(state, event, RunStatus::failed);
      break;
    case EventType::run_cancelled:
      end_run(state, event, RunStatus::cancelled);
      break;
  }
}

RunState fold_all(const std::vector<Event>& events) {
  RunState state;
  for (const auto& event : events) fold(state, event);
  return state;
}

std::vector<StepState> with_outline(const RunState& state, const std::vector<std::string>& outline) {
  auto steps = state.steps;
  if (state.is_final()) return steps;
  for (const auto& name : outline)
    if (state.find(name) == nullptr) steps.push_back({.key = name, .status = StepStatus::pending});
  return steps;
}

}  // namespace slipway::durable
