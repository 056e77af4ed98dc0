#pragma once
// A workflow that does something else for every seed, and the world in which its effects are counted: what it should
// have done can be computed and compared.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "durable/context.h"
#include "durable/testing/simulated_world.h"
#include "durable/workflow.h"

namespace slipway::durable::testing {

struct ProgramInput {
  std::int64_t seed = 0;
  std::int64_t length = 0;
};
SLIPWAY_JSON_SNAKE(ProgramInput, seed, length)

struct ProgramOutput {
  std::int64_t sum = 0;
};
SLIPWAY_JSON_SNAKE(ProgramOutput, sum)

// The outside: things made under idempotency keys. Survives crashes, as the outside does.
struct Effects {
  std::map<std::string, int> calls;     // by idempotency key
  std::set<std::string> things;         // what exists now
  std::vector<std::string> violations;  // promises found broken, for the test to print
};

// The body. A failing attempt, a failing step and what it looks like are decided by the input's seed and, for attempts,
// by the world's.
class RandomProgram {
 public:
  static constexpr std::string_view kType = "test.random-program";
  static std::vector<std::string> outline() { return {}; }
  // `holds_lease`: whether the process that runs it has not been evicted, as the store knows it.
  RandomProgram(SimulatedWorld& world, Effects& effects, std::function<bool(store::Transaction&)> holds_lease)
      : world_(world), effects_(effects), holds_lease_(std::move(holds_lease)) {}

  Run<ProgramOutput> operator()(Context& run, ProgramInput input) const;
  void on_failure(store::Transaction& tx, const ProgramInput& input, const BadEnd& end) const;

 private:
  std::int64_t make(const std::string& thing, Attempt& attempt, bool fails) const;
  void remove(const std::string& thing) const;

  SimulatedWorld& world_;
  Effects& effects_;
  std::function<bool(store::Transaction&)> holds_lease_;
};

}  // namespace slipway::durable::testing
