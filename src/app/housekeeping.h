#pragma once
// What each hub does by itself from time to time: finds machines that are not what is recorded, and removes old runs.

#include "api/call.h"
#include "app/run_retention.h"
#include "fleet/workspace.h"
#include "net/asio.h"

namespace slipway::app {

class Housekeeping {
 public:
  Housekeeping(api::Hub& hub, RunRetention retention)
      : hub_(hub), retention_(std::move(retention)), stopping_(hub.io) {}
  // Runs until `stop`; spawned by the owner. What fails is logged and tried again the next time.
  net::Awaitable<void> run();
  void stop();

 private:
  net::Awaitable<void> guarded(std::string_view what, net::Awaitable<void> task);
  net::Awaitable<void> find_dead_machines();
  net::Awaitable<void> look_at(const fleet::Workspace& workspace);

  api::Hub& hub_;
  RunRetention retention_;
  net::Signal stopping_;
  bool stopped_ = false;
};

}  // namespace slipway::app
