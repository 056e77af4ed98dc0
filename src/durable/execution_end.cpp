// The end of a run: its body is through, its children end, what it did is undone if it went badly.

#include "durable/context.h"
#include "durable/execution.h"

namespace slipway::durable {

void Execution::after_body() {
  if (forced_ || again_ || !park_reason_.empty() || body_end_ || !body_.done()) return;
  if (unasked_ > 0) return park("the workflow ended where the journal has more steps");
  try {
    end_body({.status = RunStatus::completed, .output = body_.result(), .error = std::nullopt});
  } catch (const Cancelled&) {
    end_cancelled();
  } catch (...) {
    end_body({.status = RunStatus::failed, .output = nullptr, .error = base::as_error(std::current_exception())});
  }
}

void Execution::end_cancelled() {
  if (!state_.timed_out_at) return end_body({.status = RunStatus::cancelled, .output = nullptr, .error = Cancelled()});
  auto late = base::Error(base::ErrorClass::internal, "TIMED_OUT",
                          "the run took longer than " + base::format_duration(workflow_.timeout));
  end_body({.status = RunStatus::failed, .output = nullptr, .error = std::move(late)});
}

void Execution::end_body(BodyEnd end) {
  body_end_ = std::move(end);
  if (body_end_->status != RunStatus::completed) tell_children();
  settle();
}

// Nothing that the run started outlives it, unless it was let go: the end waits for the children.
void Execution::settle() {
  if (!body_end_ || ending_as_) return;
  for (const auto* child : children_)
    if (child->is_attached()) return;
  if (body_end_->status == RunStatus::completed) {
    for (const auto& child : kept_) {  // a failure that nobody took is not swallowed
      const auto* error = child->outcome ? std::get_if<base::Error>(&*child->outcome) : nullptr;
      if (error == nullptr || child->was_taken || !child->is_attached()) continue;
      failed_step_ = child->key;
      if (error->code() == "CANCELLED") return end_cancelled();
      return end_body({.status = RunStatus::failed, .output = nullptr, .error = *error});
    }
  }
  if (body_end_->status != RunStatus::completed) return finish(body_end_->status, *body_end_->error);
  append(EventType::run_completed, "", {{"output", std::move(body_end_->output)}});
}

// The grace of a stop is over: the attempts are left to themselves, and their frame with them.
void Execution::force() {
  forced_ = true;
  FanOut* group = std::exchange(group_, nullptr);
  for (const auto& lane : lanes_)
    append(EventType::step_cancelled, lane.operation->key,
           {{"forced", true}, {"kind", json::to_value(lane.operation->kind)}});
  if (group != nullptr) append(EventType::step_cancelled, group->key, {{"forced", true}, {"kind", "fan_out"}});
  lanes_.clear();
  end_cancelled();
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
    Lane& lane = open_lane(nullptr);
    lane.failed = step != nullptr ? step->undo_attempts : 0;
    lane.phase = Lane::Phase::wants_attempt;
    return;
  }
  if (*ending_as_ == RunStatus::cancelled) {
    append(EventType::run_cancelled, "", {});
  } else {
    append(EventType::run_failed, "", {{"error", json::to_value(to_failure(*ending_error_))}, {"step", failed_step_}});
  }
}

void Execution::on_undo(Lane& lane, std::optional<Outcome> outcome) {
  const Compensation& compensation = compensations_[compensations_left_ - 1];
  if (const auto* error = std::get_if<base::Error>(&*outcome)) {
    const auto now = services_.clock.now();
    const auto delay = compensation.retry.delay(lane.failed + 1, now - *lane.started_at, *error, services_.random);
    if (delay) {
      ++lane.failed;
      append(EventType::compensation_failing, compensation.step, attempt_data(lane, *error, now + *delay));
      lane.phase = Lane::Phase::waiting;
      lane.until = now + *delay;
      return;
    }
    append(EventType::compensation_failed, compensation.step,
           {{"name", compensation.name}, {"error", json::to_value(to_failure(*error))}});
  } else {
    append(EventType::compensation_completed, compensation.step, {{"name", compensation.name}});
  }
  close_lane(lane);
  --compensations_left_;
  next_compensation();
}

}  // namespace slipway::durable
