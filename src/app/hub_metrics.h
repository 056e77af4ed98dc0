#pragma once
// The hub's own metrics: what it does, and how full its limits are.

#include <mutex>
#include <vector>

#include "agent/hub.h"
#include "durable/engine.h"
#include "durable/scheduler.h"
#include "net/server.h"
#include "observe/metrics.h"

namespace slipway::app {

// Gauges are read on the loop at scrape time. The references outlive this.
class HubMetrics {
 public:
  HubMetrics(observe::Registry& registry, const durable::Engine& engine, const durable::Scheduler& scheduler,
             const store::Database& database, const net::Server& server, const agent::AgentHub& agents);
  // Told of every run's durable events.
  void count(const durable::RunRecord& run, const durable::RunState& state, const std::vector<durable::Event>& events);

 private:
  observe::Registry& registry_;
  std::vector<observe::Registry::Registration> registrations_;
};

}  // namespace slipway::app
