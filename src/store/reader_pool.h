#pragma once
// Some connections that only read, each with a thread of its own.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "store/session.h"

namespace slipway::store {

// How many reads may wait: more means that the readers are stuck, and callers are better told.
inline constexpr std::size_t kReadQueueMax = 20'000;

class ReaderPool {
 public:
  struct Options {
    std::size_t threads = 2;
    base::Duration give_up_after{5'000};  // a read that finds no database is tried again for so long
    base::Duration back_off{50};
    std::size_t queue_max = kReadQueueMax;
  };

  ReaderPool(ConnectReader connect, Options options);
  // Fails what waits, joins the threads.
  ~ReaderPool();
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;

  // Thread-safe. See Database::read.
  void read(Work work, Done done);

 private:
  using Steady = std::chrono::steady_clock;
  struct Entry {
    Work work;
    Done done;
    Steady::time_point since;
  };

  void run();
  std::exception_ptr serve(std::unique_ptr<ReadSession>& session, Entry& entry);
  bool pause();  // false when the pool is being stopped

  const ConnectReader connect_;
  const Options options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;  // guarded by mutex_
  bool stopping_ = false;    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace slipway::store
