#pragma once
// Alerts, told to those who watch the hub itself: a line in the log when one is raised or resolved, and the gauge
// slipway_alerts_open. A background task of every replica; the eldest one writes the log.

#include <memory>
#include <vector>

#include "api/change_stream.h"
#include "fleet/alert.h"
#include "observe/metrics.h"

namespace slipway::api {
struct Hub;
}

namespace slipway::app {

class AlertWatch {
 public:
  explicit AlertWatch(api::Hub& hub);
  // Until `stop`; spawned by the owner. For the loop's thread.
  net::Awaitable<void> run();
  void stop();

 private:
  net::Awaitable<void> look();
  void write_to_log(const fleet::Change& change) const;

  api::Hub& hub_;
  std::shared_ptr<api::ChangeStream::Subscription> news_;
  bool stopped_ = false;
  std::vector<fleet::OpenAlerts> open_;  // of the last look
  observe::Registry::Registration gauge_;
};

}  // namespace slipway::app
