// /v1/daemon: what provisioner daemons say and ask (RUN-2). Any replica answers any call; each writes once at most
// while something is to be written, and leaves nothing in this process that the next call would need.

#include "api/change_stream.h"
#include "api/job_bells.h"
#include "api/job_metrics.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/acquired_job.h"
#include "fleet/job_log.h"
#include "fleet/job_subject.h"
#include "fleet/quota.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
using base::DaemonId;
using base::JobId;

constexpr base::Duration kWaitMax = std::chrono::seconds(60);   // proxies cut calls that are silent for longer
constexpr base::Duration kLookEvery = std::chrono::seconds(2);  // bells get lost, and retries come due without one

constexpr std::size_t kBodyMax = std::size_t(16) * 1024 * 1024;  // lines of a log have any length

// Both sides of the wire may be newer than the other.
template <class T>
T read_body(const Call& call) {
  return json::from_value<T>(body_value(call), json::Mode::lenient);
}

JobId job_of(const Call& call) { return JobId(call.parameters.at(0)); }

// How long a call may still wait: never longer than somebody waits for its answer.
class Patience {
 public:
  Patience(const Call& call, base::Duration wanted)
      : hub_(call.hub),
        exchange_(call.exchange),
        until_(hub_.clock.monotonic() + std::clamp(wanted, base::Duration(0), kWaitMax)) {}
  bool is_over() const { return hub_.draining || hub_.clock.monotonic() >= until_ || exchange_.peer_gone(); }
  base::Duration until_next_look() const { return std::min(kLookEvery, until_ - hub_.clock.monotonic()); }

 private:
  const Hub& hub_;
  const net::Exchange& exchange_;
  const base::Instant until_;
};

// ---- the daemon

Answer register_one(Call& call) {
  const auto request = read_body<fleet::RegisterDaemon>(call);
  const auto id = call.hub.ids.make<DaemonId>();
  const auto now = call.hub.clock.now();
  co_await write(call.hub, [&](store::Transaction& tx) { fleet::register_daemon(tx, request, *call.daemon, id, now); });
  co_return call.success(
      200, json::to_value(fleet::DaemonRegistered{
               .daemon_id = id.str(), .hub_version = call.hub.version, .lease_ms = call.hub.queue_limits.lease}));
}

struct Taken {
  fleet::Daemon daemon;
  fleet::JobAcquired answer;
};

net::Awaitable<Taken> try_to_take(Call& call, const fleet::AcquireJob& request) {
  auto& hub = call.hub;
  const auto now = hub.clock.now();
  Taken taken;
  co_await write(hub, [&](store::Transaction& tx) {
    taken = {};
    taken.daemon = fleet::see_daemon(tx, DaemonId(request.daemon_id), call.daemon->id, request.draining, now);
    if (const auto job = fleet::take_job(tx, taken.daemon, request.token, hub.queue_limits, now))
      taken.answer.job = fleet::to_acquired(tx, hub.sealer, *job);
  });
  if (taken.answer.job) {
    hub.job_bells.ring(taken.answer.job->id);
    hub.changes.look();
  }
  co_return taken;
}

// Whether it is worth a write to look: something to take, or to be seen again after a while.
net::Awaitable<bool> is_worth_a_try(Call& call, const fleet::Daemon& daemon) {
  const auto now = call.hub.clock.now();
  bool worth = false;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto found = fleet::find_daemon(tx, daemon.id, daemon.key_id, now);
    worth = now - found.seen_at > fleet::kDaemonSilence / 3 || fleet::may_take(tx, found, now);
  });
  co_return worth;
}

Answer acquire(Call& call) {
  const auto request = read_body<fleet::AcquireJob>(call);
  if (request.token.empty()) throw base::validation_error("token", "is required");
  const auto bell = call.hub.job_bells.bell(std::string(fleet::kBellQueue));
  const Patience patience(call, request.draining ? base::Duration(0) : request.wait_ms);
  auto heard = bell->rung();
  // A daemon that was killed while it asked: a job would be lost with it until the lease ends, and an attempt as well.
  if (call.exchange.peer_gone()) co_return call.success(200, json::to_value(fleet::JobAcquired{}));
  auto taken = co_await try_to_take(call, request);
  while (!taken.answer.job && !patience.is_over()) {
    co_await bell->wait_for_more(heard, patience.until_next_look());
    if (patience.is_over()) break;
    heard = bell->rung();
    if (co_await is_worth_a_try(call, taken.daemon)) taken = co_await try_to_take(call, request);
  }
  co_return call.success(200, json::to_value(taken.answer, json::Secrets::revealed));
}

Answer wait_for_cancels(Call& call) {
  const auto request = read_body<fleet::WaitForCancels>(call);
  const auto bell = call.hub.job_bells.bell(std::string(fleet::kBellCancels));
  const Patience patience(call, request.wait_ms);
  const DaemonId daemon(request.daemon_id);
  const auto is_new = [&](const std::string& id) {
    return std::ranges::find(request.known, id) == request.known.end();
  };
  fleet::CancelledJobs answer;
  for (;;) {
    const auto heard = bell->rung();
    co_await read(call.hub, [&](store::Transaction& tx) {
      fleet::find_daemon(tx, daemon, call.daemon->id, call.hub.clock.now());
      answer.jobs = fleet::cancelled_jobs(tx, daemon, call.daemon->id);
    });
    if (std::ranges::any_of(answer.jobs, is_new) || patience.is_over()) break;
    co_await bell->wait_for_more(heard, patience.until_next_look());
  }
  co_return call.success(200, json::to_value(answer));
}

