#pragma once
// How provisionings of workstations go, for Prometheus (WP-17): a success is counted when the workstation is ready, a
// failure when its run ends without that; with a series at 0 for each tier and error code from the beginning, so that
// the first failure is an increase. And how many workstations
// there are, and which provisioning is oldest, counted now and then.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "durable/engine.h"
#include "fleet/tier.h"
#include "fleet/workstation.h"
#include "net/asio.h"
#include "observe/metrics.h"

namespace slipway::api {
struct Hub;
}

namespace slipway::app {

// For the loop's thread. The references outlive this.
class WorkstationMetrics {
 public:
  WorkstationMetrics(net::IoContext& io, observe::Registry& registry, const fleet::Tiers& tiers,
                     const base::Clock& clock);
  // Told of every run's durable events.
  void count(const durable::RunRecord& run, const durable::RunState& state, const std::vector<durable::Event>& events);
  // Looks what there is, until `stop`; spawned by the owner.
  net::Awaitable<void> run(api::Hub& hub);
  void stop();
  // One such look.
  struct Census {
    std::optional<base::Instant> oldest_creating;
    std::int64_t waiting_for_quota = 0;
    std::vector<fleet::WorkstationCount> counts;
  };
  static Census take_census(store::Transaction& tx);
  void show(Census census) { census_ = std::move(census); }

 private:
  void declare(const std::string& tier);
  observe::Counter failures(const std::string& tier, const std::string& error_code);
  observe::Counter successes(const std::string& tier);
  observe::Histogram durations(const std::string& tier);
  std::string tier_label(const durable::RunRecord& run) const;
  void register_gauges();

  observe::Registry& registry_;
  const fleet::Tiers& tiers_;
  const base::Clock& clock_;
  const std::set<std::string> error_codes_;
  net::Signal stopping_;
  bool stopped_ = false;
  Census census_;
  std::vector<observe::Registry::Registration> gauges_;
};

}  // namespace slipway::app
