// The engine under the simulated world: every seed is another order of events, other faults, other crashes.
// `slipway-simulate` runs any seeds, and tells one readably.

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "durable/testing/simulation.h"

namespace slipway::durable {
namespace {

using testing::simulate;

void expect_kept(std::uint64_t seed) {
  const auto result = simulate(seed);
  EXPECT_EQ(result.violations, "") << "replay: slipway-simulate --seed " << seed << " --trace";
}

// WF-15, WF-13
TEST(Simulation, NothingIsLostOrDoneTwiceWhateverCrashes) {
  for (std::uint64_t seed = 1; seed <= 1'000 && !HasFailure(); ++seed) expect_kept(seed);
}

// What nobody has seen before; a seed that fails here goes into simulation_seeds.txt with the repair.
TEST(Simulation, FreshSeedsForAFixedTime) {
  std::random_device chance;
  const std::uint64_t first = (std::uint64_t(chance()) << 16) + 1'000'000;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (auto seed = first; std::chrono::steady_clock::now() < until && !HasFailure(); ++seed) expect_kept(seed);
}

TEST(Simulation, SeedsThatEverFailed) {
  std::ifstream seeds(SLIPWAY_SIMULATION_SEEDS);
  ASSERT_TRUE(seeds.is_open());
  for (std::string line; std::getline(seeds, line);)
    if (!line.empty() && line[0] != '#') expect_kept(std::stoull(line));
}

TEST(Simulation, TheSameSeedIsTheSameWorld) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    std::ostringstream first, second;
    EXPECT_EQ(simulate(seed, &first).digest, simulate(seed, &second).digest) << seed;
    ASSERT_EQ(first.str(), second.str()) << seed;
  }
}

}  // namespace
}  // namespace slipway::durable
