// Cancelling a run, and doing it again (WF-3, WF-4).

#include "api/launch.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/runs.h"
#include "durable/run_retry.h"
#include "workflows/forget_old.h"
#include "workflows/message_dead_letter.h"
#include "workflows/template_import.h"
#include "workflows/workstation_changes.h"
#include "workflows/workstation_provision.h"
#include "workflows/workstation_setup.h"
#include "workflows/workstation_sweep.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
namespace journal = durable::journal;

constexpr std::string_view kExpectedStatus = "The status in which the caller saw the run: 412 when it has another";

struct CancelRun {
  std::optional<durable::RunStatus> expected_status;
};
SLIPWAY_JSON_CAMEL(CancelRun, expected_status)
inline const json::Rules& json_rules(const CancelRun*) {
  static const json::Rules rules{{.member = "expected_status", .description = kExpectedStatus}};
  return rules;
}

struct RetryRun {
  std::optional<std::string> from_step;
  std::optional<durable::RunStatus> expected_status;
};
SLIPWAY_JSON_CAMEL(RetryRun, from_step, expected_status)
inline const json::Rules& json_rules(const RetryRun*) {
  static const json::Rules rules{
      {.member = "from_step",
       .description = "The results of the steps before it are taken over, as far as they still hold. Left out: from "
                      "the start",
       .min_length = 1,
       .max_length = 200},
      {.member = "expected_status", .description = kExpectedStatus}};
  return rules;
}

struct AcceptedCancel {
  RunView run;
  std::string status_url;
};
SLIPWAY_JSON_CAMEL(AcceptedCancel, run, status_url)

struct AcceptedRetry {
  RunView run;
  std::string retry_of;
  std::vector<std::string> taken_over;
  std::optional<std::string> starts_at;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedRetry, run, retry_of, taken_over, starts_at, status_url, estimated_duration_ms)
inline const json::Rules& json_rules(const AcceptedRetry*) {
  static const json::Rules rules{
      {.member = "run", .description = "The new run"},
      {.member = "taken_over", .description = "Steps whose results are those of the old run"},
      {.member = "starts_at",
       .description = "The first step that is done: before `fromStep` when what came before was undone"}};
  return rules;
}

net::Response with_location(net::Response answer, const std::string& url) {
  answer.headers.set("Location", url);
  answer.headers.set("Retry-After", "1");
  return answer;
}

std::string url_of(const base::RunId& id) { return std::string(kRuns) + "/" + id.str(); }

// What only an admin may start, only an admin may cancel or do again, also where the run belongs to somebody else: a
// workstation's user sees how it is made, but did not order it.
constexpr std::array kRunsOfAdmins{
    workflows::ForgetOld::kType,        workflows::MessageDeadLetter::kType,     workflows::WorkstationProvision::kType,
    workflows::WorkstationSetup::kType, workflows::WorkstationChangeTier::kType, workflows::WorkstationOffboard::kType,
    workflows::WorkstationSweep::kType, workflows::TemplateImport::kType};

// Throws FORBIDDEN; NOT_FOUND comes first, for runs that the caller may not even see.
void check_may_steer(const Call& call, const durable::RunRecord& run) {
  const bool is_admins = std::ranges::find(kRunsOfAdmins, run.type) != kRunsOfAdmins.end();
  if (is_admins && !call.caller->is_admin())
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin may cancel or retry a run of " + run.type);
}

Answer cancel(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<CancelRun>(call);
  const auto id = read_run_id(call);
  std::function<void()> tell;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto row = visible_run(tx, call, id);
    check_may_steer(call, row.record);
    check_expectations(call, row, journal::last_seq(tx, id), request.expected_status);
    if (row.completed_at)
      throw base::Error(base::ErrorClass::conflict, "INVALID_STATE_TRANSITION",
                        "the run has ended: " + std::string(boost::describe::enum_to_string(row.status, "")),
                        json::Object{{"status", json::to_value(row.status)}});
    tell = call.hub.engine.insert_cancel(tx, id, call.caller->user.str());
    const AcceptedCancel data{.run = full_view(tx, call.hub, visible_run(tx, call, id)), .status_url = url_of(id)};
    return Deed{.answer = with_location(call.success(202, json::to_value(data)), data.status_url),
                .action = "run.cancel",
                .resource_type = "run",
                .resource_id = id.str()};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  tell();
  co_return co_await wait_for_end(call, id, std::move(committed.answer));
}

AcceptedRetry describe(store::Transaction& tx, Hub& hub, const durable::Retried& retried) {
  const auto& record = retried.record;
  AcceptedRetry data{.run = full_view(tx, hub, *journal::find(tx, record.id)),
                     .retry_of = record.retry_of,
                     .taken_over = retried.taken_over,
                     .status_url = url_of(record.id),
                     .estimated_duration_ms = journal::usual_duration(tx, record.type)};
  if (!retried.starts_at.empty()) data.starts_at = retried.starts_at;
  return data;
}

Answer retry(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<RetryRun>(call);
  const auto id = read_run_id(call);
  const auto wish =
      call.hub.engine.make_retry(id, request.from_step.value_or(""), call.caller->user.str(), call.trace_text());
  durable::Retried retried;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto row = visible_run(tx, call, id);
    check_may_steer(call, row.record);
    check_expectations(call, row, journal::last_seq(tx, id), request.expected_status);
    retried = call.hub.engine.insert_retry(tx, wish);
    const auto data = describe(tx, call.hub, retried);
    json::Object details{{"run", data.run.id}};
    if (request.from_step) details["fromStep"] = *request.from_step;
    return Deed{.answer = with_location(call.success(202, json::to_value(data)), data.status_url),
                .action = "run.retry",
                .resource_type = "run",
                .resource_id = id.str(),
                .details = std::move(details)};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, std::move(retried.record), std::move(committed.answer));
}

}  // namespace

void add_run_actions(Router& router) {
  const std::string base(kRuns);
  router.add(net::Method::post, base + "/:id/cancel", Permission::member, cancel,
             {.id = "cancelRun",
              .tag = "Runs",
              .summary = "Ask a run to stop, and undo what it did",
              .description = "What is under way is told to give up, and is left behind when it does not; then what was "
                             "done is undone, newest first. Asking again adds nothing.",
              .body = optional_body_of<CancelRun>(),
              .answer = one<AcceptedCancel>(202),
              .if_match = true,
              .prefer_wait = true,
              .errors = {403, 409}});
  router.add(net::Method::post, base + "/:id/retry", Permission::member, retry,
             {.id = "retryRun",
              .tag = "Runs",
              .summary = "Do a failed or cancelled run again, by a new run",
              .description = "The old run stays as it is; both say of each other. One at a time is at work.",
              .body = optional_body_of<RetryRun>(),
              .answer = one<AcceptedRetry>(202),
              .if_match = true,
              .prefer_wait = true,
              .errors = {403, 409}});
}

}  // namespace slipway::api
