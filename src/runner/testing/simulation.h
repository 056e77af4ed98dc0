#pragma once
// One seed's world of daemons, a hub, and jobs; see simulation.cpp for what can go wrong, and simulated_hub.cpp for the
// promises that are checked.

#include <cstdint>
#include <string>

namespace slipway::runner::testing {

struct SimulationResult {
  std::uint64_t seed = 0;
  std::string violations;  // a line each; empty when all was kept
  std::int64_t calls = 0, leases_lost = 0, salvages = 0, salvaged = 0, requeued = 0, succeeded = 0, failed = 0,
               cancelled = 0, kills = 0;
};

SimulationResult simulate(std::uint64_t seed);

}  // namespace slipway::runner::testing
