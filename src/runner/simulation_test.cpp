// Daemons, runners and a hub in the simulated world: every seed is another order of events, other faults, other ends.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

#include "runner/testing/simulation.h"

namespace slipway::runner {
namespace {

using testing::simulate;

constexpr std::uint64_t kSeeds = 2'000;

std::uint64_t seeds_wanted() {
  const char* wanted = std::getenv("SLIPWAY_RUNNER_SEEDS");
  return wanted ? std::stoull(wanted) : kSeeds;
}

std::uint64_t first_seed() {
  const char* first = std::getenv("SLIPWAY_RUNNER_SEED");
  return first ? std::stoull(first) : 1;
}

// RUN-3, RUN-7, RUN-8, RUN-9, RUN-10, RUN-12, RUN-13, RUN-15, RUN-16
TEST(SimulationOfRunners, EveryJobEndsOnceInOrderAndLosesNothing) {
  testing::SimulationResult sum;
  for (auto seed = first_seed(); seed < first_seed() + seeds_wanted() && !HasFailure(); ++seed) {
    const auto result = simulate(seed);
    EXPECT_EQ(result.violations, "") << "replay: SLIPWAY_RUNNER_SEED=" << seed << " SLIPWAY_RUNNER_SEEDS=1";
    sum.calls += result.calls;
    sum.leases_lost += result.leases_lost;
    sum.salvages += result.salvages;
    sum.salvaged += result.salvaged;
    sum.requeued += result.requeued;
    sum.kills += result.kills;
    sum.succeeded += result.succeeded;
    sum.failed += result.failed;
    sum.cancelled += result.cancelled;
  }
  if (seeds_wanted() >= kSeeds) EXPECT_GT(sum.salvaged, 0) << "what the simulation is for does not happen in it";
  std::cout << sum.succeeded << " jobs succeeded, " << sum.failed << " failed, " << sum.cancelled << " were cancelled; "
            << sum.calls << " calls, " << sum.leases_lost << " leases lost (" << sum.salvages
            << " under the state's lock, of which " << sum.salvaged << " let go), " << sum.requeued << " requeued, "
            << sum.kills << " machines killed\n";
}

}  // namespace
}  // namespace slipway::runner
