#include "workflows/job_run.h"

#include "fleet/job_queue.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::undo;
using durable::within;
using fleet::JobStatus;

namespace {

// A provisioner that does not heed a cancel is forced after some minutes: longer than this is for a person.
constexpr base::Duration kCancelTakesAtMost = 1h;

// A look each time, and no thread that waits.
const durable::Retry kUntilCancelled{
    .attempts_max = 10'000, .first_delay = 100ms, .factor = 1.5, .delay_max = 5s, .time_max = kCancelTakesAtMost};

bool request_end(store::Transaction& tx, const fleet::JobId& id, const std::string& by, base::Instant now) {
  const auto scope = fleet::Scope::everything("the run of this job");
  if (!fleet::find_job(tx, scope, id)) return true;
  fleet::request_job_cancel(tx, id, by, now);
  return fleet::find_job(tx, scope, id)->ended_at.has_value();
}

[[noreturn]] void throw_end(const fleet::JobEnd& end) {
  if (end.status == JobStatus::cancelled) throw durable::Cancelled();
  // What may pass was tried again as a job already: the run's own retries would only repeat that.
  throw base::Error(end.error_class, end.code, end.message, json::Object{{"job", end.job_id.str()}});
}

// The cancel of a run is one of its job, and how that ends is for the job to say: cancelled, failed, or done before the
// cancel took hold (RUN-9).
durable::Run<fleet::JobEnd> await_end(durable::Context& run, const Services& services, fleet::JobId id) {
  const std::string ended(fleet::kJobEnded);
  try {
    co_return co_await run.signal<fleet::JobEnd>(ended);
  } catch (const durable::Cancelled&) {
  }
  const auto ask = [&services, id] { return ask_to_cancel(services, id, "its run"); };
  co_await run.step(std::string(kAskToCancel), kUntilCancelled, ask).despite_cancel();
  const auto end = co_await run.signal<fleet::JobEnd>(ended, within(kCancelTakesAtMost)).despite_cancel();
  if (!end) throw durable::Cancelled();
  co_return *end;
}

}  // namespace

fleet::JobId job_of(const RunId& run) {
  return fleet::JobId(std::string(base::JobKind::prefix) + run.str().substr(base::RunKind::prefix.size()));
}

bool ask_to_cancel(const Services& services, const fleet::JobId& job, const std::string& by) {
  bool ended = false;
  services.database.write_and_wait(
      [&](store::Transaction& tx) { ended = request_end(tx, job, by, services.clock.now()); });
  for (const auto word : {fleet::kBellCancels, fleet::kBellEnds, std::string_view(job.str())})
    services.database.ring(fleet::kJobBell, word);
  return ended;
}

bool end_job(store::Transaction& tx, const RunId& run, base::Instant now) {
  return request_end(tx, job_of(run), "the end of its run", now);
}

durable::Run<> run_job(durable::Context& run, const Services& services, MakeJob make) {
  const auto id = job_of(run.id());
  const auto queue = [&services, &make, id] {
    bool queued = false;
    services.database.write_and_wait([&](store::Transaction& tx) {
      const auto job = make(tx);
      queued = job.has_value();
      if (job) fleet::insert_job(tx, services.sealer, *job, services.clock.now());
    });
    if (queued) services.database.ring(fleet::kJobBell, fleet::kBellQueue);
    return queued ? id.str() : std::string();
  };
  auto cancel = undo("cancel-job", [&services, id] {
    if (!ask_to_cancel(services, id, "its run"))
      throw base::Error(base::ErrorClass::transient, "JOB_STILL_RUNNING",
                        "job " + id.str() + " was asked to cancel and has not ended yet");
  });
  cancel.retry = kUntilCancelled;
  // Despite a cancel: one that comes while it is being queued, or before a crash let that be recorded, cannot know
  // whether there is a job that has ended by now. A job that waits is cancelled at once.
  // A retry may have taken over the step of the run before it, whose job has ended: then this is the one that counts.
  const std::string name(kQueueJob);
  std::string queued = co_await run.step(name, durable::retry::local(), queue, cancel).despite_cancel();
  if (!queued.empty() && queued != id.str())
    queued = co_await run.step(name, durable::retry::local(), queue, cancel).despite_cancel();
  if (queued.empty()) co_return;
  const auto end = co_await await_end(run, services, id);
  if (end.status != JobStatus::succeeded) throw_end(end);
}

durable::Run<> follow_job(durable::Context& run, const Services& services) {
  const auto is_there = [id = job_of(run.id())](store::Transaction& tx) -> std::optional<fleet::NewJob> {
    if (!fleet::find_job(tx, fleet::Scope::everything("its own run"), id)) throw base::not_found("job", id.str());
    return fleet::NewJob{.id = id};  // left as it is
  };
  co_await run_job(run, services, is_there);
}

}  // namespace slipway::workflows
