#pragma once
// What the runs of the chaos test do: a program that a seed decides, and what must come of it, known beforehand.
//
// The programs act on an outside of their own (effects.h), which counts by idempotency key, and on tables of their own,
// in whose transactions they take part. Nothing here knows of crashes: whatever happens to processes, databases and
// networks, a run that ends must have come to its expectation.

#include <boost/describe/enum.hpp>
#include <string>
#include <vector>

#include "base/json.h"
#include "durable/context.h"
#include "durable/workflow.h"

namespace slipway::chaos {

class Effects;

struct ProgramInput {
  std::int64_t seed = 0;
  std::int64_t length = 0;
};
SLIPWAY_JSON_SNAKE(ProgramInput, seed, length)

struct ProgramOutput {
  std::int64_t sum = 0;
};
SLIPWAY_JSON_SNAKE(ProgramOutput, sum)

enum class ActionKind {
  compute,
  make,   // a thing, outside; undone when the run fails or is cancelled
  count,  // a row of chaos_counts, in the transaction of the step
  sleep,
  poll,
  choose,  // a result that is different each time, and must be the same for ever once it is recorded
};
BOOST_DESCRIBE_ENUM(ActionKind, compute, make, count, sleep, poll, choose)

struct Action {
  ActionKind kind = ActionKind::compute;
  bool fails = false;         // make: refused for good, so that the run fails
  durable::Duration sleep{};  // sleep: for how long
};

std::vector<Action> plan(const ProgramInput& input);

// What an undisturbed run of it comes to. `things` are the numbers of the actions whose things exist afterwards.
struct Expectation {
  std::string status;
  std::int64_t sum = 0;
  std::vector<std::int64_t> things;
};
SLIPWAY_JSON_SNAKE(Expectation, status, sum, things)

Expectation expect(const ProgramInput& input);

class Program {
 public:
  static constexpr std::string_view kType = "chaos.program";
  static std::vector<std::string> outline() { return {}; }
  explicit Program(const Effects& effects) : effects_(effects) {}  // outlives the engine

  durable::Run<ProgramOutput> operator()(durable::Context& run, ProgramInput input) const;
  void on_failure(store::Transaction& tx, const ProgramInput& input, const durable::BadEnd& end) const;

 private:
  const Effects& effects_;
};

}  // namespace slipway::chaos
