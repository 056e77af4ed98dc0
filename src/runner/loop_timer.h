#pragma once
// One timer on an event loop, and calls back into an object that may be gone by then. For the loop's thread only.

#include <memory>
#include <utility>

#include "base/executor.h"
#include "base/time.h"

namespace slipway::runner {

// Cancelled when it goes: its task may use whatever lives as long as the timer.
class LoopTimer {
 public:
  LoopTimer(base::EventLoop& loop, const base::Clock& clock) : loop_(loop), clock_(clock) {}
  ~LoopTimer() { cancel(); }
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  // Instead of what it was set to before.
  void set(base::Duration after, base::Task task) { set_at(clock_.now() + after, std::move(task)); }
  void set_at(base::Instant at, base::Task task) {
    cancel();
    id_ = loop_.post_at(at, [this, task = std::move(task)]() mutable {
      id_ = 0;
      // The task may set the timer again.
      auto running = std::move(task);
      running();
    });
  }
  void cancel() { loop_.cancel(std::exchange(id_, 0)); }
  bool is_set() const { return id_ != 0; }

 private:
  base::EventLoop& loop_;
  const base::Clock& clock_;
  base::EventLoop::TimerId id_ = 0;
};

// Member of whoever gives callbacks away: what was wrapped does nothing once the member is gone.
class Lifeline {
 public:
  Lifeline() = default;
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  template <class F>
  auto wrap(F callback) const {
    return [alive = std::weak_ptr<const char>(alive_), callback = std::move(callback)](auto&&... values) mutable {
      if (alive.lock()) callback(std::forward<decltype(values)>(values)...);
    };
  }

 private:
  std::shared_ptr<const char> alive_ = std::make_shared<const char>('\0');
};

}  // namespace slipway::runner
