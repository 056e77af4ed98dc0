#include "fleet/run_changes.h"

#include <algorithm>

#include "fleet/shortened.h"

namespace slipway::fleet {

using durable::RunStatus;
using durable::TransitionKind;

namespace {

constexpr std::size_t kMessageMax = 1'000;  // of an error's message: the whole stands in the run

RunStatus status_after(TransitionKind kind) {
  switch (kind) {
    case TransitionKind::run_pending:
      return RunStatus::pending;
    case TransitionKind::run_completed:
      return RunStatus::completed;
    case TransitionKind::run_failed:
      return RunStatus::failed;
    case TransitionKind::run_cancelled:
      return RunStatus::cancelled;
    default:
      return RunStatus::running;
  }
}

}  // namespace

std::string to_change_type(TransitionKind kind) {
  std::string name = boost::describe::enum_to_string(kind, "");
  name[name.find('_')] = '.';
  return name;
}

RunChange to_run_change(const durable::Transition& transition) {
  const durable::RunRecord& run = *transition.run;
  RunChange change{.id = run.id.str(),
                   .type = run.type,
                   .status = status_after(transition.kind),
                   .resource_type = run.resource_type,
                   .resource_id = run.resource_id,
                   .triggered_by = run.triggered_by,
                   .started_at = run.started_at};
  const bool ended = change.status != RunStatus::running && change.status != RunStatus::pending;
  if (ended) {
    change.completed_at = transition.at;
    change.duration_ms = std::max<std::int64_t>(0, (transition.at - run.started_at).count());
  }
  if (transition.failure)
    change.error =
        RunChangeError{transition.failure->code, shortened(transition.failure->message, kMessageMax), std::nullopt};
  if (transition.step.empty()) return change;
  if (ended && change.error)
    change.error->step = transition.step;
  else if (!ended)
    change.step = transition.step;
  return change;
}

void RunChangeRecorder::tell(store::Transaction& tx, std::span<const durable::Transition> transitions) const {
  constexpr std::size_t kColumns = 5;
  std::vector<store::Parameter> parameters;
  parameters.reserve(transitions.size() * kColumns);
  for (const auto& transition : transitions) {
    parameters.push_back(store::Parameter::view(transition.run->owner_id));
    parameters.emplace_back(to_change_type(transition.kind));
    parameters.push_back(store::Parameter::view(transition.run->id.str()));
    parameters.emplace_back(transition.at);
    parameters.emplace_back(json::print(to_run_change(transition)));
  }
  tx.execute_many("INSERT INTO changes (owner_id, type, resource_id, at, data) VALUES ($1, $2, $3, $4, $5)", kColumns,
                  parameters);
}

}  // namespace slipway::fleet
