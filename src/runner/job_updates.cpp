#include "runner/job_updates.h"

#include <algorithm>

namespace slipway::runner {

JobUpdates::JobUpdates(base::EventLoop& loop, const base::Clock& clock, base::Random& random, HubLink& hub, Job job,
                       UpdateTimes times, LogLimits limits, Events events)
    : clock_(clock),
      hub_(hub),
      job_(std::move(job)),
      times_(times),
      events_(std::move(events)),
      queue_(limits, job_.next_log),
      back_off_(random, std::chrono::milliseconds(250), times.interval),
      refusals_(times.lease),
      timer_(loop, clock) {}

void JobUpdates::start() {
  running_ = true;
  sent_at_ = clock_.now();
  reschedule();
}

void JobUpdates::log(fleet::LogLine line) {
  queue_.push(std::move(line), clock_.now());
  reschedule();
}

void JobUpdates::report(fleet::ParsedTemplate parsed, Reply<std::vector<fleet::NamedValue>> then) {
  parsed_ = std::move(parsed);
  report_then_ = std::move(then);
  hedge_ = times_.hedge;
  reschedule();
}

bool JobUpdates::all_is_confirmed() const {
  return running_ && !untold_ && queue_.empty() && !parsed_ && heard_ == sent_;
}

void JobUpdates::sync(base::Task then) {
  if (all_is_confirmed()) {
    sync_then_ = nullptr;
    return then();
  }
  sync_then_ = std::move(then);
  sync_call_ = sent_ + 1;
  sync_line_ = queue_.end();
  sync_answered_ = false;
  hedge_ = times_.hedge;
  reschedule();
}

void JobUpdates::stop() {
  running_ = false;
  timer_.cancel();
  report_then_ = nullptr;
  sync_then_ = nullptr;
}

void JobUpdates::reschedule() {
  if (!running_) return;
  const auto at = next_send();
  if (timer_.is_set() && at == timer_at_) return;  // as it mostly is while lines stream in
  timer_at_ = at;
  timer_.set_at(at, [this] { send(); });
}

base::Instant JobUpdates::next_send() const {
  const auto now = clock_.now();
  auto at = sent_at_ + times_.interval;
  if (somebody_waits()) at = now;
  if (const auto due = queue_.due()) at = std::min(at, *due);
  if (newest_open_) at = std::max(at, sent_at_ + (somebody_waits() ? hedge_ : times_.interval));
  return not_before_ ? std::max(at, *not_before_) : at;
}

void JobUpdates::send() {
  if (newest_open_ && somebody_waits()) hedge_ = std::min(hedge_ * 2, times_.interval);
  auto batch = queue_.batch();
  const bool with_parsed = parsed_.has_value();
  ++sent_;
  untold_ = false;
  newest_open_ = true;
  sent_at_ = clock_.now();
  not_before_.reset();
  hub_.update(job_.id,
              {.fence = job_.fence,
               .phase = phase_,
               .repeatable = repeatable_,
               .first_log = batch.first,
               .logs = std::move(batch.lines),
               .parsed = parsed_},
              times_.bound,
              lifeline_.wrap([this, number = sent_, with_parsed](std::expected<fleet::JobUpdated, base::Error> answer) {
                take(number, with_parsed, std::move(answer));
              }));
  reschedule();
}

void JobUpdates::take(std::uint64_t number, bool with_parsed, std::expected<fleet::JobUpdated, base::Error> answer) {
  if (!running_) return;
  if (number == sent_) newest_open_ = false;
  if (answer)
    take_answer(number, with_parsed, *answer);
  else
    take_failure(number, with_parsed, answer.error());
  reschedule();
}

void JobUpdates::take_answer(std::uint64_t number, bool with_parsed, const fleet::JobUpdated& answer) {
  back_off_.reset();
  refusals_.end();
  not_before_.reset();
  heard_ = std::max(heard_, number);
  const auto first = queue_.first();
  queue_.acknowledge(answer.next_log);
  if (number >= sync_call_) sync_answered_ = true;
  if (answer.cancelled) events_.on_cancelled();
  if (running_ && queue_.first() != first) events_.on_confirmed();
  if (running_ && with_parsed && parsed_) {
    parsed_.reset();
    auto then = std::exchange(report_then_, nullptr);
    then(answer.variables);
  }
  finish_sync();
}

void JobUpdates::take_failure(std::uint64_t number, bool with_parsed, const base::Error& error) {
  if (job_is_lost(error) || refusals_.last(error, clock_.now())) {
    stop();
    events_.on_lost(error);
  } else if (with_parsed && parsed_ && !may_pass(error)) {
    parsed_.reset();
    auto then = std::exchange(report_then_, nullptr);
    then(std::unexpected(error));
  } else if (number == sent_) {
    not_before_ = clock_.now() + back_off_.after(error);
  }
}

void JobUpdates::finish_sync() {
  if (!running_ || !sync_then_ || !sync_answered_ || queue_.first() < sync_line_) return;
  auto then = std::exchange(sync_then_, nullptr);
  then();
}

}  // namespace slipway::runner
