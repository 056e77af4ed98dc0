#pragma once
// Keeps the rollups of runs and the timings of their steps (fleet/run_rollups.h): a background task of every replica,
// of which one at a time gets anything done. Whatever it has not done yet is missing from no answer.

#include "api/call.h"
#include "net/asio.h"

namespace slipway::app {

class RunStatistics {
 public:
  explicit RunStatistics(api::Hub& hub) : hub_(hub), stopping_(hub.io) {}
  // Until `stop`; spawned by the owner. For the loop's thread.
  net::Awaitable<void> run();
  void stop();

 private:
  net::Awaitable<void> advance();
  net::Awaitable<void> trim();

  api::Hub& hub_;
  net::Signal stopping_;
  bool stopped_ = false;
  bool has_backlog_ = true;
  std::int64_t advanced_until_ = -1;
  base::Instant trimmed_at_;
};

}  // namespace slipway::app
