#include "app/job_sweeper.h"

#include <algorithm>

#include "api/call.h"
#include "api/change_stream.h"
#include "api/job_bells.h"
#include "api/job_metrics.h"
#include "durable/membership.h"
#include "fleet/alert.h"

namespace slipway::app {
namespace {

using namespace std::chrono_literals;
using fleet::Unserved;

constexpr base::Duration kPause = 1s;
// A hub that was not there, or had no database, for longer than this has answered no daemon: their silence is its own.
constexpr base::Duration kAway = 5s;
constexpr base::Duration kGrace = fleet::kLease * 2 / 3;  // then those that live have said so: two updates
constexpr int kLooksBetween = 15;                         // of unserved jobs and of what is forgotten: no hurry
constexpr base::Duration kUnservedTold = 5min;            // for so long a daemon may be on its way
constexpr std::int64_t kAtOnce = 200;                     // in one write: others' come between
constexpr std::string_view kNoDaemon = "job.no_daemon";
constexpr std::string_view kResource = "provisioner";

fleet::RaiseAlert no_daemon(const Unserved& unserved) {
  return {.kind = std::string(kNoDaemon),
          .severity = fleet::AlertSeverity::warning,
          .resource_type = std::string(kResource),
          .resource_id = unserved.name(),
          .message = std::to_string(unserved.jobs) + " jobs wait, the first since " +
                     base::format_rfc3339(unserved.oldest) +
                     ", and no provisioner daemon can take them: they ask for " + unserved.name(),
          .details = json::Object{{"provisioner", unserved.provisioner}, {"tags", json::parse_value(unserved.tags)}}};
}

// Raised once, and gone when it is over.
void keep_alerts(store::Transaction& tx, const std::vector<Unserved>& unserved, const UnservedWatch& watch,
                 base::Instant now) {
  const auto open = fleet::list_alerts(tx, fleet::Scope::everything("the hub watches over jobs"),
                                       {.states = {fleet::AlertState::open, fleet::AlertState::acknowledged},
                                        .kind = std::string(kNoDaemon),
                                        .limit = kAtOnce});
  for (const auto& group : unserved) {
    if (!watch.since(group, now - kUnservedTold)) continue;
    if (std::ranges::none_of(open, [&](const auto& alert) { return alert.resource_id == group.name(); }))
      fleet::raise_alert(tx, no_daemon(group), now);
  }
  for (const auto& alert : open)
    if (std::ranges::none_of(unserved, [&](const auto& group) { return group.name() == alert.resource_id; }))
      fleet::resolve_alert(tx, kNoDaemon, kResource, alert.resource_id, "hub", now);
}

}  // namespace

JobSweeper::JobSweeper(api::Hub& hub, SweeperOptions options) : hub_(hub), options_(options), stopping_(hub.io) {
  register_gauges();
}

void JobSweeper::stop() {
  stopped_ = true;
  stopping_.notify_all();
}

net::Awaitable<void> JobSweeper::run() {
  while (!stopped_) {
    try {
      co_await look();
    } catch (...) {
      hub_.log.error("jobs could not be looked after, and it is tried again", base::as_error(std::current_exception()),
                     {});
    }
    if (!stopped_) co_await stopping_.wait_for(kPause);
  }
}

net::Awaitable<void> JobSweeper::look() {
  bool lost = false;
  fleet::JobCensus census;  // the work below is done by another thread, and the gauges are read by this one
  co_await api::read(hub_, [&](store::Transaction& tx) {
    lost = fleet::any_lost(tx, hub_.clock.now());
    census = fleet::take_job_census(tx, hub_.clock.now());
  });
  census_ = std::move(census);
  const auto now = hub_.clock.monotonic();
  if (!last_look_ || now - *last_look_ > kAway) may_judge_at_ = now + kGrace;
  last_look_ = now;
  if (now < may_judge_at_) co_return;
  if (lost) co_await take_back();
  if (looks_++ % kLooksBetween == 0) co_await look_at_unserved();
}

net::Awaitable<void> JobSweeper::take_back() {
  for (bool more = true; more && !stopped_;) {
    fleet::Swept swept;
    co_await api::write(hub_,
                        [&](store::Transaction& tx) { swept = fleet::sweep_lost_jobs(tx, hub_.clock.now(), kAtOnce); });
    tell(swept);
    more = std::int64_t(swept.requeued.size() + swept.ended.size() + swept.salvaging.size()) >= kAtOnce;
  }
}

void JobSweeper::tell(const fleet::Swept& swept) {
  const auto say = [&](const std::vector<fleet::Job>& jobs, std::string_view what) {
    for (const auto& job : jobs)
      hub_.log.warning(what, {{"job", job.id}, {"daemon", job.daemon_name}, {"attempt", job.attempt}});
    api::tell_moved(hub_, jobs);
  };
  say(swept.requeued, "a job whose daemon was lost waits for another");
  say(swept.salvaging, "a daemon was lost, and what it left may write its last state");
  say(swept.ended, "a job has ended without its daemon");
}

net::Awaitable<void> JobSweeper::look_at_unserved() {
  std::vector<Unserved> unserved;
  bool is_eldest = false, any_alert = false;
  co_await api::read(hub_, [&](store::Transaction& tx) {
    is_eldest = durable::is_eldest(tx, hub_.engine.replica());
    unserved = fleet::unserved_jobs(tx, hub_.clock.now());
    any_alert = fleet::count_alerts(tx, fleet::Scope::everything("the hub watches over jobs"),
                                    {.states = {fleet::AlertState::open, fleet::AlertState::acknowledged},
                                     .kind = std::string(kNoDaemon)}) > 0;
  });
  unserved_watch_.note(unserved, hub_.clock.now());  // also by those that may become the eldest
  if (!is_eldest) co_return;
  co_await api::write(hub_, [&](store::Transaction& tx) {
    fleet::forget_jobs(tx, hub_.clock.now());
    fleet::forget_daemons(tx, hub_.clock.now());
    if (!unserved.empty() || any_alert) keep_alerts(tx, unserved, unserved_watch_, hub_.clock.now());
  });
  if (options_.pending_max.count() > 0) co_await fail_those_too_long(unserved);
}

net::Awaitable<void> JobSweeper::fail_those_too_long(const std::vector<Unserved>& unserved) {
  for (const auto& group : unserved) {
    const auto before = hub_.clock.now() - options_.pending_max;
    if (group.oldest >= before || !unserved_watch_.since(group, before)) continue;
    fleet::Swept swept;
    co_await api::write(hub_, [&](store::Transaction& tx) {
      swept.ended = fleet::fail_unserved(tx, group, before, kAtOnce, hub_.clock.now());
    });
    tell(swept);
  }
}

void JobSweeper::register_gauges() {
  using Samples = std::vector<observe::Registry::Sample>;
  const auto add = [&](const char* name, const char* help, std::function<Samples()> function) {
    gauges_.push_back(hub_.metrics.read_many(observe::Registry::Kind::gauge, name, help, std::move(function)));
  };
  add("slipway_provisioner_jobs_current", "Provisioner jobs that daemons do, over all replicas.", [this] {
    Samples samples;
    for (const auto& each : census_.at_work)
      samples.push_back({{{"provisioner", each.provisioner}}, double(each.jobs)});
    return samples;
  });
  add("slipway_provisioner_daemons", "Provisioner daemons, over all replicas.", [this] {
    Samples samples;
    for (const auto& each : census_.daemons)
      samples.push_back({{{"status", boost::describe::enum_to_string(each.status, "")}}, double(each.count)});
    return samples;
  });
  add("slipway_provisioner_queue_length", "Provisioner jobs that wait, over all replicas.", [this] {
    Samples samples;
    for (const auto& each : census_.waiting)
      samples.push_back({{{"priority", boost::describe::enum_to_string(each.priority, "")}}, double(each.jobs)});
    return samples;
  });
  add("slipway_provisioner_queue_oldest_seconds", "How long the provisioner job waits that waits longest.", [this] {
    Samples samples;
    const auto now = hub_.clock.now();
    for (const auto& each : census_.waiting) {
      const auto age = each.oldest ? std::chrono::duration<double>(now - *each.oldest).count() : 0.0;
      samples.push_back({{{"priority", boost::describe::enum_to_string(each.priority, "")}}, std::max(0.0, age)});
    }
    return samples;
  });
}

}  // namespace slipway::app
