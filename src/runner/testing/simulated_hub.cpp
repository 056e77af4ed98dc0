#include "runner/testing/simulated_hub.h"

#include <algorithm>

#include "base/digest.h"
#include "fleet/job_queue.h"

namespace slipway::runner::testing {

using base::Duration;
using base::Error;
using base::ErrorClass;
using fleet::JobStatus;
using std::chrono::seconds;

namespace {

constexpr int kAttemptsMax = 3;

Error lease_lost() { return Error(ErrorClass::conflict, "JOB_LEASE_LOST", "simulated"); }

}  // namespace

SimulatedHub::SimulatedHub(SimulatedWorld& world) : world_(world) { sweep(); }

void SimulatedHub::violation(const std::string& what) {
  violations_ += "[" + base::format_rfc3339(world_.now()).substr(11, 12) + "] " + what + "\n";
}

void SimulatedHub::add(fleet::AcquiredJob job, base::Instant available_at) {
  auto& record = jobs_[job.id];
  record.job = std::move(job);
  record.available_at = available_at;
}

void SimulatedHub::cancel(const std::string& id) {
  auto& job = jobs_.at(id);
  if (job.status == Job::Status::ended) return;
  job.job.cancelled = true;
  if (job.status == Job::Status::running) return;
  job.status = Job::Status::ended;
  job.outcome = JobStatus::cancelled;
}

// A hub that was away cannot blame daemons for what they could not say: their leases go on from its return.
void SimulatedHub::set_down(bool down) {
  if (!down && down_)
    for (auto& [id, job] : jobs_) job.lease_until = std::max(job.lease_until, world_.now() + times.lease_ms);
  down_ = down;
}

bool SimulatedHub::all_ended() const {
  return std::ranges::all_of(jobs_, [](const auto& job) { return job.second.status == Job::Status::ended; });
}

void SimulatedHub::sweep() {
  for (auto& [id, job] : jobs_)
    if (!down_ && job.status == Job::Status::running && job.lease_until < world_.now()) {
      leases_lost += !job.salvage_until;
      lose(job);
    }
  world_.at(world_.now() + seconds(1), [this] { sweep(); });
}

// As fleet/job_queue.h has it: what still works under the state's lock is given time.
void SimulatedHub::lose(Job& job) {
  const bool locked = job.locked_by == job.job.fence;
  if (job.salvage_until) {
    if (locked && *job.salvage_until > world_.now()) return;
    salvaged += !locked;
    decide(job, !locked);
  } else if (job.phase < fleet::JobPhase::apply) {
    decide(job, true);
  } else if (locked) {
    ++salvages;
    job.salvage_until = world_.now() + fleet::kSalvageTime;
  } else {
    const auto& seen = witnessed(job.job.id, job.job.fence);
    if (seen.locks_state && !seen.applies && !seen.cut_off && !job.repeatable)
      violation(job.job.id + ": given up although its apply had let go of the state");
    decide(job, job.repeatable);
  }
}

void SimulatedHub::decide(Job& job, bool may_begin_anew) {
  if (may_begin_anew && !job.job.cancelled && job.job.attempt < kAttemptsMax) {
    ++requeued;
    return begin_anew(job);
  }
  job.locked_by.reset();
  job.status = Job::Status::ended;
  job.outcome = may_begin_anew && job.job.cancelled ? JobStatus::cancelled : JobStatus::failed;
  job.code = "PROVISIONER_LOST";
}

void SimulatedHub::begin_anew(Job& job) {
  const auto& seen = witnessed(job.job.id, job.job.fence);
  if (seen.applies) violation(job.job.id + ": begun anew while it still applies");
  if (seen.cut_off) violation(job.job.id + ": begun anew although its apply was cut off");
  job.locked_by.reset();
  job.salvage_until.reset();
  job.status = Job::Status::pending;
  ++job.job.attempt;
}

Duration SimulatedHub::travel() {
  if (world_.chance(faults.slow)) return Duration(std::int64_t(world_.random().below(40'000)));
  return Duration(1 + std::int64_t(world_.random().below(std::uint64_t(faults.delay_max.count()))));
}

// What the same process was before goes, and its jobs come along; others of its name stay.
fleet::DaemonRegistered SimulatedHub::register_daemon(const fleet::RegisterDaemon& request, std::int64_t machine) {
  ++registrations;
  auto answer = times;
  answer.daemon_id = "dmn_" + std::to_string(daemons_.size());
  for (auto& [id, daemon] : daemons_) {
    if (daemon.instance != request.instance) continue;
    daemon.gone = true;
    for (auto& [job_id, job] : jobs_)
      if (job.status == Job::Status::running && job.holder == id) job.holder = answer.daemon_id;
  }
  daemons_[answer.daemon_id] = {.name = request.name, .instance = request.instance, .machine = machine};
  check_not_stranded(answer.daemon_id);
  return answer;
}

// Of what a daemon runs, its cancels are asked for under its new id.
void SimulatedHub::check_not_stranded(const std::string& daemon) {
  const auto machine = daemons_.at(daemon).machine;
  for (const auto& [id, job] : jobs_)
    if (job.status == Job::Status::running && job.holder != daemon && daemons_.at(job.holder).machine == machine)
      violation(id + ": held by what its daemon was before");
}

bool SimulatedHub::knows(const std::string& daemon) const {
  const auto found = daemons_.find(daemon);
  return found != daemons_.end() && !found->second.gone;
}

void SimulatedHub::forget_daemons() {
  for (auto& [id, daemon] : daemons_) forgotten += !std::exchange(daemon.gone, true);
}

SimulatedHub::Daemon& SimulatedHub::known(const std::string& id) {
  if (!knows(id)) throw Error(ErrorClass::conflict, "DAEMON_UNKNOWN", "simulated");
  return daemons_.at(id);
}

std::optional<fleet::AcquiredJob> SimulatedHub::acquire(const fleet::AcquireJob& request) {
  auto& daemon = known(request.daemon_id);
  daemon.draining = daemon.draining || request.draining;
  if (request.draining) return std::nullopt;
  for (auto& [id, job] : jobs_)
    if (job.status == Job::Status::running && !job.salvage_until && job.holder == request.daemon_id &&
        job.token == request.token)
      return job.job;
  if (daemon.draining) return std::nullopt;
  for (auto& [id, job] : jobs_) {
    if (job.status != Job::Status::pending || job.available_at > world_.now()) continue;
    if (stopped_.contains(daemon.name)) violation(id + ": given to a daemon that had been told to stop");
    job.status = Job::Status::running;
    job.holder = request.daemon_id;
    job.token = request.token;
    job.lease_until = world_.now() + times.lease_ms;
    job.phase = fleet::JobPhase::setup;
    job.repeatable = false;
    ++job.job.fence;
    job.job.next_log = std::int64_t(job.lines.size());
    job.job.has_state = !job.state.empty();
    if (const auto then = std::exchange(on_next_grant, nullptr)) then(daemon.machine);
    return job.job;
  }
  return std::nullopt;
}

std::vector<std::string> SimulatedHub::cancelled_of(const std::string& daemon) {
  known(daemon);
  std::vector<std::string> ids;
  for (const auto& [id, job] : jobs_)
    if (job.status == Job::Status::running && job.holder == daemon && job.job.cancelled) ids.push_back(id);
  return ids;
}

void SimulatedHub::goodbye(const std::string& daemon) {
  for (auto& [id, job] : jobs_)
    if (job.status == Job::Status::running && job.holder == daemon && !job.salvage_until) lose(job);
  if (const auto found = daemons_.find(daemon); found != daemons_.end()) found->second.gone = true;
}

SimulatedHub::Job& SimulatedHub::held(const std::string& id, std::int64_t fence) {
  auto& job = jobs_.at(id);
  if (job.job.fence != fence || job.status == Job::Status::pending || job.salvage_until) throw lease_lost();
  if (job.status == Job::Status::ended)
    throw job.ended_fence == fence ? Error(ErrorClass::conflict, "JOB_ENDED", "simulated") : lease_lost();
  job.lease_until = world_.now() + times.lease_ms;
  return job;
}

fleet::JobUpdated SimulatedHub::update(const std::string& id, const fleet::JobUpdate& update) {
  auto& job = held(id, update.fence);
  job.phase = std::max(job.phase, update.phase);
  job.repeatable = job.repeatable || update.repeatable;
  const auto have = std::int64_t(job.lines.size());
  if (update.first_log > have && !update.logs.empty()) violation(id + ": lines are missing before an update");
  for (std::int64_t i = have - update.first_log; i >= 0 && i < std::int64_t(update.logs.size()); ++i) {
    const auto& line = update.logs[std::size_t(i)];
    job.lines.push_back(line);
    if (line.stage == "Cleaning Up") job.cleaned_up.insert(update.fence);
    if (line.source != fleet::LogSource::provisioner) continue;
    if (line.output != "line " + std::to_string(job.provisioner_lines[update.fence]++))
      violation(id + ": a line is lost or doubled: " + line.output);
  }
  return {.cancelled = job.job.cancelled, .next_log = std::int64_t(job.lines.size()), .variables = {}};
}

fleet::QuotaCommitted SimulatedHub::commit_quota(const std::string& id, const fleet::CommitQuota& request) {
  held(id, request.fence);
  return {.ok = !broke_.contains(id), .consumed = 1, .budget = 10};
}

std::string SimulatedHub::get_state(const std::string& id, std::int64_t fence) { return held(id, fence).state; }

std::string SimulatedHub::put_state(const std::string& id, std::int64_t fence, std::string state) {
  auto& job = held(id, fence);
  job.state = witnessed(id, fence).kept = std::move(state);
  return base::sha256_hex(job.state);
}

SimulatedHub::Job& SimulatedHub::of_session(const std::string& id, std::int64_t fence) {
  auto& job = jobs_.at(id);
  const bool is_current = job.status == Job::Status::running && job.job.fence == fence;
  if (!is_current || (job.salvage_until && job.locked_by != fence)) throw lease_lost();
  return job;
}

void SimulatedHub::lock_state(const std::string& id, std::int64_t fence) {
  auto& job = of_session(id, fence);
  job.locked_by = fence;
  if (job.salvage_until && job.lease_until > world_.now() - fleet::kSalvageMax)
    job.salvage_until = world_.now() + fleet::kSalvageTime;
}

void SimulatedHub::write_state(const std::string& id, std::int64_t fence, std::string state) {
  of_session(id, fence).state = witnessed(id, fence).kept = std::move(state);
}

void SimulatedHub::unlock_state(const std::string& id, std::int64_t fence) {
  auto& job = jobs_.at(id);
  if (job.locked_by == fence) job.locked_by.reset();
  witnessed(id, fence).applies = false;
}

std::optional<fleet::JobEnded> SimulatedHub::repeated(const Job& job, std::int64_t fence, bool completed) const {
  if (job.ended_fence != fence || job.ended_by_complete != completed) return std::nullopt;
  if (job.status == Job::Status::ended) return fleet::JobEnded{.status = *job.outcome};
  return fleet::JobEnded{.status = JobStatus::pending};  // a failure that is tried again
}

void SimulatedHub::check_state(const Job& job, const std::optional<std::string>& digest) {
  if (digest && *digest != base::sha256_hex(job.state))
    throw Error(ErrorClass::conflict, "STATE_MISMATCH", "simulated");
}

void SimulatedHub::check_end(Job& job, std::int64_t fence, bool completed, const std::string& code) {
  const auto& id = job.job.id;
  const auto& seen = witnessed(id, fence);
  if (++job.accepted > 1 + job.job.attempt) violation(id + ": ended more than once");
  if (!job.cleaned_up.contains(fence)) violation(id + ": 'Cleaning Up' is not logged");
  if (code == "DAEMON_SHUTDOWN" && seen.killed) return;  // by force: there was no time for what follows
  if (seen.lines != job.provisioner_lines[fence])
    violation(id + ": " + std::to_string(seen.lines) + " lines were said, " +
              std::to_string(job.provisioner_lines[fence]) + " arrived");
  if (!seen.state.empty() && seen.state != job.state) violation(id + ": the last state is not at the hub");
  if (seen.applies && !seen.killed) violation(id + ": ended while it still applies");
  if (seen.succeeded && !completed && !seen.state_missed && code != "CANCEL_TIMED_OUT")
    violation(id + ": a success became a failure: " + code);
  if (seen.state_missed && completed) violation(id + ": a success although a state was missed");
  if (seen.opened && !seen.closed) violation(id + ": the session was open when the outcome was sent");
}

fleet::JobEnded SimulatedHub::complete(const std::string& id, const fleet::CompletedJob& outcome) {
  if (const auto answer = repeated(jobs_.at(id), outcome.fence, true)) return *answer;
  auto& job = held(id, outcome.fence);
  if (outcome.build) check_state(job, outcome.build->state);
  check_end(job, outcome.fence, true, "");
  job.status = Job::Status::ended;
  job.ended_by_complete = true;
  job.ended_fence = outcome.fence;
  job.outcome = JobStatus::succeeded;
  return {.status = *job.outcome};
}

fleet::JobEnded SimulatedHub::fail(const std::string& id, const fleet::FailedJob& outcome) {
  if (const auto answer = repeated(jobs_.at(id), outcome.fence, false)) return *answer;
  auto& job = held(id, outcome.fence);
  check_state(job, outcome.state);
  check_end(job, outcome.fence, false, outcome.code);
  job.ended_fence = outcome.fence;
  job.ended_by_complete = false;
  job.code = outcome.code;
  const bool again =
      outcome.error_class == ErrorClass::transient && !job.job.cancelled && job.job.attempt < kAttemptsMax;
  if (again) {
    begin_anew(job);
    job.available_at = world_.now() + seconds(1);
    return {.status = JobStatus::pending};
  }
  job.status = Job::Status::ended;
  job.outcome = outcome.cancelled ? JobStatus::cancelled : JobStatus::failed;
  return {.status = *job.outcome};
}

void SimulatedHub::note_sent(const std::string& job, std::int64_t fence, bool terminal) {
  const auto key = std::pair(job, fence);
  if (terminal)
    ended_by_runner_.insert(key);
  else if (ended_by_runner_.contains(key))
    violation(job + ": an update after the terminal message");
  if (!terminal && witnessed(job, fence).lost_told) violation(job + ": an update of a job that is lost");
}

// RUN-3: what is thought dead ends.
void SimulatedHub::note_lost_told(const std::string& job, std::int64_t fence) {
  auto& seen = witnessed(job, fence);
  seen.lost_told = true;
  if (seen.opened && !seen.closed && !seen.killed && !seen.ends)
    violation(job + ": its session goes on although it is lost");
}

}  // namespace slipway::runner::testing
