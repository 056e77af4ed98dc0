#pragma once
// How long runs of a type and their steps took lately, and what that says of one that is under way (WF-9).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "durable/run_state.h"
#include "store/store.h"

namespace slipway::durable {

inline constexpr std::size_t kTimingsKept = 20;   // runs of a type: enough for a median, few enough to follow a change
inline constexpr std::size_t kTimingsNeeded = 3;  // before anything is said of the future

// What one completed run took.
struct RunTiming {
  Duration total{0};
  std::map<std::string, Duration> steps;  // by key; items of fan-outs count with the whole
};
SLIPWAY_JSON_CAMEL(RunTiming, total, steps)
// `completed` has ended. Time in a queue does not count.
RunTiming timing_of(const RunState& completed);

// Of one type, the newest last; at most kTimingsKept.
using TypeTimings = std::vector<RunTiming>;
TypeTimings timings_of(store::Transaction& tx, const std::string& type);
// Newest first, as they are read.
void add_timings(store::Transaction& tx, const std::string& type, const std::vector<RunTiming>& newest);

// The median of the whole runs; empty with fewer than kTimingsNeeded.
std::optional<Duration> usual_duration(const TypeTimings& timings);

struct Estimate {
  std::int64_t progress = 0;  // of 100; 100 only when the run has ended
  std::optional<Instant> completion;
};
// The progress of a run that is under way never falls while `timings` are the same. Each step weighs its median, and
// one that is under way counts by its time, up to 99 %; without timings all steps of the outline weigh the same. No
// completion is foreseen for runs that wait in a queue, are being stopped, or have too little history.
Estimate estimate(const RunState& state, const std::vector<std::string>& outline, const TypeTimings& timings,
                  Instant now);

}  // namespace slipway::durable
