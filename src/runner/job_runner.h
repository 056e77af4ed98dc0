#pragma once
// One job, from its acquisition to its terminal message (RUN-6 … RUN-14): a state machine on an event loop. Whatever
// takes time is outside of it: the hub, the provisioner, files, timers.
//
//   JobRunner runner(tools, provisioner, job, options, on_end);
//   runner.start();
//
// Two stop signals, one inside the other. `cancel`: the request under way is cancelled, and its answer is still waited
// for. Force: the session is killed. Whichever outcome is set first stays; then, always in this order: 'Cleaning Up' is
// logged, the log flushed, the session closed, the state kept, one terminal message sent, and nothing after it.
//
// For the loop's thread only.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "observe/log.h"
#include "provisioner/protocol.h"
#include "runner/archive_cache.h"
#include "runner/insistent_call.h"
#include "runner/job_outcome.h"
#include "runner/job_updates.h"
#include "runner/redactor.h"
#include "runner/session_inbox.h"
#include "runner/state_journal.h"
#include "runner/template_files.h"

namespace slipway::runner {

struct RunnerTools {
  base::EventLoop& loop;
  base::Workers& workers;
  const base::Clock& clock;
  base::Random& random;
  HubLink& hub;
  ArchiveCache& archives;
  const TemplateFiles& files;
  observe::Logger logger;
};

struct JobOptions {
  UpdateTimes updates;
  LogLimits logs;
  base::Duration force_cancel{600'000};  // from a cancel to 'Cancel timed out' (RUN-9)
  base::Duration hello_bound{60'000};    // until a new session says what it is
  // Until a session that was asked to end is killed: above its own bound.
  base::Duration close_bound = provisioner::kEndBound + std::chrono::minutes(1);
  base::Duration kill_bound{30'000};       // until a killed one is left to itself
  base::Duration terminal_overlap{5'000};  // until the terminal message is said again beside one without an answer
  std::string directory;                   // of this job alone; made, and taken away at the end
  std::string cache_directory;             // Config::cache_directory
  std::string hub_url;
  std::string hub_ca_file;
};

class JobRunner {
 public:
  enum class End {
    reported,  // the hub has the outcome
    lost,      // the job is not ours any more
    given_up,  // force_stop's bound is over: the hub will find out
  };
  struct Result {
    End end = End::reported;
    fleet::JobStatus status = fleet::JobStatus::failed;  // as the hub has it, or as far as it came
    std::string code;                                    // of the failure
  };
  // `on_end` comes once, as the last thing: the runner may be destroyed from then on, not within.
  using OnEnd = std::function<void(Result)>;

  // Without a provisioner the job fails.
  JobRunner(RunnerTools tools, std::shared_ptr<provisioner::Provisioner> provisioner, fleet::AcquiredJob job,
            JobOptions options, OnEnd on_end);
  ~JobRunner();

  void start();
  // The hub wants it cancelled.
  void cancel();
  // This daemon has to go: as a cancel, but reported so that another daemon may take the job.
  void shut_down();
  // At once: the session is killed; what can be said within `bound` is.
  void force_stop(base::Duration bound);

  const fleet::AcquiredJob& job() const { return job_; }

 private:
  enum class Stage {
    setting_up,
    opening,
    parsing,
    reporting_parsed,
    planning,
    planning_stop,
    committing_quota,
    announcing_apply,
    applying,
    cleaning_up,  // from here on the outcome stands
    closing,
    saving_state,
    reporting,
    ended,
  };
  enum class StopReason { none, cancelled, shut_down };

  // job_setup.cpp
  template <class Work, class Then>
  void on_worker(Work work, std::string_view doing, Then then);
  void make_directory();
  void fetch_archive();
  void unpack();
  void fetch_state();
  void open_session();
  void on_hello(const provisioner::Hello& hello);

  // job_stages.cpp
  void begin_parse();
  void on_parsed(provisioner::ParseComplete result);
  void on_variables(const std::vector<fleet::TemplateVariable>& declared, std::vector<fleet::NamedValue> values);
  void begin_plan(Stage stage, fleet::Transition transition, std::string name);
  void on_planned(provisioner::PlanComplete result);
  void finish_import();
  void commit_quota();
  void on_quota(const fleet::QuotaCommitted& quota);
  void announce_apply();
  void on_applied(provisioner::ApplyComplete result);
  void price(std::vector<fleet::Resource>& resources) const;
  void tell_what_was_done(std::vector<fleet::Resource>& resources) const;

  // job_runner.cpp
  void on_message(provisioner::Message message, base::Instant at);
  void on_closed(std::optional<base::Error> error);
  void on_state_missed(const base::Error& error);
  void on_lost(const base::Error& error);
  void kill_lost_session();
  bool is_final_for_file(const base::Error& error);
  void begin(Stage stage, std::string name);
  void say(fleet::LogLevel level, std::string output);
  void log_line(fleet::LogLine line);
  void refresh_pause();
  void request(provisioner::Request request);
  // True if the job is to stop: its outcome is set.
  bool stop_here();
  void stop_gracefully(StopReason reason);
  void on_cancel_timeout();
  void complete(Completed outcome);
  void fail(std::string code, base::ErrorClass error_class, std::string message);
  void fail(const base::Error& error, std::string_view doing);
  // The answer to a request was a failure.
  void fail(const provisioner::Problem& problem);
  fleet::FailedJob stopped_outcome(std::string message) const;
  void settle(JobOutcome outcome);
  void clean_up();
  void close_session();
  void kill_session();
  void save_state();
  void report(std::optional<std::string> state);
  void report_refused(const base::Error& error);
  void on_reported(std::expected<fleet::JobEnded, base::Error> answer);
  void end(Result result);

  RunnerTools tools_;
  std::shared_ptr<provisioner::Provisioner> provisioner_;
  fleet::AcquiredJob job_;
  JobOptions options_;
  OnEnd on_end_;

  Stage stage_ = Stage::setting_up;
  std::string stage_name_;
  StageTimings timings_;
  StopReason stop_ = StopReason::none;
  bool forced_ = false;     // the session was killed, or died while it applied
  bool abandoned_ = false;  // the job is not ours any more
  bool applied_ = false;    // an apply was begun
  bool answered_ = true;    // no request is under way
  bool repeatable_ = false;
  bool locks_state_ = false;
  std::optional<JobOutcome> outcome_;
  bool outcome_refused_ = false;
  std::vector<fleet::NamedValue> variables_;
  std::vector<fleet::NamedValue> parameters_;
  std::vector<fleet::Resource> planned_, planned_stop_;
  std::vector<fleet::Resource> left_;  // by an apply that failed
  TemplateFacts facts_;

  Redactor redactor_;
  JobUpdates updates_;
  StateJournal journal_;
  std::shared_ptr<SessionInbox> inbox_;
  std::unique_ptr<provisioner::Session> session_;
  bool closed_ = false;
  static constexpr int kFileFailuresMax = 5;  // of a full disk, say: some seconds
  int file_failures_ = 0;
  Refusals refusals_;
  InsistentCall<void> file_call_;
  InsistentCall<fleet::QuotaCommitted> quota_call_;
  InsistentCall<fleet::JobEnded> terminal_call_;
  LoopTimer cancel_timer_, step_timer_, force_timer_;
  Lifeline lifeline_;
};

}  // namespace slipway::runner
