#pragma once
// Bells within one process: who listens, what has been rung, and the thread on which the embedded database's bells are
// heard.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/store.h"

namespace slipway::store {

// Thread-safe. A bell is called under the lock that its end takes, so that none is called after its end.
class Listeners {
 public:
  std::unique_ptr<Listening> add(std::string channel, Bell bell);
  void call(std::string_view channel, std::string_view word);
  void call_all(std::string_view word);
  std::vector<std::string> channels() const;  // sorted, each once

 private:
  struct Entry {
    std::string channel;
    Bell bell;
  };
  struct State {
    std::mutex mutex;
    std::uint64_t last = 0;
    std::map<std::uint64_t, Entry> entries;  // guarded by mutex
  };
  class Ear;

  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

// What was rung and not sent yet, each word of a channel once. Not thread-safe.
class RungBells {
 public:
  using Rung = std::pair<std::string, std::string>;  // channel, word
  // Forgets it when there are too many: it is only a hint.
  void add(std::string_view channel, std::string_view word);
  bool empty() const { return rung_.empty(); }
  std::vector<Rung> take() { return std::exchange(rung_, {}); }

 private:
  std::vector<Rung> rung_;
};

class LocalBells {
 public:
  LocalBells();
  ~LocalBells();
  LocalBells(const LocalBells&) = delete;
  LocalBells& operator=(const LocalBells&) = delete;

  // See Database.
  std::unique_ptr<Listening> listen(std::string channel, Bell bell);
  void ring(std::string_view channel, std::string_view word);

 private:
  void run();

  Listeners listeners_;
  std::mutex mutex_;
  std::condition_variable wake_;
  RungBells rung_;         // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::store
