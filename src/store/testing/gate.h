#pragma once
// Makes threads wait for each other in tests.

#include <condition_variable>
#include <mutex>

namespace slipway::store::testing {

// Closed until opened, then open for good. Thread-safe.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

}  // namespace slipway::store::testing
