#pragma once
// The provisioner daemon inside a hub: the same as `slipway provisionerd`, on a thread of its own, over the hub's own
// port. So a hub alone builds workspaces, and there is one code path.

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "base/secret.h"
#include "observe/log.h"
#include "runner/daemon_host.h"

namespace slipway::app {

struct EmbeddedDaemonOptions {
  std::string hub_url;     // as this process reaches it
  std::string public_url;  // as what is built reaches it
  base::Secret key;
  std::filesystem::path work;
  std::size_t runners = 1;
};

class EmbeddedDaemon {
 public:
  // Begins at once; the hub need not serve yet. `metrics` must outlive it.
  EmbeddedDaemon(const EmbeddedDaemonOptions& options, observe::Logger log, observe::Registry& metrics);
  // What still runs is killed.
  ~EmbeddedDaemon();

  // What runs is stopped gracefully, to be gone on with by another daemon or after a restart.
  void stop() { host_.cancel(); }
  void force() { host_.force(); }
  bool has_ended() const { return ended_; }

 private:
  const observe::Logger log_;
  runner::DaemonHost host_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace slipway::app
