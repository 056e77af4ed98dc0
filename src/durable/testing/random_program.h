#pragma once
// A workflow that does something else for every seed, the world in which its effects are counted, and the comparison of
// a journal with what the program (program.h) should have done.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "durable/context.h"
#include "durable/journal.h"
#include "durable/testing/program.h"
#include "durable/testing/simulated_world.h"
#include "durable/workflow.h"

namespace slipway::durable::testing {

// Signals that a program asked the outside for: 0, 1, 2 … `count` - 1, in this order.
struct AskedSignals {
  std::string run;
  std::string name;
  std::int64_t count = 0;
  auto operator<=>(const AskedSignals&) const = default;
};

// The outside: things made under idempotency keys. Survives crashes, as the outside does.
struct Effects {
  std::set<std::string> things;               // what exists now
  std::map<std::string, std::int64_t> beats;  // the furthest heartbeat of each step
  std::set<AskedSignals> asked;
  std::vector<AskedSignals> newly_asked;  // for whoever sends them to take
  std::vector<std::string> violations;    // promises found broken, for the test to print
};

// The body. What it does is decided by the input's seed; how often an attempt fails, by the world's.
class RandomProgram {
 public:
  static constexpr std::string_view kType = "test.random-program";
  static constexpr std::string_view kHastyType = "test.hasty-program";  // the same, with a time-out
  static constexpr Duration kHastyTimeout{20'000};
  static std::vector<std::string> outline() { return {}; }
  // Both types. `holds_lease`: whether the process that runs it has not been evicted, as the store knows it.
  static std::vector<Workflow> workflows(SimulatedWorld& world, Effects& effects,
                                         std::function<bool(store::Transaction&)> holds_lease);

  RandomProgram(SimulatedWorld& world, Effects& effects, std::function<bool(store::Transaction&)> holds_lease)
      : world_(world), effects_(effects), holds_lease_(std::move(holds_lease)) {}

  Run<ProgramOutput> operator()(Context& run, ProgramInput input) const;
  void on_failure(store::Transaction& tx, const ProgramInput& input, const BadEnd& end) const;

 private:
  std::int64_t make(const std::string& thing, Attempt& attempt, bool fails) const;
  std::int64_t make_in_parts(const std::string& thing, Attempt& attempt) const;
  void remove(const std::string& thing) const;

  Run<std::int64_t> do_alone(Context& run, const Act& act) const;
  Run<std::int64_t> do_make(Context& run, const Act& act) const;
  Run<std::int64_t> do_make_each(Context& run, const Act& act) const;
  Run<> sleep_and_settle(Context& run, const Act& act) const;
  Run<std::int64_t> do_signals(Context& run, const Act& act) const;
  Run<std::int64_t> do_children(Context& run, const Act& act) const;
  Run<> do_values(Context& run, const Act& act) const;
  Run<> choose_and_repeat(Context& run) const;

  SimulatedWorld& world_;
  Effects& effects_;
  std::function<bool(store::Transaction&)> holds_lease_;
};

// Compares an ended run of a random program with its model and its effects; adds what disagrees to `effects`.
void check_program(store::Transaction& tx, const journal::Row& row, const std::vector<Event>& events, Effects& effects);

}  // namespace slipway::durable::testing
