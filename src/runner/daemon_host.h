#pragma once
// A daemon with everything that it needs: its own event loop, its way to the hub over HTTP, workers, and a folder.
// `slipway provisionerd` runs one, and `slipway serve` one in a thread of its own.

#include <memory>
#include <optional>
#include <string>

#include "runner/daemon.h"
#include "runner/http_hub_link.h"

namespace slipway::runner {

struct HostOptions {
  HttpHubOptions hub;
  std::string work;      // becomes a WorkFolder
  DaemonOptions daemon;  // folders in it are set here, and its hub_url if it is empty
  std::uint64_t archive_bytes_max = kArchiveBytesMax;
  base::Duration force_bound{10'000};  // until a daemon that is stopped by force is gone
};

class DaemonHost {
 public:
  // Checks the provisioners, and throws NO_PROVISIONER (user) if none of them works here; WORK_FOLDER_IN_USE,
  // INVALID_URL. `metrics` may be null.
  DaemonHost(HostOptions options, const Provisioners& provisioners, observe::Logger logger, observe::Registry* metrics);
  ~DaemonHost();

  // Runs the daemon on this thread until its end; throws what kept it from going on. Once.
  void run();

  // Thread-safe; also before `run`.
  void drain();
  void cancel();
  void force();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::runner
