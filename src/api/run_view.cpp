#include "api/run_view.h"

#include "base/trace_context.h"

namespace slipway::api {

using durable::StepStatus;

namespace {

StepView view_step(const durable::StepState& step) {
  StepView view{.name = step.key, .status = step.status, .started_at = step.started_at, .completed_at = step.ended_at};
  if (step.started_at && step.ended_at) view.duration_ms = (*step.ended_at - *step.started_at).count();
  if (step.status != StepStatus::pending) view.kind = step.kind;
  if (!step.child.empty()) view.child_run_id = step.child;
  if (step.items) view.items = std::int64_t(*step.items);
  if (step.taken_over) view.taken_over = true;
  if (!step.heartbeat.is_null()) view.heartbeat = step.heartbeat;
  if (step.attempts > 0) view.attempts = step.attempts;
  if (step.status == StepStatus::waiting || step.status == StepStatus::compensating)
    view.next_attempt_at = step.wake_at;
  if (const auto& failure = step.last_failure()) view.error = RunError{failure->code, failure->message, std::nullopt};
  return view;
}

}  // namespace

RunView view_row(const durable::journal::Row& row) {
  RunView view{.id = row.record.id.str(),
               .type = row.record.type,
               .status = row.status,
               .resource_type = row.record.resource_type,
               .resource_id = row.record.resource_id,
               .triggered_by = row.record.triggered_by,
               .started_at = row.record.started_at,
               .completed_at = row.completed_at,
               .parked_reason = row.parked_reason};
  if (const auto trace = base::trace_from_text(row.record.trace)) view.trace_id = trace->trace_id;
  if (row.completed_at) view.duration_ms = (*row.completed_at - row.record.started_at).count();
  if (!row.record.parent_id.empty()) view.parent_run_id = row.record.parent_id;
  if (!row.record.retry_of.empty()) view.retry_of = row.record.retry_of;
  if (row.needs_attention) view.needs_attention = true;
  if (row.failure) {
    view.error = RunError{row.failure->code, row.failure->message, std::nullopt};
    if (!row.failed_step.empty()) view.error->step = row.failed_step;
  }
  view.progress = row.completed_at ? 100 : 0;
  return view;
}

RunView view_run(const durable::journal::Row& row, const durable::RunState& state, const durable::Workflow* workflow,
                 const durable::TypeTimings& timings, base::Instant now) {
  RunView view = view_row(row);
  view.cancel_requested_at = state.cancel_requested_at;
  view.last_seq = state.last_seq;
  const auto outline = workflow != nullptr ? workflow->outline : std::vector<std::string>{};
  const auto foreseen = durable::estimate(state, outline, timings, now);
  view.progress = foreseen.progress;
  view.estimated_completion_at = foreseen.completion;
  view.steps.emplace();
  for (const auto& step : durable::with_outline(state, outline)) view.steps->push_back(view_step(step));
  return view;
}

durable::journal::Row row_at(durable::journal::Row row, const durable::RunState& then) {
  row.status = then.status;
  row.completed_at = then.ended_at;
  row.failure = then.failure;
  row.failed_step = then.failed_step;
  row.needs_attention = then.needs_attention;
  row.parked_reason.reset();
  return row;
}

WaitingView view_standing(const durable::queues::Standing& standing) {
  WaitingView view{.queue = standing.queue,
                   .key = {},
                   .priority = standing.priority,
                   .since = standing.since,
                   .position = standing.ahead + 1,
                   .ahead = standing.ahead,
                   .reason = standing.reason,
                   .explanation = standing.explanation,
                   .until = standing.until};
  if (!standing.key.empty()) view.key = standing.key;
  return view;
}

EventView view_event(const durable::Event& event) {
  EventView view{
      .seq = event.seq, .type = event.type, .at = event.at, .data = durable::payload::shown(event.data).as_object()};
  if (!event.step.empty()) view.step = event.step;
  return view;
}

}  // namespace slipway::api
