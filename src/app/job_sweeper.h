#pragma once
// Looks after jobs that nobody looks after any more (RUN-15): those whose daemon is lost, those that no daemon could
// take; and counts what there is, for Prometheus (RUN-18). A background task of every replica: each takes back what it
// finds, and leaves what another is taking back.

#include <vector>

#include "app/unserved_watch.h"
#include "net/asio.h"
#include "observe/metrics.h"

namespace slipway::api {
struct Hub;
}

namespace slipway::app {

struct SweeperOptions {
  base::Duration pending_max{0};  // while no daemon can take them, jobs wait for so long; 0: for ever
};

// For the loop's thread. The hub outlives this.
class JobSweeper {
 public:
  JobSweeper(api::Hub& hub, SweeperOptions options);
  // Until `stop`; spawned by the owner. What fails is logged and tried again the next time.
  net::Awaitable<void> run();
  void stop();

 private:
  net::Awaitable<void> look();
  net::Awaitable<void> take_back();
  net::Awaitable<void> look_at_unserved();
  net::Awaitable<void> fail_those_too_long(const std::vector<fleet::Unserved>& unserved);
  void tell(const fleet::Swept& swept);
  void register_gauges();

  api::Hub& hub_;
  const SweeperOptions options_;
  net::Signal stopping_;
  bool stopped_ = false;
  int looks_ = 0;
  std::optional<base::Instant> last_look_;  // these two of Clock::monotonic
  base::Instant may_judge_at_;              // before, that daemons are silent says nothing about them
  UnservedWatch unserved_watch_;
  fleet::JobCensus census_;  // of the last look
  std::vector<observe::Registry::Registration> gauges_;
};

}  // namespace slipway::app
