#include "runner/daemon.h"

#include "base/digest.h"
#include "runner/daemon_metrics.h"

namespace slipway::runner {

using base::ErrorClass;

namespace {

// An answer without news that comes sooner is no long poll: something between us and the hub cuts it short.
constexpr auto kPollMin = std::chrono::seconds(1);

// Between registrations of a daemon that the hub keeps forgetting.
constexpr auto kRegisterMost = std::chrono::seconds(30);

// Trying again would change nothing: a person has to.
bool is_fatal(const base::Error& error) {
  static const std::set<std::string, std::less<>> codes{"DAEMON_TOO_OLD", "HUB_TOO_OLD", "UNAUTHORIZED", "FORBIDDEN"};
  return codes.contains(error.code());
}

std::string key_of(const fleet::AcquiredJob& job) { return job.id + "-" + std::to_string(job.fence); }

std::string random_name(base::Random& random) {
  std::string bytes;
  for (int i = 0; i < 2; ++i) {
    const auto number = random.next();
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  return base::base64url(bytes);
}

std::string status_of(const JobRunner::Result& result) {
  switch (result.end) {
    case JobRunner::End::lost:
      return "lost";
    case JobRunner::End::given_up:
      return "given_up";
    case JobRunner::End::reported:
      return boost::describe::enum_to_string(result.status, "");
  }
  return "";
}

}  // namespace

Provisioners usable_provisioners(const Provisioners& all, const observe::Logger& logger) {
  Provisioners usable;
  for (const auto& [type, provisioner] : all) {
    try {
      provisioner->check();
      usable.emplace(type, provisioner);
    } catch (const base::Error& error) {
      logger.warning("provisioner not available on this machine",
                     {{"provisioner", type}, {"code", error.code()}, {"message", error.message()}});
    }
  }
  return usable;
}

Daemon::Daemon(RunnerTools tools, Provisioners provisioners, DaemonOptions options, OnEnd on_end,
               observe::Registry* metrics)
    : tools_(std::move(tools)),
      provisioners_(std::move(provisioners)),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      metrics_(std::make_unique<DaemonMetrics>(metrics)),
      instance_(random_name(tools_.random)),
      register_call_(tools_.loop, tools_.clock, tools_.random, base::Duration(0)),
      refuse_call_(tools_.loop, tools_.clock, tools_.random, base::Duration(0)),
      drain_call_(tools_.loop, tools_.clock, tools_.random, base::Duration(0)),
      register_back_off_(tools_.random, std::chrono::milliseconds(250), kRegisterMost),
      acquire_back_off_(tools_.random, std::chrono::milliseconds(250), std::chrono::seconds(5)),
      watch_back_off_(tools_.random, std::chrono::milliseconds(250), std::chrono::seconds(5)),
      register_timer_(tools_.loop, tools_.clock),
      acquire_timer_(tools_.loop, tools_.clock),
      watch_timer_(tools_.loop, tools_.clock),
      goodbye_timer_(tools_.loop, tools_.clock) {
  metrics_->set_runners(options_.runners);
}

Daemon::~Daemon() = default;

// ---- known to the hub

void Daemon::start() {
  if (state_ == State::idle) register_again();
}

void Daemon::register_again() {
  if (state_ == State::ended || register_call_.under_way()) return;
  if (state_ != State::draining) state_ = State::registering;
  metrics_->set_connected(false);
  fleet::RegisterDaemon daemon{.name = options_.name,
                               .version = options_.version,
                               .provisioners = {},
                               .tags = options_.tags,
                               .runners = std::int64_t(options_.runners),
                               .instance = instance_};
  for (const auto& [type, provisioner] : provisioners_) daemon.provisioners.push_back(type);
  register_call_.start(
      [this, daemon](Reply<fleet::DaemonRegistered> reply) { tools_.hub.register_daemon(daemon, std::move(reply)); },
      [this](auto answer) { on_registered(std::move(answer)); },
      [this](const base::Error& error) {
        if (is_fatal(error) || is_refusal(error)) return true;
        if (std::exchange(trouble_, error.code()) != error.code())
          tools_.logger.warning("not registered yet, trying again",
                                {{"hub", options_.job.hub_url}, {"code", error.code()}, {"message", error.message()}});
        return false;
      });
}

// The hub has forgotten us. Jobs go on: their leases are their own.
void Daemon::register_later() {
  if (state_ == State::ended || register_call_.under_way() || register_timer_.is_set()) return;
  if (state_ != State::draining) state_ = State::registering;
  metrics_->set_connected(false);
  register_timer_.set(register_back_off_.after(), [this] { register_again(); });
}

void Daemon::on_registered(std::expected<fleet::DaemonRegistered, base::Error> answer) {
  if (answer && answer->api_version < fleet::kDaemonApiVersion)
    answer = std::unexpected(base::Error(ErrorClass::user, "HUB_TOO_OLD",
                                         "the hub (" + answer->hub_version + ") is too old for this daemon (" +
                                             options_.version + "): update the hub first"));
  if (!answer) return give_up(answer.error());
  trouble_.clear();
  tools_.logger.info("registered", {{"daemon", answer->daemon_id}, {"hub_version", answer->hub_version}});
  metrics_->set_connected(true);
  id_ = answer->daemon_id;
  options_.job.updates.interval = answer->update_interval_ms;
  options_.job.updates.lease = answer->lease_ms;
  options_.job.terminal_overlap = answer->lease_ms / 3;
  options_.job.force_cancel = answer->force_cancel_interval_ms;
  if (state_ == State::registering) state_ = State::serving;
  acquire_back_off_.reset();
  acquire();
  watch_cancels();
  tell_that_we_drain();
  finish_if_done();
}

bool Daemon::take_failure(const base::Error& error, const std::string& asked_as) {
  if (error.code() == "DAEMON_UNKNOWN") {
    // What is said of an earlier id is no news: asked again under that of now.
    if (asked_as == id_) register_later();
    acquire();
    watch_cancels();
    return true;
  }
  if (!is_fatal(error)) return false;
  give_up(error);
  return true;
}

void Daemon::give_up(const base::Error& error) {
  if (failure_) return;
  tools_.logger.error("the hub refuses this daemon", error);
  failure_ = error;
  drain();
}

// ---- jobs

void Daemon::acquire() {
  if (state_ != State::serving || acquiring_ || acquire_timer_.is_set() || refuse_call_.under_way()) return;
  if (jobs_.size() >= options_.runners || (options_.once && took_one_)) return;
  if (token_.empty()) token_ = random_name(tools_.random);
  acquiring_ = true;
  tools_.hub.acquire({.daemon_id = id_, .token = token_, .wait_ms = options_.poll},
                     lifeline_.wrap([this, asked = asked_now()](auto answer) {
                       acquiring_ = false;
                       on_acquired(std::move(answer), asked);
                     }));
}

void Daemon::on_acquired(std::expected<fleet::JobAcquired, base::Error> answer, const Asked& asked) {
  if (state_ == State::ended) return;
  std::optional<base::Duration> wait;
  if (answer) register_back_off_.reset();
  if (!answer) {
    if (answer.error().code() == "JOB_NOT_UNDERSTOOD") return refuse_job(answer.error());
    if (take_failure(answer.error(), asked.as)) return;
    wait = acquire_back_off_.after(answer.error());
  } else if (answer->job) {
    // What was granted is ours to answer for, also if we were told to stop meanwhile.
    token_.clear();
    acquire_back_off_.reset();
    start_job(std::move(*answer->job));
  } else if (tools_.clock.now() - asked.at < kPollMin) {
    wait = acquire_back_off_.after();
  } else {
    acquire_back_off_.reset();
  }
  if (wait)
    acquire_timer_.set(*wait, [this] { acquire(); });
  else
    acquire();
}

JobOptions Daemon::options_of(const fleet::AcquiredJob& job) const {
  auto options = options_.job;
  options.directory = options_.work_directory + "/sessions/" + key_of(job);
  options.cache_directory = options_.work_directory + "/cache/" + job.provisioner;
  return options;
}

bool Daemon::start_job(fleet::AcquiredJob job) {
  const auto key = key_of(job);
  if (jobs_.contains(key)) return false;  // the answer to a call that was made twice
  const auto provisioner = provisioners_.find(job.provisioner);
  tools_.logger.info(
      "job begins",
      {{"job", job.id}, {"provisioner", job.provisioner}, {"attempt", job.attempt}, {"fence", job.fence}});
  metrics_->job_began(job.provisioner);
  took_one_ = true;
  auto options = options_of(job);
  auto& held = jobs_[key];
  held.began_at = tools_.clock.now();
  held.runner =
      std::make_unique<JobRunner>(tools_, provisioner == provisioners_.end() ? nullptr : provisioner->second,
                                  std::move(job), std::move(options), [this, key](JobRunner::Result result) {
                                    // Not within the runner's own call.
                                    tools_.loop.post(lifeline_.wrap([this, key, result] { on_job_end(key, result); }));
                                  });
  held.runner->start();
  apply_stop(*held.runner);
  watch_cancels();
  return true;
}

// The hub gave us what this program does not know: it says so, and the hub's job fails.
void Daemon::refuse_job(const base::Error& error) {
  token_.clear();
  const auto& details = error.details().as_object();
  const std::string job(details.at("job").as_string());
  const auto fence = details.at("fence").to_number<std::int64_t>();
  tools_.logger.error("a job is not understood", error, {{"job", job}});
  refuse_call_.start(
      [this, job, fence, message = error.message()](Reply<fleet::JobEnded> reply) {
        tools_.hub.fail(job,
                        {.fence = fence,
                         .code = "UNKNOWN_JOB_TYPE",
                         .error_class = ErrorClass::internal,
                         .message = message + ": update this provisioner daemon (" + options_.version + ")"},
                        std::move(reply));
      },
      [this](const auto&) {
        acquire();
        finish_if_done();
      });
}

void Daemon::on_job_end(const std::string& key, JobRunner::Result result) {
  const auto found = jobs_.find(key);
  const auto& job = found->second.runner->job();
  const auto status = status_of(result);
  tools_.logger.info("job ended", {{"job", job.id}, {"status", status}, {"code", result.code}});
  metrics_->job_ended(job.provisioner, status, tools_.clock.now() - found->second.began_at);
  jobs_.erase(found);
  acquire();
  finish_if_done();
}

// ---- cancels, pushed

void Daemon::watch_cancels() {
  if (jobs_.empty() || id_.empty() || watching_ || watch_timer_.is_set() || state_ == State::ended) return;
  // A hub that has forgotten us has nothing to say until we are registered.
  if (register_timer_.is_set() || register_call_.under_way()) return;
  watching_ = true;
  tools_.hub.wait_for_cancels(
      {.daemon_id = id_, .known = {cancelled_.begin(), cancelled_.end()}, .wait_ms = options_.poll},
      lifeline_.wrap([this, asked = asked_now()](auto answer) {
        watching_ = false;
        on_cancels(std::move(answer), asked);
      }));
}

void Daemon::on_cancels(std::expected<fleet::CancelledJobs, base::Error> answer, const Asked& asked) {
  std::optional<base::Duration> wait;
  if (!answer) {
    if (take_failure(answer.error(), asked.as)) return;
    wait = watch_back_off_.after(answer.error());
  } else {
    bool news = false;
    for (const auto& id : answer->jobs) {
      news = cancelled_.insert(id).second || news;
      for (auto& [key, job] : jobs_)
        if (job.runner->job().id == id) job.runner->cancel();
    }
    // What the hub does not name any more is over.
    std::erase_if(cancelled_,
                  [&](const auto& id) { return std::ranges::find(answer->jobs, id) == answer->jobs.end(); });
    if (news)
      watch_back_off_.reset();
    else if (tools_.clock.now() - asked.at < kPollMin)
      wait = watch_back_off_.after();
  }
  if (wait)
    watch_timer_.set(*wait, [this] { watch_cancels(); });
  else
    watch_cancels();
}

// ---- the end

void Daemon::drain() {
  if (state_ == State::ended || state_ == State::draining) return;
  state_ = State::draining;
  acquire_timer_.cancel();
  tools_.logger.info("draining", {{"jobs", jobs_.size()}});
  finish_if_done();
  tell_that_we_drain();
}

// Until the hub has heard it: a poll of ours from before may still wait there for a job.
void Daemon::tell_that_we_drain() {
  if (state_ != State::draining || id_.empty()) return;
  drain_call_.stop();
  drain_call_.start(
      [this, as = id_](Reply<fleet::JobAcquired> reply) {
        tools_.hub.acquire({.daemon_id = as, .token = random_name(tools_.random), .wait_ms = {}, .draining = true},
                           std::move(reply));
      },
      [this, as = id_](const auto& answer) {
        if (!answer) take_failure(answer.error(), as);
      });
}

void Daemon::cancel() {
  drain();
  stop_ = std::max(stop_, Stop::gracefully);
  for (auto& [key, job] : jobs_) apply_stop(*job.runner);
}

void Daemon::force(base::Duration bound) {
  drain();
  if (std::exchange(stop_, Stop::by_force) != Stop::by_force) force_until_ = tools_.clock.now() + bound;
  for (auto& [key, job] : jobs_) apply_stop(*job.runner);
  refuse_call_.stop();
  finish_if_done();
}

void Daemon::apply_stop(JobRunner& runner) const {
  if (stop_ == Stop::gracefully) runner.shut_down();
  if (stop_ == Stop::by_force) runner.force_stop(std::max(force_until_ - tools_.clock.now(), base::Duration(0)));
}

void Daemon::finish_if_done() {
  if (!jobs_.empty() || refuse_call_.under_way() || state_ == State::ended) return;
  if (state_ == State::draining || (options_.once && took_one_)) say_goodbye();
}

void Daemon::say_goodbye() {
  state_ = State::ended;
  register_call_.stop();
  drain_call_.stop();
  register_timer_.cancel();
  watch_timer_.cancel();
  acquire_timer_.cancel();
  metrics_->set_connected(false);
  if (id_.empty()) return tools_.loop.post(lifeline_.wrap([this] { end(); }));
  goodbye_timer_.set(options_.goodbye_bound, [this] { end(); });
  tools_.hub.say_goodbye(id_, lifeline_.wrap([this](const auto&) { end(); }));
}

void Daemon::end() {
  goodbye_timer_.cancel();
  if (auto done = std::exchange(on_end_, nullptr)) done(failure_);
}

}  // namespace slipway::runner
