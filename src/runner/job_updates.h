#pragma once
// What a job tells the hub while it runs: log lines, its phase, what a parse found, and that it lives (RUN-8, RUN-10).
// And what comes back: that it is cancelled, that it is not ours any more, that lines have arrived.
//
// An update goes out when lines are due, or when none went out for an interval. A slow hub holds up nothing: an update
// that is not answered within an interval is left alone, and the next one says again what is not confirmed.
// For the loop's thread only; everything is called on later turns of the loop, except as said.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runner/back_off.h"
#include "runner/hub_link.h"
#include "runner/insistent_call.h"
#include "runner/log_queue.h"
#include "runner/loop_timer.h"

namespace slipway::runner {

struct UpdateTimes {
  base::Duration interval{5'000};
  base::Duration bound{30'000};  // of one call
  base::Duration hedge{1'000};   // while somebody waits for the answer, another call is made after so long, doubled
  base::Duration lease{15'000};  // refused for so long, the job is given up: the hub has taken it back
};

class JobUpdates {
 public:
  struct Events {
    std::function<void()> on_cancelled;               // with every answer that says so
    std::function<void(const base::Error&)> on_lost;  // once; nothing is sent any more
    std::function<void()> on_confirmed;               // lines have left the queue
  };
  struct Job {
    std::string id;
    std::int64_t fence = 0;
    std::int64_t next_log = 0;
  };

  JobUpdates(base::EventLoop& loop, const base::Clock& clock, base::Random& random, HubLink& hub, Job job,
             UpdateTimes times, LogLimits limits, Events events);

  void start();
  void log(fleet::LogLine line);
  void set_phase(fleet::JobPhase phase) {
    untold_ = untold_ || phase != phase_;
    phase_ = phase;
  }
  fleet::JobPhase phase() const { return phase_; }
  void set_repeatable(bool repeatable) {
    untold_ = untold_ || repeatable != repeatable_;
    repeatable_ = repeatable;
  }
  bool want_more() const { return queue_.want_more(); }
  bool has_unconfirmed() const { return !queue_.empty(); }

  // `then` gets the effective values of the variables, or why the hub does not take what was parsed.
  void report(fleet::ParsedTemplate parsed, Reply<std::vector<fleet::NamedValue>> then);
  // `then` runs once the hub has confirmed the phase and all lines of now: within the call if it has. A later call
  // replaces an earlier one.
  void sync(base::Task then);
  // Nothing is sent and nobody is called any more.
  void stop();

 private:
  void reschedule();
  base::Instant next_send() const;
  void send();
  void take(std::uint64_t number, bool with_parsed, std::expected<fleet::JobUpdated, base::Error> answer);
  void take_answer(std::uint64_t number, bool with_parsed, const fleet::JobUpdated& answer);
  void take_failure(std::uint64_t number, bool with_parsed, const base::Error& error);
  void finish_sync();
  bool all_is_confirmed() const;
  bool somebody_waits() const { return bool(report_then_) || bool(sync_then_); }

  const base::Clock& clock_;
  HubLink& hub_;
  Job job_;
  UpdateTimes times_;
  Events events_;
  LogQueue queue_;
  fleet::JobPhase phase_ = fleet::JobPhase::setup;
  bool repeatable_ = false;
  bool untold_ = true;  // no call has said the phase yet, or that the job is repeatable
  bool running_ = false;

  std::optional<fleet::ParsedTemplate> parsed_;
  Reply<std::vector<fleet::NamedValue>> report_then_;

  base::Task sync_then_;
  std::uint64_t sync_call_ = 0;  // the first call that says all that is waited for
  std::int64_t sync_line_ = 0;
  bool sync_answered_ = false;

  std::uint64_t sent_ = 0;    // calls made
  std::uint64_t heard_ = 0;   // the last of them that the hub has confirmed
  bool newest_open_ = false;  // the last of them is not answered yet
  base::Instant sent_at_;     // the last of them
  base::Duration hedge_{0};
  std::optional<base::Instant> not_before_;  // after a failure
  BackOff back_off_;
  Refusals refusals_;
  LoopTimer timer_;
  base::Instant timer_at_;
  Lifeline lifeline_;
};

}  // namespace slipway::runner
