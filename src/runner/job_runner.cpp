#include "runner/job_runner.h"

#include <filesystem>

#include "runner/on_worker.h"

namespace slipway::runner {

using base::ErrorClass;
using fleet::JobPhase;
using fleet::JobType;
using fleet::LogLevel;
using fleet::LogLine;
using fleet::LogSource;
using provisioner::ApplyComplete;
using provisioner::Message;
using provisioner::ParseComplete;
using provisioner::PlanComplete;

namespace {

LogLevel at_most_info(LogLevel level, bool debug) { return debug ? level : std::max(level, LogLevel::info); }

}  // namespace

JobRunner::JobRunner(RunnerTools tools, std::shared_ptr<provisioner::Provisioner> provisioner, fleet::AcquiredJob job,
                     JobOptions options, OnEnd on_end)
    : tools_(std::move(tools)),
      provisioner_(std::move(provisioner)),
      job_(std::move(job)),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      variables_(job_.variables),
      parameters_(job_.parameters),
      updates_(tools_.loop, tools_.clock, tools_.random, tools_.hub,
               {.id = job_.id, .fence = job_.fence, .next_log = job_.next_log}, options_.updates, options_.logs,
               {.on_cancelled = [this] { cancel(); },
                .on_lost = [this](const base::Error& error) { on_lost(error); },
                .on_confirmed = [this] { refresh_pause(); }}),
      journal_(tools_.loop, tools_.workers, tools_.clock, tools_.random, tools_.hub, job_.id, job_.fence,
               {.on_kept =
                    [this] {
                      if (inbox_) inbox_->states_kept();
                    },
                .on_refused = [this](const base::Error& error) { fail(error, "the hub does not take the state"); },
                .on_lost = [this](const base::Error& error) { on_lost(error); }}),
      refusals_(options_.updates.lease),
      file_call_(tools_.loop, tools_.clock, tools_.random, base::Duration(0)),
      quota_call_(tools_.loop, tools_.clock, tools_.random, options_.terminal_overlap),
      terminal_call_(tools_.loop, tools_.clock, tools_.random, options_.terminal_overlap),
      cancel_timer_(tools_.loop, tools_.clock),
      step_timer_(tools_.loop, tools_.clock),
      force_timer_(tools_.loop, tools_.clock) {
  for (const auto* values : {&job_.variables, &job_.parameters, &job_.previous_parameters}) redactor_.add(*values);
  redactor_.add(job_.state_token);
  redactor_.add(job_.metadata.agent_token);
}

JobRunner::~JobRunner() {
  if (inbox_) inbox_->detach();
}

void JobRunner::start() {
  updates_.start();
  begin(Stage::setting_up, "Setting up");
  say(LogLevel::info, "Job " + job_.id + (job_.attempt > 1 ? ", attempt " + std::to_string(job_.attempt) : ""));
  if (!provisioner_)
    return fail("PROVISIONER_UNKNOWN", ErrorClass::internal,
                "this daemon has no provisioner '" + job_.provisioner + "'");
  if (job_.cancelled) return cancel();
  make_directory();
}

// ---- what the session says

void JobRunner::on_message(Message message, base::Instant at) {
  if (abandoned_) return;
  if (auto* log = std::get_if<provisioner::Log>(&message)) {
    if (log->level < LogLevel::info && !job_.debug) return;
    log_line({.source = LogSource::provisioner,
              .level = log->level,
              .stage = stage_name_,
              .at = at,
              .output = std::move(log->output)});
    return;
  }
  if (const auto* written = std::get_if<provisioner::StateWritten>(&message)) return journal_.written(written->file);
  auto* applied = std::get_if<ApplyComplete>(&message);
  if (applied && !applied->state_file.empty()) journal_.written(applied->state_file);
  if (!std::holds_alternative<provisioner::Hello>(message)) answered_ = true;
  if (stage_ >= Stage::cleaning_up) return;  // the outcome stands
  if (auto* hello = std::get_if<provisioner::Hello>(&message); hello && stage_ == Stage::opening) {
    on_hello(*hello);
  } else if (auto* parsed = std::get_if<ParseComplete>(&message); parsed && stage_ == Stage::parsing) {
    on_parsed(std::move(*parsed));
  } else if (auto* planned = std::get_if<PlanComplete>(&message);
             planned && (stage_ == Stage::planning || stage_ == Stage::planning_stop)) {
    on_planned(std::move(*planned));
  } else if (applied && stage_ == Stage::applying) {
    on_applied(std::move(*applied));
  } else {
    fail("PROTOCOL_ERROR", ErrorClass::internal, "the provisioner said something that nobody had asked for");
  }
}

void JobRunner::on_closed(std::optional<base::Error> error) {
  if (std::exchange(closed_, true)) return;
  answered_ = true;
  step_timer_.cancel();
  if (abandoned_) return end({.end = End::lost});
  if (stage_ == Stage::closing) return save_state();
  if (stage_ > Stage::closing || stage_ == Stage::cleaning_up) return;
  // As if we had killed it: what the apply was making may be in no state.
  if (stage_ == Stage::applying) forced_ = true;
  if (!error)
    error = base::Error(ErrorClass::internal, "PROVISIONER_DIED", "the provisioner ended before its work was done");
  fail(provisioner::Problem{.code = error->code(), .error_class = error->error_class(), .message = error->message()});
}

// It waits to be told that the state is kept, and never will be: it is to end, and no more is made than is known.
void JobRunner::on_state_missed(const base::Error& error) {
  tools_.logger.error("a state cannot be copied", error, {{"job", job_.id}});
  fail(error.code(), error.error_class(), error.message());
}

void JobRunner::request(provisioner::Request request) {
  answered_ = false;
  session_->send(std::move(request));
}

// ---- log

void JobRunner::begin(Stage stage, std::string name) {
  stage_ = stage;
  stage_name_ = std::move(name);
  timings_.begin(stage_name_, tools_.clock.now());
  say(LogLevel::info, stage_name_);
}

void JobRunner::say(LogLevel level, std::string output) {
  log_line({.source = LogSource::daemon,
            .level = at_most_info(level, job_.debug),
            .stage = stage_name_,
            .at = tools_.clock.now(),
            .output = std::move(output)});
}

void JobRunner::log_line(LogLine line) {
  redactor_.redact_in(line.output);
  updates_.log(std::move(line));
  refresh_pause();
}

void JobRunner::refresh_pause() {
  if (inbox_) inbox_->pause(!updates_.want_more());
}

// ---- stopping

void JobRunner::cancel() { stop_gracefully(StopReason::cancelled); }
void JobRunner::shut_down() { stop_gracefully(StopReason::shut_down); }

void JobRunner::stop_gracefully(StopReason reason) {
  if (stage_ >= Stage::cleaning_up || abandoned_) return;
  // What the hub wants counts for more than why we go.
  if (stop_ == StopReason::none || reason == StopReason::cancelled) stop_ = reason;
  if (cancel_timer_.is_set()) return;
  cancel_timer_.set(options_.force_cancel, [this] { on_cancel_timeout(); });
  say(LogLevel::warn, reason == StopReason::cancelled ? "Cancelling" : "The daemon shuts down: stopping");
  if (!answered_) return session_->send(provisioner::Cancel{});
  stop_here();
}

bool JobRunner::stop_here() {
  if (stage_ >= Stage::cleaning_up) return true;
  if (stop_ == StopReason::none) return false;
  settle(stopped_outcome(stop_ == StopReason::cancelled ? "the job was cancelled" : "the daemon was shut down"));
  return true;
}

fleet::FailedJob JobRunner::stopped_outcome(std::string message) const {
  const bool cancelled = stop_ == StopReason::cancelled;
  // After a shutdown the job is begun again elsewhere, from the state that it reached: unless it was killed while it
  // applied, and its provisioner cannot take that.
  const bool again = !forced_ || !applied_ || repeatable_;
  return {.code = cancelled ? "CANCELLED" : "DAEMON_SHUTDOWN",
          .error_class = cancelled ? ErrorClass::user
                         : again   ? ErrorClass::transient
                                   : ErrorClass::internal,
          .message = std::move(message),
          .cancelled = cancelled,
          .resources = left_};
}

void JobRunner::on_cancel_timeout() {
  if (outcome_) return kill_session();
  forced_ = true;
  if (stop_ == StopReason::shut_down)
    settle(stopped_outcome("the daemon was shut down, and the job did not stop in time"));
  else
    fail("CANCEL_TIMED_OUT", ErrorClass::internal, "Cancel timed out");
  kill_session();
}

void JobRunner::force_stop(base::Duration bound) {
  if (stage_ == Stage::ended) return;
  if (abandoned_) {
    force_timer_.set(bound, [this] { end({.end = End::lost}); });
    return kill_lost_session();
  }
  force_timer_.set(bound, [this] { end({.end = End::given_up}); });
  forced_ = true;
  if (stop_ == StopReason::none) stop_ = StopReason::shut_down;
  kill_session();
  if (stage_ < Stage::cleaning_up) settle(stopped_outcome("the daemon was stopped by force"));
}

void JobRunner::on_lost(const base::Error& error) {
  if (abandoned_ || stage_ == Stage::ended) return;
  tools_.logger.warning("job lost", {{"job", job_.id}, {"code", error.code()}, {"message", error.message()}});
  abandoned_ = true;
  updates_.stop();
  journal_.stop();
  file_call_.stop();
  quota_call_.stop();
  terminal_call_.stop();
  cancel_timer_.cancel();
  if (!session_ || closed_) return end({.end = End::lost});
  // What is being made at this moment would be in no state if it were killed: under the state's lock it may end by
  // itself, for nobody else begins before.
  if (!applied_ || !locks_state_ || forced_) return kill_lost_session();
  session_->close(false);
  inbox_->let_go();
  step_timer_.set(options_.close_bound, [this] { kill_lost_session(); });
}

void JobRunner::kill_lost_session() {
  kill_session();
  step_timer_.set(options_.kill_bound, [this] { end({.end = End::lost}); });
}

// For files on their way here, and a template that is unpacked. What fails on this machine is tried a few times: the
// hub's own trouble would pass.
bool JobRunner::is_final_for_file(const base::Error& error) {
  if (!may_pass(error)) return true;
  if (error.code() != "SYSTEM_ERROR" && error.code() != "BLOB_DAMAGED") return false;
  ++file_failures_;
  if (file_failures_ == 2) say(LogLevel::warn, error.message() + ": trying again");
  return file_failures_ >= kFileFailuresMax;
}

// ---- the outcome

void JobRunner::complete(Completed outcome) { settle(std::move(outcome)); }

void JobRunner::fail(const base::Error& error, std::string_view doing) {
  fail(error.code(), error.error_class(), std::string(doing) + ": " + error.message());
}

void JobRunner::fail(const provisioner::Problem& problem) {
  if (stage_ >= Stage::cleaning_up) return;
  if (stop_ == StopReason::none) return fail(problem.code, problem.error_class, problem.message);
  // What a provisioner ends with when it is asked to stop: the job was stopped, and did not fail by itself.
  auto message = redactor_.redact(problem.message);
  say(LogLevel::error, message);
  settle(stopped_outcome(std::move(message)));
}

void JobRunner::fail(std::string code, ErrorClass error_class, std::string message) {
  if (stage_ >= Stage::cleaning_up || abandoned_) return;
  redactor_.redact_in(message);
  say(LogLevel::error, message);
  settle(fleet::FailedJob{
      .code = std::move(code), .error_class = error_class, .message = std::move(message), .resources = left_});
}

// The first outcome stays.
void JobRunner::settle(JobOutcome outcome) {
  if (outcome_) return;
  outcome_ = std::move(outcome);
  clean_up();
}

// ---- the end, in its one order

void JobRunner::clean_up() {
  file_call_.stop();
  quota_call_.stop();
  step_timer_.cancel();
  begin(Stage::cleaning_up, "Cleaning Up");
  if (applied_) updates_.set_phase(JobPhase::cleanup);
  updates_.sync([this] { close_session(); });
}

void JobRunner::close_session() {
  stage_ = Stage::closing;
  if (!session_ || closed_) return save_state();
  session_->close(forced_);
  inbox_->let_go();
  step_timer_.set(forced_ ? options_.kill_bound : options_.close_bound, [this] { kill_session(); });
}

// A killed session has no other bound than ours: what does not even die is left to itself.
void JobRunner::kill_session() {
  forced_ = true;
  if (!session_ || closed_) return;
  session_->close(true);
  inbox_->let_go();
  if (!abandoned_)
    step_timer_.set(options_.kill_bound, [this] {
      tools_.logger.error("a session cannot be killed", {{"job", job_.id}});
      on_closed(std::nullopt);
    });
}

void JobRunner::save_state() {
  stage_ = Stage::saving_state;
  step_timer_.cancel();
  journal_.settle([this](std::expected<std::optional<std::string>, base::Error> state) {
    if (!state) say(LogLevel::error, "The hub does not take the state: " + state.error().message());
    updates_.sync([this, state = state.value_or(std::nullopt)]() mutable { report(std::move(state)); });
  });
}

void JobRunner::report(std::optional<std::string> state) {
  stage_ = Stage::reporting;
  cancel_timer_.cancel();
  updates_.stop();
  timings_.end(tools_.clock.now());
  auto attempt = [this, state](Reply<fleet::JobEnded> reply) {
    if (auto* done = std::get_if<Completed>(&*outcome_))
      tools_.hub.complete(job_.id, completed_job(*done, job_.fence, state, timings_.all()), std::move(reply));
    else
      tools_.hub.fail(job_.id, failed_job(std::get<fleet::FailedJob>(*outcome_), job_.fence, state, timings_.all()),
                      std::move(reply));
  };
  // For ever while the job is ours: a success must not become a failure because a message got lost.
  terminal_call_.start(
      std::move(attempt), [this](auto answer) { on_reported(std::move(answer)); },
      [this](const base::Error& error) {
        return job_is_lost(error) || error.code() == "STATE_MISMATCH" || is_unfit(error) ||
               refusals_.last(error, tools_.clock.now());
      });
}

void JobRunner::on_reported(std::expected<fleet::JobEnded, base::Error> answer) {
  if (answer) {
    const auto* failed = std::get_if<fleet::FailedJob>(&*outcome_);
    return end({.end = End::reported, .status = answer->status, .code = failed ? failed->code : ""});
  }
  if (is_unfit(answer.error()) && !outcome_refused_) return report_refused(answer.error());
  if (answer.error().code() != "STATE_MISMATCH") return on_lost(answer.error());
  journal_.put_again();
  journal_.settle(
      [this](std::expected<std::optional<std::string>, base::Error> state) { report(state.value_or(std::nullopt)); });
}

// Said shortly, so that the hub can take it: it has the state, and a person the reason.
void JobRunner::report_refused(const base::Error& error) {
  outcome_refused_ = true;
  fleet::FailedJob brief{.code = "OUTCOME_REFUSED"};
  std::string was = "its success";
  if (const auto* failed = std::get_if<fleet::FailedJob>(&*outcome_)) {
    was = "its failure (" + failed->code + ")";
    brief.error_class = failed->error_class;
    brief.cancelled = failed->cancelled;
  }
  brief.message = redactor_.redact("the hub does not take what the job says of " + was + ": " + error.message());
  outcome_ = std::move(brief);
  timings_ = {};
  journal_.settle(
      [this](std::expected<std::optional<std::string>, base::Error> state) { report(state.value_or(std::nullopt)); });
}

void JobRunner::end(Result result) {
  if (stage_ == Stage::ended) return;
  stage_ = Stage::ended;
  updates_.stop();
  journal_.stop();
  file_call_.stop();
  quota_call_.stop();
  terminal_call_.stop();
  for (auto* timer : {&cancel_timer_, &step_timer_, &force_timer_}) timer->cancel();
  if (inbox_) inbox_->detach();
  // Destroying a session may wait for its end, and its folder goes after it.
  run_on_worker(
      tools_.workers, tools_.loop,
      [session = std::move(session_), directory = options_.directory]() mutable {
        session.reset();
        std::filesystem::remove_all(directory);
      },
      lifeline_.wrap([this, result](std::expected<void, base::Error> removed) {
        if (!removed)
          tools_.logger.warning("a job's folder cannot be removed", {{"message", removed.error().message()}});
        on_end_(result);
      }));
}

}  // namespace slipway::runner
