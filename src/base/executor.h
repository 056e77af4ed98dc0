#pragma once
// Where and when code runs, injected: the hub has an event loop and a pool of workers, the simulation one queue that a
// seed orders.

#include <cstdint>
#include <functional>

#include "base/time.h"

namespace slipway::base {

using Task = std::move_only_function<void()>;

// One thread's turn-taking: tasks run one after another, never inside `post`. `post` is thread-safe; the timer calls
// are for the loop's own thread.
class EventLoop {
 public:
  using TimerId = std::uint64_t;  // 0 is never given out
  virtual ~EventLoop() = default;
  virtual void post(Task task) = 0;
  virtual TimerId post_at(Instant at, Task task) = 0;  // by the loop's clock; at once when `at` has passed
  virtual void cancel(TimerId timer) = 0;              // a timer that has fired, or 0, is ignored
};

// Threads for calls that block. `run` is thread-safe and returns at once; tasks must not throw.
class Workers {
 public:
  virtual ~Workers() = default;
  virtual void run(Task task) = 0;
};

}  // namespace slipway::base
