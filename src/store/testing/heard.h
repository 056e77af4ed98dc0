#pragma once
// What a test heard of bells, and waiting for more.

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "store/store.h"

namespace slipway::store::testing {

// Thread-safe. Must outlive the listening that it was given to.
class Heard {
 public:
  Bell bell() {
    return [this](std::string_view word) {
      const std::lock_guard lock(mutex_);
      words_.emplace_back(word);
      changed_.notify_all();
    };
  }
  void wait_for(std::string_view word) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return std::ranges::find(words_, word) != words_.end(); });
  }
  std::size_t times(std::string_view word) const {
    const std::lock_guard lock(mutex_);
    return std::size_t(std::ranges::count(words_, word));
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    words_.clear();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> words_;
};

}  // namespace slipway::store::testing
