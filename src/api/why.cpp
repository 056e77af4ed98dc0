// GET /v1/why/:id: why something is in the state it is in, and what will happen next and when.

#include "api/job_view.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/run_view.h"
#include "api/why_alert.h"
#include "api/why_webhook.h"
#include "api/why_workstation.h"
#include "api/workspace_status.h"
#include "durable/journal.h"
#include "durable/queue_standing.h"

namespace slipway::api {
namespace {

using durable::StepStatus;
namespace journal = durable::journal;

std::string in_words(const std::optional<durable::Failure>& failure) {
  return failure ? failure->code + ": " + failure->message : "no reason was recorded";
}

void explain_step(Why& why, const durable::StepState& step) {
  const std::string name = "step '" + step.key + "'";
  switch (step.status) {
    case StepStatus::running:
      why.because.push_back(name +
                            (step.items ? " is at work on " + std::to_string(*step.items) + " items" : " is at work"));
      break;
    case StepStatus::waiting:
      if (step.kind == durable::StepKind::signal) {
        why.because.push_back(name + " waits for a signal");
        if (step.wake_at) why.next.push_back({name + " goes on without one", step.wake_at});
      } else if (step.kind == durable::StepKind::child) {
        why.because.push_back(name + " waits for run " + step.child);
      } else if (step.kind == durable::StepKind::sleep) {
        why.because.push_back(name + " sleeps");
        why.next.push_back({name + " goes on", step.wake_at});
      } else if (step.failure) {
        why.because.push_back(name + " failed " + std::to_string(step.attempts) +
                              " times; last: " + in_words(step.failure));
        why.next.push_back({name + " is tried again", step.wake_at});
      } else {
        why.because.push_back(name + " waits for its condition");
        why.next.push_back({name + " looks again", step.wake_at});
      }
      break;
    case StepStatus::compensating:
      why.because.push_back(name + " is being undone, which failed " + std::to_string(step.undo_attempts) +
                            " times; last: " + in_words(step.last_failure()));
      why.next.push_back({"undoing " + name + " is tried again", step.wake_at});
      break;
    case StepStatus::compensation_failed:
      why.because.push_back(name + " could not be undone: " + in_words(step.last_failure()) + ". This needs a person");
      break;
    case StepStatus::failed:
      why.because.push_back(name + " failed: " + in_words(step.failure));
      break;
    default:
      break;
  }
}

void explain_waiting(Why& why, const durable::queues::Standing& standing) {
  why.because.push_back("it waits: " + standing.explanation);
  why.because.push_back("it is number " + std::to_string(standing.ahead + 1) + " in line" +
                        (standing.key.empty() ? "" : ", under the key '" + standing.key + "'"));
  if (standing.reason == durable::WaitReason::paused) {
    why.next.push_back({"nothing, until the queue is resumed", {}});
  } else {
    why.next.push_back({"it is admitted when its turn comes", standing.until});
  }
}

void explain_run(Why& why, const journal::Row& row, const durable::RunState& state, const durable::Workflow* workflow) {
  if (row.parked_reason) why.because.push_back("it is parked: " + *row.parked_reason);
  if (state.cancel_requested_at) why.because.push_back("a cancel was asked for");
  if (state.timed_out_at) why.because.push_back("its time was over");
  const auto steps = durable::with_outline(state, workflow != nullptr ? workflow->outline : std::vector<std::string>{});
  for (const auto& step : steps) explain_step(why, step);
  if (state.is_final()) {
    if (why.because.empty()) why.because.push_back("every step completed");
    return;
  }
  if (why.because.empty()) why.because.push_back("it is between two steps");
  for (const auto& step : steps)
    if (step.status == StepStatus::pending) {
      why.next.push_back({"then step '" + step.key + "'", std::nullopt});
      break;
    }
}

net::Awaitable<std::optional<net::Response>> explain(Call& call) {
  parse_query<NoQuery>(call);
  const std::string& id = call.parameters.at(0);
  Why why{.id = id, .kind = {}, .state = {}, .because = {}, .next = {}};
  std::optional<fleet::Workspace> workspace;
  const auto run_of = [&](store::Transaction& tx, const base::RunId& run) {
    const auto row = journal::find(tx, run);
    const bool visible = row && (call.caller->is_admin() || row->record.owner_id == call.caller->user.str());
    if (!visible) throw base::not_found("run", run.str());
    if (why.kind.empty()) why.state = boost::describe::enum_to_string(row->status, "");
    if (row->status == durable::RunStatus::pending)
      if (const auto standing = durable::queues::standing_of(tx, run, call.hub.clock.now()))
        return explain_waiting(why, *standing);
    explain_run(why, *row, durable::fold_all(journal::events(tx, run)),
                call.hub.engine.find_workflow(row->record.type));
  };
  co_await read(call.hub, [&](store::Transaction& tx) {
    why.because.clear();
    why.next.clear();
    if (base::is_prefixed_id(id, base::RunKind::prefix)) {
      run_of(tx, base::RunId(id));
      return;
    }
    if (is_webhook_id(id)) {
      why = explain_webhook(tx, call.caller->scope(), id, call.hub.clock.now());
      return;
    }
    if (base::is_prefixed_id(id, fleet::AlertKind::prefix)) {
      why = explain_alert(tx, call.caller->scope(), fleet::AlertId(id));
      return;
    }
    if (base::is_prefixed_id(id, base::JobKind::prefix)) {
      why = explain_job(tx, call.caller->scope(), base::JobId(id), call.hub.queue_limits, call.hub.clock.now());
      return;
    }
    if (is_workstation_id(id)) {
      const auto workstation = fleet::get_workstation(tx, call.caller->scope(), id);
      why = explain_workstation(workstation);
      if (workstation.run_id) run_of(tx, *workstation.run_id);
      return;
    }
    if (!base::is_uuid(id)) throw base::not_found("workspace, workstation or run", id);
    workspace = fleet::get(tx, call.caller->scope(), base::WorkspaceId(id));
    why.kind = "workspace";
    why.state = boost::describe::enum_to_string(workspace->status, "");
    if (workspace->run_id) {
      why.because.push_back("run " + workspace->run_id->str() + " is at work on it");
      run_of(tx, *workspace->run_id);
    }
  });
  if (!workspace) {
    if (why.kind.empty()) why.kind = "run";
  } else if (!workspace->run_id) {
    const auto status = co_await look_at(call.hub, *workspace);
    why.because.push_back(status.explanation);
    if (workspace->status == fleet::WorkspaceStatus::SUSPENDED)
      why.next.push_back({"nothing, until it is started", {}});
    if (workspace->status == fleet::WorkspaceStatus::READY && status.agrees)
      why.next.push_back({"nothing, until it is stopped or deleted", {}});
    if (workspace->status == fleet::WorkspaceStatus::ERROR || !status.agrees)
      why.next.push_back({"nothing by itself: start it or delete it", {}});
  }
  co_return call.success(200, json::to_value(why));
}

}  // namespace

void add_why_routes(Router& router) {
  router.add(net::Method::get, "/v1/why/:id", Permission::member, explain,
             {.id = "explain",
              .tag = "System",
              .summary = "Why something is in the state it is in, and what happens next",
              .answer = one<Why>()});
}

}  // namespace slipway::api