struct Goodbye {
  std::string daemon_id;
};
SLIPWAY_JSON_CAMEL(Goodbye, daemon_id)

Answer say_goodbye(Call& call) {
  const DaemonId daemon(read_body<Goodbye>(call).daemon_id);
  const auto now = call.hub.clock.now();
  co_await write(call.hub, [&](store::Transaction& tx) {
    fleet::set_gone(tx, daemon, call.daemon->id);
    fleet::release_jobs_of(tx, daemon, call.daemon->id, now);
  });
  co_return call.success(200, json::Object{});
}

// ---- one job

Answer update(Call& call) {
  const auto request = read_body<fleet::JobUpdate>(call);
  const auto id = job_of(call);
  auto& hub = call.hub;
  const auto now = hub.clock.now();
  fleet::JobUpdated answer;
  co_await write(hub, [&](store::Transaction& tx) {
    auto job = fleet::held_job(tx, id, request.fence, call.daemon->id);
    fleet::renew_lease(tx, job, request, hub.queue_limits, now);
    answer.next_log = fleet::append_log(tx, job, request.first_log, request.logs);
    answer.variables.clear();
    if (request.parsed) answer.variables = fleet::on_job_parsed(tx, hub.sealer, job, *request.parsed, now);
    answer.cancelled = job.cancel_requested_at.has_value();
    if (job.daemon_id) fleet::note_seen(tx, *job.daemon_id, now);
  });
  if (!request.logs.empty()) hub.job_bells.ring(id.str());
  co_return call.success(200, json::to_value(answer, json::Secrets::revealed));
}

Answer commit_quota(Call& call) {
  const auto request = read_body<fleet::CommitQuota>(call);
  const auto now = call.hub.clock.now();
  fleet::QuotaCommitted answer;
  co_await write(call.hub, [&](store::Transaction& tx) {
    const auto job = fleet::held_job(tx, job_of(call), request.fence, call.daemon->id);
    answer = fleet::commit_quota(tx, job, request.daily_cost, now);
  });
  co_return call.success(200, json::to_value(answer));
}

net::Response answer_end(Call& call, const fleet::Reported& reported) {
  if (reported.news) tell_moved(call.hub, {&*reported.news, 1});
  return call.success(200, json::to_value(fleet::JobEnded{reported.status}));
}

Answer complete(Call& call) {
  const auto outcome = read_body<fleet::CompletedJob>(call);
  const auto id = job_of(call);
  const auto now = call.hub.clock.now();
  fleet::Reported reported;
  co_await write(
      call.hub, [&](store::Transaction& tx) { reported = fleet::complete_job(tx, id, call.daemon->id, outcome, now); });
  co_return answer_end(call, reported);
}

Answer fail(Call& call) {
  const auto outcome = read_body<fleet::FailedJob>(call);
  const auto id = job_of(call);
  const auto now = call.hub.clock.now();
  fleet::Reported reported;
  co_await write(call.hub,
                 [&](store::Transaction& tx) { reported = fleet::fail_job(tx, id, call.daemon->id, outcome, now); });
  co_return answer_end(call, reported);
}

template <class Body, class Answered>
void add(Router& router, const std::string& path, std::string id, std::string summary, RouteHandler handler) {
  router.add(net::Method::post, "/v1/daemon" + path, Permission::daemon, std::move(handler),
             {.id = std::move(id),
              .tag = "Daemons",
              .summary = std::move(summary),
              .body = body_of<Body>(),
              .answer = one<Answered>(),
              .body_limit = kBodyMax,
              .hidden = true});
}

}  // namespace

void add_daemon_calls(Router& router) {
  add<fleet::RegisterDaemon, fleet::DaemonRegistered>(router, "/register", "registerDaemon", "A daemon begins",
                                                      register_one);
  add<fleet::AcquireJob, fleet::JobAcquired>(router, "/acquire", "acquireJob", "Waits for a job", acquire);
  add<fleet::WaitForCancels, fleet::CancelledJobs>(router, "/cancellations", "awaitCancels",
                                                   "Waits until a job is to be cancelled", wait_for_cancels);
  add<Goodbye, NoBody>(router, "/goodbye", "sayGoodbye", "A daemon ends", say_goodbye);
  const std::string job = "/jobs/:id";
  add<fleet::JobUpdate, fleet::JobUpdated>(router, job + "/update", "updateJob", "A job lives", update);
  add<fleet::CommitQuota, fleet::QuotaCommitted>(router, job + "/commit-quota", "commitJobQuota",
                                                 "Asks whether its owner may have it", commit_quota);
  add<fleet::CompletedJob, fleet::JobEnded>(router, job + "/complete", "completeJob", "A job is done", complete);
  add<fleet::FailedJob, fleet::JobEnded>(router, job + "/fail", "failJob", "A job has failed", fail);
}

}  // namespace slipway::api
