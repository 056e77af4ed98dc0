#pragma once
// How a simulated session that works under the state's lock reaches the hub (provisioner::StateBackend): past its
// daemon, and for longer than its daemon may live. Every call is made until it is heard.

#include <functional>
#include <memory>
#include <string>

#include "runner/testing/simulated_hub.h"

namespace slipway::runner::testing {

class SimulatedBackend : public std::enable_shared_from_this<SimulatedBackend> {
 public:
  // `is_cut`: whether the session's machine reaches the hub at the moment. `on_lost`: once, when the hub takes nothing
  // of the session any more.
  SimulatedBackend(SimulatedWorld& world, SimulatedHub& hub, std::string job, std::int64_t fence,
                   std::function<bool()> is_cut, std::function<void()> on_lost)
      : world_(world),
        hub_(hub),
        job_(std::move(job)),
        fence_(fence),
        is_cut_(std::move(is_cut)),
        on_lost_(std::move(on_lost)) {}

  // `then`: also where it is refused.
  void lock(std::function<void()> then);
  // One state after the other; of those that wait only the newest.
  void write(std::string state);
  // `then`: once the newest state is kept and the lock let go, or all of it is lost.
  void let_go(std::function<void()> then);
  // The session is gone: nothing of it reaches the hub any more.
  void stop() {
    stopped_ = true;
    then_ = nullptr;
  }
  bool is_lost() const { return lost_; }

 private:
  void until_heard(std::function<void()> what, std::function<void()> then);
  void write_newest();
  void keep_alive();
  void unlock();
  bool reaches_hub() const;

  SimulatedWorld& world_;
  SimulatedHub& hub_;
  const std::string job_;
  const std::int64_t fence_;
  std::function<bool()> is_cut_;
  std::function<void()> on_lost_;
  std::string newest_;
  bool waits_ = false, writing_ = false;  // a state
  bool locked_ = false, lost_ = false, stopped_ = false;
  std::function<void()> then_;  // of let_go
};

}  // namespace slipway::runner::testing
