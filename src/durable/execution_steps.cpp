// One operation, from the journal's answer or its first attempt to its outcome.

#include "durable/context.h"
#include "durable/execution.h"

namespace slipway::durable {
namespace {

Outcome to_outcome(const StepState& step) {
  if (step.ended_as == StepStatus::completed) return step.result;
  if (step.ended_as == StepStatus::cancelled) return Cancelled();
  return to_error(step.failure.value_or(Failure{}));
}

std::string counted(const std::string& name, int count) {
  return count == 1 ? name : name + "#" + std::to_string(count);
}

}  // namespace

// ---- asked by the body

void Execution::begin(Operation& operation) {
  if (!park_reason_.empty()) return;
  operation.key = counted(operation.name, ++names_[operation.name]);
  recall(operation);
  if (!park_reason_.empty()) return;
  // A fan-out and a child look for themselves: what they began before is still theirs.
  if (operation.kind != StepKind::fan_out && operation.kind != StepKind::child && !operation.outcome) {
    if (unasked_ > 0) return park("step '" + operation.key + "' is asked for where the journal has others");
    if (is_stopped(operation)) record_outcome(operation, Cancelled(), nullptr);
  }
  operation.on_begin(*this);
  if (!park_reason_.empty()) operation.outcome.reset();  // the body must not go on
}

// Whether the journal knows the operation; with its outcome, if it had one.
bool Execution::recall(Operation& operation) {
  const auto* step = state_.find(operation.key);
  if (step == nullptr) return false;
  --unasked_;
  if (step->kind != operation.kind) {
    park("step '" + operation.key + "' was of another kind");
  } else if (step->is_recorded()) {
    operation.outcome = to_outcome(*step);
  }
  return true;
}

void Execution::suspend(Operation& operation) {
  if (!park_reason_.empty()) return;
  if (operation.kind == StepKind::fan_out || operation.kind == StepKind::child) return;  // opened when it began
  decide(open_lane(&operation));
}

json::Value Execution::take(Operation& operation) {
  if (const auto* error = std::get_if<base::Error>(&*operation.outcome)) {
    failed_step_ = operation.key;
    if (error->code() == "CANCELLED") throw Cancelled();
    throw *error;
  }
  if (operation.kind == StepKind::child) return std::get<json::Value>(*operation.outcome);  // may be asked for again
  return std::move(std::get<json::Value>(*operation.outcome));
}

void Execution::compute(Operation& operation, std::move_only_function<json::Value()> function) {
  if (!park_reason_.empty()) return;
  try {
    record_outcome(operation, function(), nullptr);
  } catch (...) {
    record_outcome(operation, base::as_error(std::current_exception()), nullptr);
  }
}

void Execution::receive(Operation& operation) {
  if (park_reason_.empty() && !operation.outcome) take_signal(operation);
}

void Execution::add_compensation(Compensation compensation) { compensations_.push_back(std::move(compensation)); }

json::Value Execution::value(const std::string& name, std::move_only_function<json::Value()> function) {
  if (!park_reason_.empty()) throw Parked();
  const std::string key = counted(name, ++value_names_[name]);
  if (const auto found = state_.values.find(key); found != state_.values.end()) {
    --unasked_;
    return found->second;
  }
  if (unasked_ > 0) {
    park("run." + name + "() is asked for where the journal has steps");
    throw Parked();
  }
  json::Value value = function();
  append(EventType::value_recorded, key, {{"value", value}});
  return value;
}

std::int64_t Execution::version(const std::string& change, std::int64_t newest, std::int64_t oldest) {
  if (!park_reason_.empty()) throw Parked();
  const std::string key = std::string(kVersionPrefix) + change;
  std::int64_t version = newest;
  if (const auto found = state_.values.find(key); found != state_.values.end()) {
    version = found->second.to_number<std::int64_t>();
  } else if (unasked_ > 0 || old_ways_.contains(change)) {  // it came by here before there was a choice
    version = old_ways_[change] = 0;
  } else {
    append(EventType::value_recorded, key, {{"value", version}});
  }
  if (version >= oldest && version <= newest) return version;
  park("change '" + change + "' was made at version " + std::to_string(version) + "; this code knows " +
       std::to_string(oldest) + " to " + std::to_string(newest));
  throw Parked();
}

void Execution::continue_as_new(json::Value input) {
  if (!park_reason_.empty()) return;
  if (unasked_ > 0) return park("the run goes on as new where the journal has more steps");
  if (state_.is_stopping()) throw Cancelled();
  for (const auto* child : children_)
    if (child->is_attached())
      throw base::internal_error("child run '" + child->child.str() + "' is still awaited: the run cannot begin again");
  children_.clear();
  json::Array signals, keys;
  for (const auto& signal : state_.signals) signals.push_back(json::to_value(signal));
  for (const auto& key : state_.signal_keys) keys.push_back(json::to_value(key));
  append(EventType::run_continued, "",
         {{"input", std::move(input)},
          {"generation", state_.generation + 1},
          {"startedAt", json::to_value(state_.started_at)},
          {"signals", std::move(signals)},
          {"signalKeys", std::move(keys)}});
  again_ = true;
}

// ---- lanes

Lane& Execution::open_lane(Operation* operation) {
  Lane& lane = lanes_.emplace_back();
  lane.id = ++last_lane_;
  lane.operation = operation;
  lane.started_at = services_.clock.now();
  if (operation == nullptr) return lane;
  const auto* step = state_.find(operation->key);
  if (step == nullptr) return lane;
  lane.failed = step->attempts;
  if (step->started_at) lane.started_at = step->started_at;
  return lane;
}

Lane* Execution::find_lane(std::int64_t id) {
  const auto found = std::ranges::find(lanes_, id, &Lane::id);
  return found == lanes_.end() ? nullptr : &*found;
}

void Execution::close_lane(Lane& lane) {
  std::erase_if(lanes_, [&](const Lane& other) { return &other == &lane; });
}

const Retry& Execution::retry_of(const Lane& lane) const {
  return lane.operation != nullptr ? lane.operation->retry : compensations_[compensations_left_ - 1].retry;
}

// What a freshly pending operation waits for, given what the journal already says about it.
void Execution::decide(Lane& lane) {
  Operation& operation = *lane.operation;
  const auto* step = state_.find(operation.key);
  const auto now = services_.clock.now();
  const auto wait_until = [&](std::optional<Instant> at) { lane.until = at; };
  switch (operation.kind) {
    case StepKind::compute:
    case StepKind::child:
    case StepKind::fan_out:
      SLIPWAY_ASSERT(!"has no lane of its own");
      break;
    case StepKind::transaction:
      lane.phase = Lane::Phase::wants_transaction;
      break;
    case StepKind::step:
      if (step != nullptr && step->wake_at > now) return wait_until(step->wake_at);
      lane.phase = Lane::Phase::wants_attempt;
      break;
    case StepKind::poll:
      if (step == nullptr && operation.poll.first_delay > Duration(0))
        return wait_until(now + operation.poll.first_delay);
      lane.phase = Lane::Phase::wants_attempt;
      break;
    case StepKind::sleep:
    case StepKind::signal: {
      std::optional<Instant> until;
      if (operation.kind == StepKind::sleep) until = now + operation.sleep_for;
      if (operation.within) until = now + operation.within->limit;
      if (step != nullptr) return wait_until(step->wake_at);  // the time that was set first
      json::Object data{{"kind", json::to_value(operation.kind)}};
      if (until) data["wakeAt"] = json::to_value(*until);
      append(EventType::step_started, operation.key, std::move(data));
      wait_until(until);
      break;
    }
  }
}

void Execution::on_step_error(Lane& lane, const base::Error& error) {
  Operation& operation = *lane.operation;
  record_beat(lane);
  if (is_stopped(operation)) return complete(lane, Cancelled());
  const auto now = services_.clock.now();
  auto delay = operation.retry.delay(lane.failed + 1, now - lane.started_at.value_or(now), error, services_.random);
  if (!delay) return complete(lane, error);
  if (operation.group != nullptr && operation.group->closed)
    return complete(lane, Cancelled());  // no time to try again
  if (const auto& endpoint = operation.retry.endpoint; !endpoint.empty() && !error.made_no_call())
    delay = std::max(*delay, services_.budgets.reserve(endpoint, now));
  ++lane.failed;
  auto data = attempt_data(lane, error, now + *delay);
  data["kind"] = json::to_value(operation.kind);
  append(EventType::attempt_failed, operation.key, std::move(data));
  lane.phase = Lane::Phase::waiting;
  lane.until = now + *delay;
}

void Execution::on_look(Lane& lane, std::optional<Outcome> outcome) {
  const auto now = services_.clock.now();
  const auto* error = outcome ? std::get_if<base::Error>(&*outcome) : nullptr;
  if (outcome && error == nullptr) return complete(lane, std::move(*outcome));
  if (is_stopped(*lane.operation)) return complete(lane, Cancelled());
  const bool passing = error == nullptr || error->error_class() == base::ErrorClass::transient ||
                       error->error_class() == base::ErrorClass::throttled;
  if (!passing) return complete(lane, *error);
  const auto& poll = lane.operation->poll;
  const std::string& key = lane.operation->key;
  const auto bound = *lane.started_at + poll.bound;
  if (now >= bound) {
    std::string message = "'" + key + "' did not come true within " + base::format_duration(poll.bound);
    if (error != nullptr) message += "; last: " + error->message();
    return complete(lane, base::Error(base::ErrorClass::internal, "TIMED_OUT", std::move(message)));
  }
  ++lane.failed;
  if (state_.find(key) == nullptr) announce();  // keeps the time from which the bound counts
  if (std::exchange(lane.poked, false)) {
    lane.phase = Lane::Phase::wants_attempt;
    return;
  }
  auto next = now + poll.interval;
  if (error != nullptr && error->retry_after()) next = std::max(next, now + *error->retry_after());
  lane.phase = Lane::Phase::waiting;
  lane.until = std::min(next, bound);
}

void Execution::record_beat(Lane& lane) {
  const auto beat = lane.pulse ? lane.pulse->take() : std::nullopt;
  if (!beat) return;
  append(EventType::step_heartbeat, lane.operation->key,
         {{"kind", json::to_value(lane.operation->kind)},
          {"detail", beat->detail},
          {"startedAt", json::to_value(*lane.started_at)}});
}

json::Object Execution::attempt_data(const Lane& lane, const base::Error& error, Instant retry_at) const {
  json::Object data{
      {"attempt", lane.failed}, {"error", json::to_value(to_failure(error))}, {"retryAt", json::to_value(retry_at)}};
  if (lane.started_at) data["startedAt"] = json::to_value(*lane.started_at);
  return data;
}

// ---- outcomes

void Execution::record_outcome(Operation& operation, Outcome outcome, const Lane* lane) {
  json::Object data{{"kind", json::to_value(operation.kind)}};
  if (lane != nullptr && (operation.kind == StepKind::step || operation.kind == StepKind::poll))
    data["attempts"] = lane->failed + (lane->phase == Lane::Phase::attempt ? 1 : 0);
  if (lane != nullptr && lane->started_at) data["startedAt"] = json::to_value(*lane->started_at);
  if (const auto* error = std::get_if<base::Error>(&outcome)) {
    if (error->code() == "CANCELLED") {
      append(EventType::step_cancelled, operation.key, std::move(data));
    } else {
      data["error"] = json::to_value(to_failure(*error));
      append(EventType::step_failed, operation.key, std::move(data));
    }
  } else {
    data["result"] = std::get<json::Value>(outcome);
    append(EventType::step_completed, operation.key, std::move(data));
  }
  operation.outcome = std::move(outcome);
}

// Gives the operation the oldest signal of its name. The payload stands in the journal once: where it came.
bool Execution::take_signal(Operation& operation) {
  const auto found = std::ranges::find(state_.signals, operation.name, &BufferedSignal::name);
  if (found == state_.signals.end()) return false;
  append(EventType::step_completed, operation.key, {{"kind", "signal"}, {"signal", found->seq}});
  operation.outcome = state_.find(operation.key)->result;
  return true;
}

void Execution::complete(Lane& lane, Outcome outcome) {
  Operation& operation = *lane.operation;
  record_outcome(operation, std::move(outcome), &lane);
  close_lane(lane);
  ended(operation);
}

// It has its outcome: whoever waits for it goes on.
void Execution::ended(Operation& operation) {
  if (operation.group != nullptr) {
    FanOut& group = *operation.group;
    item_ended(group, operation);
    go_on(group);
  } else if (operation.waiter) {
    resume(operation);
  } else {
    settle();
  }
}

void Execution::resume(Operation& operation) {
  std::exchange(operation.waiter, {}).resume();
  after_body();
}

}  // namespace slipway::durable
