#include "durable/run_state.h"

#include <algorithm>

namespace slipway::durable {

Failure to_failure(const base::Error& error) {
  return {error.code(), error.message(), error.error_class(), error.details()};
}

base::Error to_error(const Failure& failure) {
  return base::Error(failure.error_class, failure.code, failure.message, failure.details);
}

bool is_awaited(EventType type) {
  return type != EventType::step_started && type != EventType::attempt_failed && type != EventType::step_heartbeat &&
         type != EventType::compensation_failing;
}

namespace {

constexpr std::size_t kSearchedMax = 16;        // more steps than this are found by an index: a fan-out may have many
constexpr std::size_t kSignalKeysMax = 10'000;  // a sender repeats itself soon or not at all; bounds an endless run

}  // namespace

StepState* RunState::find(std::string_view key) {
  if (!index_.empty()) {
    const auto found = index_.find(std::string(key));
    return found == index_.end() ? nullptr : &steps[found->second];
  }
  for (auto& step : steps)
    if (step.key == key) return &step;
  return nullptr;
}

const StepState* RunState::find(std::string_view key) const { return const_cast<RunState*>(this)->find(key); }

StepState& RunState::at(std::string_view key) {
  if (auto* found = find(key)) return *found;
  steps.push_back({.key = std::string(key)});
  if (steps.size() > kSearchedMax)
    for (std::size_t i = index_.size(); i < steps.size(); ++i) index_.emplace(steps[i].key, i);
  return steps.back();
}

bool RunState::knows_signal(std::string_view key) const {
  return !key.empty() && std::ranges::find(signal_keys, key) != signal_keys.end();
}

namespace {

template <class T>
std::optional<T> member(const Event& event, std::string_view name) {
  const auto* value = event.data.if_contains(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return json::from_value<T>(*value, json::Mode::lenient);
}

// In an array of one, so that a signal without payload differs from none.
json::Value take_signal(RunState& state, std::int64_t seq) {
  const auto found = std::ranges::find(state.signals, seq, &BufferedSignal::seq);
  if (found == state.signals.end())
    throw base::internal_error("journal: signal " + std::to_string(seq) + " was awaited twice");
  json::Array result{std::move(found->payload)};
  state.signals.erase(found);
  return result;
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
  step.heartbeat = nullptr;
  step.taken_over = event.data.contains("takenOver");
  if (const auto* result = event.data.if_contains("result")) step.result = *result;
  if (const auto signal = member<std::int64_t>(event, "signal")) step.result = take_signal(state, *signal);
}

void start_step(RunState& state, const Event& event) {
  StepState& step = state.at(event.step);
  step.wake_at = member<Instant>(event, "wakeAt");
  step.kind = member<StepKind>(event, "kind").value_or(StepKind::step);
  step.status = step.wake_at || step.kind == StepKind::signal ? StepStatus::waiting : StepStatus::running;
  if (const auto items = member<std::int64_t>(event, "items")) step.items = std::size_t(*items);
  if (!step.started_at) step.started_at = member<Instant>(event, "startedAt").value_or(event.at);
}

void start_child(RunState& state, const Event& event) {
  StepState& step = state.at(event.step);
  step.kind = StepKind::child;
  step.status = StepStatus::waiting;
  step.child = member<std::string>(event, "child").value_or("");
  step.started_at = event.at;
}

void receive_signal(RunState& state, const Event& event) {
  const auto* payload = event.data.if_contains("payload");
  state.signals.push_back({.seq = event.seq,
                           .name = member<std::string>(event, "name").value_or(""),
                           .payload = payload != nullptr ? *payload : json::Value(nullptr)});
  auto key = member<std::string>(event, "key").value_or("");
  if (key.empty()) return;
  state.signal_keys.push_back(std::move(key));
  if (state.signal_keys.size() > kSignalKeysMax) state.signal_keys.pop_front();
}

// The next generation knows nothing of this one's steps; only the signals that nobody awaited go with it.
void continue_run(RunState& state, const Event& event) {
  RunState next;
  next.last_seq = event.seq;
  next.started_at = member<Instant>(event, "startedAt").value_or(event.at);
  next.began_at = event.at;
  next.generation = member<std::int64_t>(event, "generation").value_or(state.generation + 1);
  next.input = event.data.at("input");
  for (auto& signal : member<std::vector<BufferedSignal>>(event, "signals").value_or(std::vector<BufferedSignal>{}))
    next.signals.push_back(std::move(signal));
  for (auto& key : member<std::vector<std::string>>(event, "signalKeys").value_or(std::vector<std::string>{}))
    next.signal_keys.push_back(std::move(key));
  state = std::move(next);
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
  const bool begins_again = event.type == EventType::run_continued && state.last_seq == 0;
  if (event.seq != state.last_seq + 1 && !begins_again)
    throw base::internal_error("journal: event " + std::to_string(event.seq) + " follows " +
                               std::to_string(state.last_seq));
  if (state.is_final()) throw base::internal_error("journal: an event after the run's end");
  state.last_seq = event.seq;
  switch (event.type) {
    case EventType::run_started:
      state.started_at = state.began_at = event.at;
      if (event.data.contains("queue")) state.status = RunStatus::pending;
      break;
    case EventType::run_admitted:
      state.status = RunStatus::running;
      state.began_at = event.at;
      break;
    case EventType::run_continued:
      continue_run(state, event);
      break;
    case EventType::step_started:
      start_step(state, event);
      break;
    case EventType::step_heartbeat: {
      StepState& step = state.at(event.step);
      step.kind = member<StepKind>(event, "kind").value_or(step.kind);
      if (const auto* detail = event.data.if_contains("detail")) step.heartbeat = *detail;
      step.heartbeat_at = event.at;
      if (!step.started_at) step.started_at = member<Instant>(event, "startedAt").value_or(event.at);
      break;
    }
    case EventType::value_recorded:
      state.values[event.step] = event.data.at("value");
      break;
    case EventType::signal_received:
      receive_signal(state, event);
      break;
    case EventType::child_started:
      start_child(state, event);
      break;
    case EventType::run_timed_out:
      state.timed_out_at = event.at;
      break;
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
      step.undo_failure = member<Failure>(event, "error");
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
      step.undo_failure = member<Failure>(event, "error");
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
