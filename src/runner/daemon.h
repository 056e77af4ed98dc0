#pragma once
// The provisioner daemon (RUN-2, RUN-3, RUN-16): registers with the hub, takes jobs for as many runners as it has, and
// carries each out with a JobRunner. A hub that is away is waited for; jobs go on meanwhile.
//
//   Daemon daemon(tools, provisioners, options, on_end);
//   daemon.start();
//
// For the loop's thread only.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "runner/job_runner.h"

namespace slipway::observe {
class Registry;
}

namespace slipway::runner {

using Provisioners = std::map<std::string, std::shared_ptr<provisioner::Provisioner>, std::less<>>;

// Those that work on this machine; of the others the log says what they lack. Blocks.
Provisioners usable_provisioners(const Provisioners& all, const observe::Logger& logger);

class DaemonMetrics;

struct DaemonOptions {
  std::string name;
  std::string version;
  std::map<std::string, std::string> tags;
  std::size_t runners = 1;
  bool once = false;           // one job, then the end
  std::string work_directory;  // ours alone: see WorkFolder
  JobOptions job;              // of every job; the hub's times take the place of those that it tells
  base::Duration poll{30'000};
  base::Duration goodbye_bound{2'000};
};

class Daemon {
 public:
  // `failure`: why it cannot go on, with what to do about it. Within it the daemon may not be destroyed.
  using OnEnd = std::function<void(std::optional<base::Error> failure)>;

  Daemon(RunnerTools tools, Provisioners provisioners, DaemonOptions options, OnEnd on_end,
         observe::Registry* metrics = nullptr);
  // What still runs is killed, and the hub finds out.
  ~Daemon();

  void start();
  // Takes nothing new, and ends when what runs has ended.
  void drain();
  // The same, and what runs is stopped gracefully: others go on with it.
  void cancel();
  // The same, within `bound`. Of the three the strongest counts, also for a job that was granted before and comes
  // later.
  void force(base::Duration bound);

  std::size_t jobs() const { return jobs_.size(); }

 private:
  enum class State { idle, registering, serving, draining, ended };
  enum class Stop { none, gracefully, by_force };

  void register_again();
  void register_later();
  void on_registered(std::expected<fleet::DaemonRegistered, base::Error> answer);
  struct Asked {
    std::string as;  // our id of then
    base::Instant at;
  };
  Asked asked_now() const { return {id_, tools_.clock.now()}; }
  void acquire();
  void on_acquired(std::expected<fleet::JobAcquired, base::Error> answer, const Asked& asked);
  bool start_job(fleet::AcquiredJob job);
  JobOptions options_of(const fleet::AcquiredJob& job) const;
  void refuse_job(const base::Error& error);
  void on_job_end(const std::string& key, JobRunner::Result result);
  void watch_cancels();
  void on_cancels(std::expected<fleet::CancelledJobs, base::Error> answer, const Asked& asked);
  // True if the failure means something for the whole daemon, and was seen to.
  bool take_failure(const base::Error& error, const std::string& asked_as);
  void give_up(const base::Error& error);
  void tell_that_we_drain();
  void apply_stop(JobRunner& runner) const;
  void finish_if_done();
  void say_goodbye();
  void end();

  struct Job {
    std::unique_ptr<JobRunner> runner;
    base::Instant began_at;
  };

  RunnerTools tools_;
  Provisioners provisioners_;
  DaemonOptions options_;
  OnEnd on_end_;
  std::unique_ptr<DaemonMetrics> metrics_;

  State state_ = State::idle;
  std::optional<base::Error> failure_;
  Stop stop_ = Stop::none;
  base::Instant force_until_;
  const std::string instance_;  // of this process, whatever id the hub gives it
  std::string id_;
  std::string token_;    // of the job that is asked for
  std::string trouble_;  // the code of what keeps us from registering, as the log has it
  bool took_one_ = false;
  bool acquiring_ = false, watching_ = false;
  std::map<std::string, Job> jobs_;  // by id and fence
  std::set<std::string> cancelled_;  // jobs that we know to be
  InsistentCall<fleet::DaemonRegistered> register_call_;
  InsistentCall<fleet::JobEnded> refuse_call_;
  InsistentCall<fleet::JobAcquired> drain_call_;
  BackOff register_back_off_, acquire_back_off_, watch_back_off_;
  LoopTimer register_timer_, acquire_timer_, watch_timer_, goodbye_timer_;
  Lifeline lifeline_;
};

}  // namespace slipway::runner
