#pragma once
// A call of the hub that is made until it is answered: again after a failure, and again beside one whose answer takes
// too long, because the request may be lost. So it is for calls that may be repeated; the first answer counts.
// For the loop's thread only.

#include <expected>
#include <functional>
#include <optional>

#include "runner/back_off.h"
#include "runner/hub_link.h"
#include "runner/loop_timer.h"

namespace slipway::runner {

inline bool may_pass(const base::Error& error) {
  return error.error_class() == base::ErrorClass::transient || error.error_class() == base::ErrorClass::throttled;
}

// The job is somebody else's now, or over: nothing that we say about it counts.
inline bool job_is_lost(const base::Error& error) {
  return error.code() == "JOB_LEASE_LOST" || error.code() == "JOB_ENDED" || error.code() == "NOT_FOUND";
}

// The hub's own word; what a proxy says in its place, HTTP_404 and such, may pass.
inline bool is_refusal(const base::Error& error) {
  return error.error_class() == base::ErrorClass::user && !error.code().starts_with("HTTP_");
}

// The hub will not have this message, whoever sends it: RFC 9110 sections 15.5.1, 15.5.14 and 15.5.21.
inline bool is_unfit(const base::Error& error) {
  const auto* details = error.details().if_object();
  const auto* status = details ? details->if_contains("status") : nullptr;
  return status && (*status == 400 || *status == 413 || *status == 422);
}

// When refusals (a key that was removed, say) are taken for the hub's last word: once they have lasted for as long as
// the lease, which nothing renews meanwhile.
class Refusals {
 public:
  explicit Refusals(base::Duration lease) : lease_(lease) {}
  void end() { since_.reset(); }
  bool last(const base::Error& error, base::Instant now) {
    if (!is_refusal(error)) return false;
    if (!since_) since_ = now;
    return now - *since_ >= lease_;
  }

 private:
  const base::Duration lease_;
  std::optional<base::Instant> since_;
};

template <class T>
class InsistentCall {
 public:
  using Attempt = std::move_only_function<void(Reply<T>)>;

  // `overlap`: how long an attempt is waited for before another is made beside it; zero: for ever.
  InsistentCall(base::EventLoop& loop, const base::Clock& clock, base::Random& random, base::Duration overlap)
      : timer_(loop, clock),
        back_off_(random, std::chrono::milliseconds(250), std::chrono::seconds(5)),
        overlap_(overlap) {}

  // `done` gets the answer, or the failure that is `final`: by default one that cannot pass.
  void start(Attempt attempt, Reply<T> done, std::function<bool(const base::Error&)> final = {}) {
    attempt_ = std::move(attempt);
    done_ = std::move(done);
    final_ = final ? std::move(final) : [](const base::Error& error) { return !may_pass(error); };
    attempts_ = under_way_ = 0;
    back_off_.reset();
    try_once();
  }
  // Whatever comes now is ignored.
  void stop() {
    ++round_;
    done_ = nullptr;
    timer_.cancel();
  }
  bool under_way() const { return bool(done_); }
  int attempts() const { return attempts_; }

 private:
  void try_once() {
    ++attempts_;
    ++under_way_;
    if (overlap_.count() > 0) timer_.set(overlap_, [this] { try_once(); });
    attempt_(lifeline_.wrap([this, round = round_](std::expected<T, base::Error> answer) {
      if (round == round_) take(std::move(answer));
    }));
  }

  void take(std::expected<T, base::Error> answer) {
    --under_way_;
    if (answer || final_(answer.error())) {
      auto done = std::exchange(done_, nullptr);
      stop();
      done(std::move(answer));
    } else if (under_way_ == 0) {
      timer_.set(back_off_.after(answer.error()), [this] { try_once(); });
    }
  }

  LoopTimer timer_;
  BackOff back_off_;
  base::Duration overlap_;
  Attempt attempt_;
  Reply<T> done_;
  std::function<bool(const base::Error&)> final_;
  std::uint64_t round_ = 0;
  int attempts_ = 0, under_way_ = 0;
  Lifeline lifeline_;
};

}  // namespace slipway::runner
