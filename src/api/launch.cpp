#include "api/launch.h"

#include <charconv>

#include "api/doorbell.h"
#include "api/run_view.h"
#include "api/runs.h"

namespace slipway::api {
namespace {

constexpr std::int64_t kWaitMax = 60;  // seconds: below the patience of usual proxies

// RFC 7240: wait=N among the preferences. What cannot be read is ignored, as preferences are.
base::Duration wished_wait(const net::Request& request) {
  const auto prefer = request.headers.get("Prefer");
  if (!prefer) return base::Duration(0);
  const auto at = prefer->find("wait=");
  if (at == std::string_view::npos) return base::Duration(0);
  std::int64_t seconds = 0;
  std::from_chars(prefer->data() + at + 5, prefer->data() + prefer->size(), seconds);
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kWaitMax));
}

}  // namespace

net::Response accepted(const Call& call, const durable::RunRecord& run, std::string_view name,
                       const json::Value& subject, std::optional<base::Duration> usual_duration) {
  durable::journal::Row row;
  row.record = run;
  const auto state = durable::fold_all(durable::journal::first_events(run, run.ticket ? run.ticket->queue : ""));
  row.status = state.status;
  const auto url = "/v1/workflows/runs/" + run.id.str();
  json::Object data{{name, subject},
                    {"run", json::to_value(view_run(row, state, call.hub.engine.find_workflow(run.type)))},
                    {"statusUrl", url}};
  if (usual_duration) data["estimatedDurationMs"] = usual_duration->count();
  auto answer = call.success(202, data);
  answer.headers.set("Location", url);
  answer.headers.set("Retry-After", "1");
  return answer;
}

net::Awaitable<net::Response> launch(Call& call, durable::RunRecord run, net::Response answer) {
  const base::RunId id = run.id;
  const auto bell = call.hub.run_bell.bell(id.str());
  call.hub.engine.launch(std::move(run));
  co_return co_await wait_for_end(call, id, std::move(answer));
}

net::Awaitable<net::Response> wait_for_end(Call& call, base::RunId id, net::Response answer) {
  Hub& hub = call.hub;
  const auto bell = hub.run_bell.bell(id.str());
  const auto wait = wished_wait(call.request);
  if (wait == base::Duration(0)) co_return answer;

  const auto until = hub.clock.now() + wait;
  for (;;) {
    std::optional<RunView> view;
    co_await read(hub, [&](store::Transaction& tx) {
      view.reset();
      if (const auto row = durable::journal::find(tx, id)) view = full_view(tx, hub, *row);
    });
    if (!view) co_return answer;  // forgotten meanwhile, as old runs are
    const auto left = until - hub.clock.now();
    if (!view->completed_at && left > base::Duration(0) && !hub.draining) {
      co_await bell->wait_for(left);
      continue;
    }
    auto body = json::parse_value(answer.body);
    body.at("data").as_object()["run"] = json::to_value(*view);
    answer.body = json::print_value(body);
    answer.headers.set("Preference-Applied", "wait");
    co_return answer;
  }
}

}  // namespace slipway::api
