#include "durable/execution.h"

#include "durable/context.h"

namespace slipway::durable {
namespace {

Outcome to_outcome(const StepState& step) {
  if (step.ended_as == StepStatus::completed) return step.result;
  if (step.ended_as == StepStatus::cancelled) return Cancelled();
  return to_error(step.failure.value_or(Failure{}));
}

template <class T>
void prepend_all(std::vector<T>& later, std::vector<T>&& earlier) {
  later.insert(later.begin(), std::make_move_iterator(earlier.begin()), std::make_move_iterator(earlier.end()));
}

}  // namespace

void Pending::prepend(Pending&& earlier) {
  prepend_all(events, std::move(earlier.events));
  prepend_all(starts, std::move(earlier.starts));
  prepend_all(sends, std::move(earlier.sends));
  prepend_all(consumed, std::move(earlier.consumed));
}

Execution::Execution(RunRecord record, const Workflow& workflow, RunState recorded, const base::Clock& clock,
                     base::Random& random, Duration cancel_grace)
    : record_(std::move(record)),
      workflow_(workflow),
      state_(std::move(recorded)),
      clock_(clock),
      random_(random),
      cancel_grace_(cancel_grace),
      context_(std::make_unique<Context>(*this)) {
  for (const auto& step : state_.steps) recorded_ += step.is_recorded() ? 1 : 0;
}

Execution::~Execution() { stop_.request_stop(); }

// ---- inputs

void Execution::start() {
  try {
    body_ = workflow_.body(*context_, record_.input);
  } catch (const base::Error& error) {  // the input does not decode
    finish(RunStatus::failed, error);
    return;
  }
  body_.start();
  after_body();
}

void Execution::on_wake() {
  if (wish_ != Wish::wake) return;
  if (running_attempt_ != 0) {  // the grace of a cancel is over: the attempt is left to itself, and its frame with it
    running_attempt_ = 0;
    forced_ = true;
    append(EventType::step_cancelled, pending_->key, {{"forced", true}, {"kind", json::to_value(pending_->kind)}});
    pending_ = nullptr;
    finish(RunStatus::cancelled, Cancelled());
    return;
  }
  if (pending_ != nullptr && pending_->kind == StepKind::sleep) {
    complete(*pending_, json::Value(nullptr));
    return;
  }
  if (!ending_as_ && pending_->kind == StepKind::transaction) {
    wish_ = Wish::transaction;
    return;
  }
  want_attempt();
}

void Execution::on_input(const Input& input) {
  if (input.id != 0) pending_writes_.consumed.push_back(input.id);
  switch (input.kind) {
    case InputKind::cancel:
      return on_cancel(input.sender);
    case InputKind::signal:
    case InputKind::child_ended:
      return;
  }
}

void Execution::on_cancel(const std::string& by) {
  if (state_.is_final() || state_.cancel_requested_at || park_reason_.size() > 0) return;
  append(EventType::cancel_requested, "", {{"by", by}});
  if (ending_as_ || pending_ == nullptr) return;  // already undoing: it goes on
  if (running_attempt_ != 0) {
    stop_.request_stop();
    want_wake(clock_.now() + cancel_grace_);
    return;
  }
  complete(*pending_, Cancelled());
}

void Execution::on_poke() {
  poked_ = running_attempt_ != 0;  // what that attempt saw may be older than the poke
  if (wish_ == Wish::wake && running_attempt_ == 0 && pending_ != nullptr && pending_->kind == StepKind::poll)
    want_attempt();
}

void Execution::announce() {
  if (pending_ == nullptr || ending_as_ || !operation_started_at_) return;
  const auto* step = state_.find(pending_->key);
  if (step != nullptr && step->status == StepStatus::running) return;
  append(EventType::step_started, pending_->key,
         {{"kind", json::to_value(pending_->kind)}, {"startedAt", json::to_value(*operation_started_at_)}});
}

Execution::AttemptCall Execution::take_attempt() {
  SLIPWAY_ASSERT(wish_ == Wish::attempt);
  wish_ = Wish::nothing;
  running_attempt_ = ++last_attempt_id_;
  const bool undoing = ending_as_.has_value();
  const std::string& step = undoing ? compensations_[compensations_left_ - 1].step : pending_->key;
  Attempt attempt(record_.id.str() + "/" + step + (undoing ? "/undo" : ""), attempts_ + 1,
                  undoing ? std::stop_token() : stop_.get_token());
  auto guarded = [](auto&& function) -> std::optional<Outcome> {
    try {
      return function();
    } catch (...) {
      return base::as_error(std::current_exception());
    }
  };
  AttemptCall call{.id = running_attempt_, .call = {}};
  if (undoing) {
    call.call = [&undo = compensations_[compensations_left_ - 1].undo, attempt, guarded]() mutable {
      return guarded([&]() -> std::optional<Outcome> {
        undo(attempt);
        return json::Value(nullptr);
      });
    };
  } else {
    call.call = [operation = pending_, attempt, guarded]() mutable {
      return guarded([&]() -> std::optional<Outcome> {
        auto result = operation->perform(attempt);
        if (!result) return std::nullopt;
        return std::move(*result);
      });
    };
  }
  return call;
}

void Execution::on_attempt(std::int64_t id, std::optional<Outcome> outcome) {
  if (id != running_attempt_) return;  // given up on before
  running_attempt_ = 0;
  if (ending_as_) {
    on_undo(std::move(outcome));
  } else if (pending_->kind == StepKind::poll) {
    on_look(std::move(outcome));
  } else if (auto* error = std::get_if<base::Error>(&*outcome)) {
    on_step_error(*error);
  } else {
    complete(*pending_, std::move(*outcome));
  }
}

void Execution::take_back_attempt(std::int64_t id) {
  if (id != running_attempt_) return;
  running_attempt_ = 0;
  if (state_.cancel_requested_at && !ending_as_) return complete(*pending_, Cancelled());
  want_attempt();
}

Execution::TransactionCall Execution::take_transaction() {
  SLIPWAY_ASSERT(wish_ == Wish::transaction);
  wish_ = Wish::nothing;
  Event completion{.seq = state_.last_seq + 1,
                   .type = EventType::step_completed,
                   .at = clock_.now(),
                   .step = pending_->key,
                   .data = {{"kind", "transaction"}, {"attempts", attempts_ + 1}}};
  return {.operation = pending_, .completion = std::move(completion)};
}

void Execution::on_transaction(std::variant<Event, base::Error> committed) {
  if (const auto* error = std::get_if<base::Error>(&committed)) {
    on_step_error(*error);
    return;
  }
  const Event& completion = std::get<Event>(committed);
  fold(state_, completion);
  Operation& operation = *pending_;
  operation.outcome = completion.data.at("result");
  resume(operation);
}

// ---- for context.h

void Execution::begin(Operation& operation) {
  if (!park_reason_.empty()) return;
  const int count = ++names_[operation.name];
  operation.key = count == 1 ? operation.name : operation.name + "#" + std::to_string(count);
  const auto* step = state_.find(operation.key);
  if (step != nullptr && step->kind != operation.kind) return park("step '" + operation.key + "' was of another kind");
  if (step != nullptr && step->is_recorded()) {
    ++replayed_;
    operation.outcome = to_outcome(*step);
    return;
  }
  if (replayed_ < recorded_) return park("step '" + operation.key + "' is asked for where the journal has others");
  if (state_.cancel_requested_at) record_outcome(operation, Cancelled());
}

void Execution::suspend(Operation& operation) {
  if (!park_reason_.empty()) return;
  pending_ = &operation;
  const auto* step = state_.find(operation.key);
  attempts_ = step != nullptr ? step->attempts : 0;
  operation_started_at_ = step != nullptr && step->started_at ? step->started_at : clock_.now();
  decide(operation);
}

json::Value Execution::take(Operation& operation) {
  if (const auto* error = std::get_if<base::Error>(&*operation.outcome)) {
    failed_step_ = operation.key;
    if (error->code() == "CANCELLED") throw Cancelled();
    throw *error;
  }
  return std::move(std::get<json::Value>(*operation.outcome));
}

void Execution::compute(Operation& operation, std::move_only_function<json::Value()> function) {
  if (!park_reason_.empty()) return;
  operation_started_at_.reset();
  attempts_ = 0;
  try {
    record_outcome(operation, function());
  } catch (...) {
    record_outcome(operation, base::as_error(std::current_exception()));
  }
}

void Execution::add_compensation(Compensation compensation) { compensations_.push_back(std::move(compensation)); }

// ---- decisions

// What a freshly pending operation waits for, given what the journal already says about it.
void Execution::decide(Operation& operation) {
  const auto* step = state_.find(operation.key);
  const auto now = clock_.now();
  switch (operation.kind) {
    case StepKind::compute:
      SLIPWAY_ASSERT(!"a compute step never suspends");
      break;
    case StepKind::transaction:
      wish_ = Wish::transaction;
      break;
    case StepKind::step:
      step != nullptr && step->wake_at > now ? want_wake(*step->wake_at) : want_attempt();
      break;
    case StepKind::poll:
      step == nullptr&& operation.poll.first_delay > Duration(0) ? want_wake(now + operation.poll.first_delay)
                                                                 : want_attempt();
      break;
    case StepKind::sleep: {
      const auto wake = step != nullptr && step->wake_at ? *step->wake_at : now + operation.sleep_for;
      if (step == nullptr)
        append(EventType::step_started, operation.key, {{"kind", "sleep"}, {"wakeAt", json::to_value(wake)}});
      want_wake(wake);
      break;
    }
  }
}

void Execution::on_step_error(const base::Error& error) {
  ++attempts_;
  const auto now = clock_.now();
  if (state_.cancel_requested_at) return complete(*pending_, Cancelled());
  const auto delay = pending_->retry.delay(attempts_, now - operation_started_at_.value_or(now), error, random_);
  if (!delay) {
    --attempts_;  // complete() counts the last one
    return complete(*pending_, error);
  }
  auto data = attempt_data(attempts_, error, now + *delay);
  data["kind"] = json::to_value(pending_->kind);
  append(EventType::attempt_failed, pending_->key, std::move(data));
  want_wake(now + *delay);
}

void Execution::on_look(std::optional<Outcome> outcome) {
  ++attempts_;
  const auto now = clock_.now();
  const auto* error = outcome ? std::get_if<base::Error>(&*outcome) : nullptr;
  if (outcome && error == nullptr) {
    --attempts_;
    return complete(*pending_, std::move(*outcome));
  }
  if (state_.cancel_requested_at) return complete(*pending_, Cancelled());
  const bool passing = error == nullptr || error->error_class() == base::ErrorClass::transient ||
                       error->error_class() == base::ErrorClass::throttled;
  if (!passing) return complete(*pending_, *error);
  const auto& poll = pending_->poll;
  if (now - *operation_started_at_ >= poll.bound) {
    std::string message = "'" + pending_->key + "' did not come true within " + base::format_duration(poll.bound);
    if (error != nullptr) message += "; last: " + error->message();
    return complete(*pending_, base::Error(base::ErrorClass::internal, "TIMED_OUT", std::move(message)));
  }
  if (std::exchange(poked_, false)) return want_attempt();
  if (state_.find(pending_->key) == nullptr) announce();  // keeps the time from which the bound counts
  auto next = now + poll.interval;
  if (error != nullptr && error->retry_after()) next = std::max(next, now + *error->retry_after());
  want_wake(std::min(next, *operation_started_at_ + poll.bound));
}

void Execution::complete(Operation& operation, Outcome outcome) {
  record_outcome(operation, std::move(outcome));
  resume(operation);
}

void Execution::record_outcome(Operation& operation, Outcome outcome) {
  json::Object data{{"kind", json::to_value(operation.kind)}};
  if (operation.kind == StepKind::step || operation.kind == StepKind::poll) data["attempts"] = attempts_ + 1;
  if (operation_started_at_) data["startedAt"] = json::to_value(*operation_started_at_);
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

void Execution::resume(Operation& operation) {
  pending_ = nullptr;
  attempts_ = 0;
  operation_started_at_.reset();
  wish_ = Wish::nothing;
  operation.waiter.resume();
  after_body();
}

void Execution::after_body() {
  if (forced_ || !park_reason_.empty() || !body_.done()) return;
  if (replayed_ < recorded_) return park("the workflow ended where the journal has more steps");
  try {
    json::Value output = body_.result();
    append(EventType::run_completed, "", {{"output", std::move(output)}});
    wish_ = Wish::ended;
  } catch (const Cancelled& cancelled) {
    finish(RunStatus::cancelled, cancelled);
  } catch (...) {
    finish(RunStatus::failed, base::as_error(std::current_exception()));
  }
}

void Execution::finish(RunStatus status, const base::Error& error) {
  ending_as_ = status;
  ending_error_ = error;
  compensations_left_ = compensations_.size();
  next_compensation();
}

void Execution::next_compensation() {
  for (; compensations_left_ > 0; --compensations_left_) {
    const auto* step = state_.find(compensations_[compensations_left_ - 1].step);
    if (step != nullptr && (step->undone || step->status == StepStatus::compensation_failed)) continue;
    attempts_ = step != nullptr ? step->undo_attempts : 0;
    operation_started_at_ = clock_.now();
    want_attempt();
    return;
  }
  if (*ending_as_ == RunStatus::cancelled) {
    append(EventType::run_cancelled, "", {});
  } else {
    append(EventType::run_failed, "", {{"error", json::to_value(to_failure(*ending_error_))}, {"step", failed_step_}});
  }
  wish_ = Wish::ended;
}

void Execution::on_undo(std::optional<Outcome> outcome) {
  const Compensation& compensation = compensations_[compensations_left_ - 1];
  if (const auto* error = std::get_if<base::Error>(&*outcome)) {
    ++attempts_;
    const auto now = clock_.now();
    const auto delay = compensation.retry.delay(attempts_, now - *operation_started_at_, *error, random_);
    if (delay) {
      append(EventType::compensation_failing, compensation.step, attempt_data(attempts_, *error, now + *delay));
      want_wake(now + *delay);
      return;
    }
    append(EventType::compensation_failed, compensation.step,
           {{"name", compensation.name}, {"error", json::to_value(to_failure(*error))}});
  } else {
    append(EventType::compensation_completed, compensation.step, {{"name", compensation.name}});
  }
  --compensations_left_;
  next_compensation();
}

json::Object Execution::attempt_data(std::int64_t attempt, const base::Error& error, Instant retry_at) const {
  json::Object data{
      {"attempt", attempt}, {"error", json::to_value(to_failure(error))}, {"retryAt", json::to_value(retry_at)}};
  if (operation_started_at_) data["startedAt"] = json::to_value(*operation_started_at_);
  return data;
}

void Execution::want_wake(Instant at) {
  wish_ = Wish::wake;
  wake_at_ = at;
}

void Execution::want_attempt() { wish_ = Wish::attempt; }

void Execution::park(std::string reason) {
  park_reason_ = std::move(reason);
  wish_ = Wish::parked;
}

void Execution::append(EventType type, std::string step, json::Object data) {
  Event event{
      .seq = state_.last_seq + 1, .type = type, .at = clock_.now(), .step = std::move(step), .data = std::move(data)};
  fold(state_, event);
  pending_writes_.events.push_back(std::move(event));
}

}  // namespace slipway::durable
