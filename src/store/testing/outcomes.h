#pragma once
// What became of many writes: collects their Dones, and lets a test wait for all.

#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "store/store.h"

namespace slipway::store::testing {

// Thread-safe. Must outlive the writes that it was given to.
class Outcomes {
 public:
  // A Done for the write that the test calls `number`.
  Done done(int number) {
    {
      const std::lock_guard lock(mutex_);
      ++expected_;
    }
    return [this, number](std::exception_ptr failure) {
      const std::lock_guard lock(mutex_);
      ++calls_[number];
      order_.push_back(number);
      if (failure) failures_.emplace(number, base::as_error(failure));
      changed_.notify_all();
    };
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return order_.size() >= expected_; });
  }

  bool is_complete() {
    const std::lock_guard lock(mutex_);
    return order_.size() >= expected_;
  }

  // All of these wait first.
  std::vector<int> order() { return wait(), order_; }
  bool succeeded(int number) { return wait(), failures_.count(number) == 0; }
  std::size_t failed() { return wait(), failures_.size(); }
  // "" for one that succeeded.
  std::string code(int number) {
    wait();
    const auto found = failures_.find(number);
    return found == failures_.end() ? "" : found->second.code();
  }
  bool each_was_called_once() {
    wait();
    for (const auto& [number, calls] : calls_)
      if (calls != 1) return false;
    return order_.size() == expected_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t expected_ = 0;
  std::map<int, int> calls_;
  std::map<int, base::Error> failures_;
  std::vector<int> order_;
};

}  // namespace slipway::store::testing
