#pragma once
// One seed's world: some hubs on one database, random programs on them, everything that can go wrong going wrong, and
// the promises of the engine checked after every commit and at the end.

#include <cstdint>
#include <iosfwd>
#include <string>

namespace slipway::durable::testing {

struct SimulationResult {
  std::uint64_t seed = 0;
  std::string violations;  // a line for each promise that was broken; empty when all was kept
  std::string digest;      // of all journals: the same seed gives the same
  std::int64_t runs = 0, events = 0, commits = 0, crashes = 0, lost_leases = 0, taken_over = 0;
};

// Every third seed is one of liveness: at some point all replicas but one stand still for ever, the faults end, and
// that one must bring every run to its end. With `trace`, what happens is told there line by line.
SimulationResult simulate(std::uint64_t seed, std::ostream* trace = nullptr);

}  // namespace slipway::durable::testing
