#pragma once
// What a random program does, as data: its input's seed decides all of it. The workflow acts it out, and the model says
// what must come of it.

#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace slipway::durable::testing {

struct ProgramInput {
  std::int64_t seed = 0;
  std::int64_t length = 0;
  std::int64_t depth = 0;    // how many generations of children it may have
  std::int64_t rounds = 1;   // how often it begins, with this one
  std::int64_t carried = 0;  // the sum of the rounds before
};
SLIPWAY_JSON_SNAKE(ProgramInput, seed, length, depth, rounds, carried)

struct ProgramOutput {
  std::int64_t sum = 0;
};
SLIPWAY_JSON_SNAKE(ProgramOutput, sum)

enum class Does {
  compute,
  make,        // a thing, with what removes it
  make_hasty,  // the same, with a limit for each attempt
  make_beat,   // the same, in three parts that heartbeats tell apart
  make_each,   // many side by side
  count,       // in a transaction
  sleep,
  poll,
  choose,   // a step whose result a later one must find again
  values,   // time, chance, ids and versions, likewise
  signals,  // asks for some and awaits them in their order
  await_signal_in_vain,
  child,
  child_aside,     // awaited at the program's end
  child_detached,  // not awaited
  children,
};

struct Act {
  Does does = Does::compute;
  std::int64_t i = 0;  // its place in the program
  bool fails = false;
  base::Duration delay{0};
  std::int64_t width = 1;
  bool fails_fast = false;
  std::vector<bool> refused;           // of many, which fail
  std::int64_t signals = 0;            // how many
  std::vector<ProgramInput> children;  // one, or many
};

std::vector<Act> plan(const ProgramInput& input);
// The input of the round after this one, which has come to `sum`.
ProgramInput next_round(const ProgramInput& input, std::int64_t sum);

// What comes of it when nobody stops it.
struct Expected {
  bool fails = false;
  std::int64_t sum = 0;
};
Expected expected(const ProgramInput& input);

}  // namespace slipway::durable::testing
