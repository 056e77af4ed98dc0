#pragma once
// What a daemon counts.

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"

namespace slipway::observe {
class Registry;
}

namespace slipway::runner {

// Does nothing without a registry, which must outlive it.
class DaemonMetrics {
 public:
  explicit DaemonMetrics(observe::Registry* registry) : registry_(registry) {}

  void set_runners(std::size_t runners);
  void set_connected(bool connected);
  // `from`: hub, or cache.
  void archive_taken(const std::string& from);
  void set_archive_bytes(std::uint64_t bytes);
  void job_began(const std::string& provisioner);
  // `status`: succeeded, failed, cancelled, pending (to be tried again), lost, given_up.
  void job_ended(const std::string& provisioner, const std::string& status, base::Duration took);

 private:
  observe::Registry* registry_;
};

}  // namespace slipway::runner
