// What every call of the cloud has in common: begin it, wait for its end, and know what to do with each way it fails.

#include "fleet/alert.h"
#include "workflows/workstation_services.h"

namespace slipway::workflows {
namespace {

using namespace std::chrono_literals;
using base::ErrorClass;
using durable::Attempt;
using durable::Context;
using durable::Failure;
using durable::Run;

constexpr int kTriesMax = 4;     // of work that failed late, for a reason that passes
constexpr int kLooksFirst = 12;  // WP-6: as many, and then more with less hope
constexpr base::Duration kNextTry{5'000};

durable::Retry begin_retry() {
  auto retry = durable::retry::cloud(std::string(kWorkstationsEndpoint));
  retry.attempts_max = 30;  // a circuit that is open, or a broken region, passes
  retry.waits_for_quota = false;
  return retry;
}

// Until it is gone: minutes, in the cloud.
durable::Retry undo_retry() {
  return {.attempts_max = 200,
          .first_delay = 1s,
          .factor = 1.5,
          .delay_max = 30s,
          .time_max = 2h,
          .endpoint = std::string(kWorkstationsEndpoint)};
}

Run<std::string> begin(Context& run, const WorkstationServices& services, const CloudWork& work) {
  if (work.undo.empty())
    co_return co_await run.step(work.step, begin_retry(), [&](Attempt& a) { return work.begin(a); });
  auto take_away = durable::undo(work.undo, [&services, resource = work.resource, by = run.id()](Attempt& attempt) {
    if (services.holds_workstation(by)) services.cloud.take_away(resource, attempt.stop());
  });
  take_away.retry = undo_retry();
  co_return co_await run.step(
      work.step, begin_retry(), [&](Attempt& a) { return work.begin(a); }, std::move(take_away));
}

void report_slow(store::Transaction& tx, const WorkstationServices& services, const WorkstationLimits& limits,
                 const std::string& id, const RunId& run) {
  const auto record = services.workstation(tx, id);
  fleet::raise_alert(tx,
                     {.kind = std::string(kSlowAlert),
                      .severity = fleet::AlertSeverity::warning,
                      .resource_type = "workstation",
                      .resource_id = id,
                      .owner_id = record.user_id,
                      .run_id = run.str(),
                      .message = "it has taken more than " + base::format_duration(limits.slow_after) +
                                 " so far, and is waited for until " + base::format_duration(limits.give_up_after)},
                     services.clock.now());
}

// Looks until it is done. Three bounds, one after another: the usual one, the one that alerts, and the last (WP-6,
// WP-13).
Run<Sighting> wait_for_end(Context& run, const WorkstationServices& services, const WorkstationLimits& limits,
                           const std::string& id, const CloudWork& work, const std::string& operation) {
  const auto began = run.now();
  const auto look = [&, by = run.id()](Attempt& attempt) {
    auto seen = work.look(operation, attempt.stop());
    if (!seen.end) services.watch.expect(by, work.resource, seen.appearance);
    return seen.end;
  };
  const base::Duration bounds[] = {std::min(limits.poll_every * kLooksFirst, limits.slow_after), limits.slow_after,
                                   limits.give_up_after};
  auto every = durable::every(limits.poll_every).after(limits.first_look_after);
  base::Duration waited{0};
  for (const auto bound : bounds) {
    if (bound <= waited) continue;
    try {
      co_return co_await run.poll(work.wait, every.at_most(bound - waited), look);
    } catch (const base::Error& error) {
      if (error.code() != "TIMED_OUT") throw;
    }
    waited = run.now() - began;
    if (bound == limits.slow_after)
      co_await run.transaction("report-slow",
                               [&](store::Transaction& tx) { report_slow(tx, services, limits, id, run.id()); });
  }
  throw base::Error(ErrorClass::internal, "CREATION_TIMED_OUT",
                    work.wait + " did not come true within " + base::format_duration(limits.give_up_after) +
                        "; it was given up" + (work.undo.empty() ? "" : " and is taken away again"));
}

void report_quota(store::Transaction& tx, const WorkstationServices& services, const std::string& id, const RunId& run,
                  const Failure& failure, base::Duration wait) {
  const auto record = services.workstation(tx, id);
  const auto now = services.clock.now();
  fleet::set_waiting(tx, id, run, "quota", now);
  fleet::raise_alert(tx,
                     {.kind = std::string(kQuotaAlert),
                      .severity = fleet::AlertSeverity::warning,
                      .resource_type = "workstation",
                      .resource_id = id,
                      .owner_id = record.user_id,
                      .run_id = run.str(),
                      .message = "the cloud has no room for it: " + failure.message + "; it is tried again in " +
                                 base::format_duration(wait),
                      .details = failure.details},
                     now);
}

// WP-11: visibly, up to an hour at a time, for as long as it takes.
Run<> wait_for_quota(Context& run, const WorkstationServices& services, const WorkstationLimits& limits,
                     const std::string& id, const Failure& failure, int times) {
  auto wait = limits.quota_wait_first;
  for (int i = 1; i < times && wait < limits.quota_wait_max; ++i) wait *= 2;
  wait = std::min(wait, limits.quota_wait_max);
  wait = wait / 2 + wait * (run.random() % 1000) / 2000;  // those who wait together do not come back together
  co_await run.transaction("report-quota",
                           [&](store::Transaction& tx) { report_quota(tx, services, id, run.id(), failure, wait); });
  co_await run.sleep("wait-for-quota", wait);
}

}  // namespace

Run<Sighting> do_in_cloud(Context& run, const WorkstationServices& services, WorkstationLimits limits, std::string id,
                          CloudWork work) {
  int quota_waits = 0;
  bool is_waiting = false;
  for (int tries = 1;;) {
    std::optional<Failure> failure;
    try {
      const auto operation = co_await begin(run, services, work);
      if (std::exchange(is_waiting, false))
        co_await run.transaction("note-room", [&](store::Transaction& tx) {
          fleet::set_waiting(tx, id, run.id(), std::nullopt, services.clock.now());
        });
      auto seen = co_await wait_for_end(run, services, limits, id, work, operation);
      if (seen.succeeded) co_return seen;
      failure = seen.failure;
    } catch (const base::Error& error) {
      if (error.error_class() != ErrorClass::quota) throw;
      failure = durable::to_failure(error);
    }
    if (failure->error_class == ErrorClass::quota) {
      is_waiting = true;
      co_await wait_for_quota(run, services, limits, id, *failure, ++quota_waits);
      continue;
    }
    const bool passes = failure->error_class == ErrorClass::transient || failure->error_class == ErrorClass::throttled;
    if (!passes || tries++ == kTriesMax) throw durable::to_error(*failure);
    co_await run.sleep("wait-for-next-try", kNextTry);
  }
}

}  // namespace slipway::workflows
