#pragma once
// What has become of runs, summed up as they end (WF-5, WF-10), so that a summary of a million runs reads some hundred
// rows. What is asked is exact at once, over any period: whole minutes, hours and days come from the rollups, ends that
// these have not counted yet from the feed, and the edges of the period, which no whole minute covers, from the runs.
//
// Rollups outlive the runs that retention removes; only the edges then count nothing. After kMinutesKept they are kept
// by the hour, so that an edge is a part of an hour.
//
// One replica at a time advances them: it reads a page of ends and applies that in one write, which moves the cursor.
// A page that another one has applied meanwhile comes to nothing, so that each end is counted once.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/time.h"
#include "durable/run_state.h"
#include "durable/step_timings.h"
#include "fleet/duration_histogram.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

inline constexpr base::Duration kMinutesKept = std::chrono::hours(8 * 24);

// One run that has ended, as it counts.
struct EndedRun {
  base::RunId id;
  std::string owner_id;
  std::string type;
  durable::RunStatus status = durable::RunStatus::completed;
  base::Instant started_at;
  base::Duration duration{0};  // never negative
  std::string failure_code;    // of a failed one
};

// A sum of runs. Durations are those of completed runs: what failed at once says nothing of how long it takes.
struct RunTally {
  std::int64_t completed = 0;
  std::int64_t failed = 0;
  std::int64_t cancelled = 0;
  std::int64_t duration_sum_ms = 0;
  DurationHistogram durations;
  std::map<std::string, std::int64_t> failures;  // by code

  std::int64_t total() const { return completed + failed + cancelled; }
  void add(const EndedRun& run);
  void merge(const RunTally& other);
  bool operator==(const RunTally&) const = default;
};

// Runs that started in [since, until); an open end is an open period.
struct Period {
  std::optional<base::Instant> since;
  std::optional<base::Instant> until;

  bool contains(base::Instant at) const { return (!since || at >= *since) && (!until || at < *until); }
};

using TallyByType = std::map<std::string, RunTally>;
// Of those runs in the scope that have ended, only types that have any. All in the transaction's snapshot.
TallyByType tally_runs(store::Transaction& tx, const Scope& scope, const Period& period,
                       const std::optional<std::string>& type = {});
// Whether ends from before the first rollup are still to be counted: until then a tally lacks some of them.
bool has_rollup_backlog(store::Transaction& tx);
// Whether a run of this type has ever ended, in the scope.
bool has_rollup_of(store::Transaction& tx, const Scope& scope, const std::string& type);

// ---- keeping them

struct RollupPage {
  std::int64_t turn = 0;  // whose this page is
  std::int64_t feed_cursor = 0;
  std::vector<EndedRun> runs;
  std::vector<std::string> from_backlog;
  std::map<std::string, std::vector<durable::RunTiming>> timings;  // of some of the completed ones
  bool is_full = false;                                            // there is more to do at once

  bool is_worth_writing() const { return !runs.empty() || !from_backlog.empty() || moves_far; }
  bool moves_far = false;  // much of the feed was passed that is not about ends of runs
};
// In a read. `settled`: how far the feed may be read (change_feed.h).
RollupPage read_rollup_page(store::Transaction& tx, std::int64_t settled);
// In a write. False when another replica was faster, or is at it.
bool apply_rollup_page(store::Transaction& tx, const RollupPage& page);
// Removes minutes of which the hours are kept; at most kRemovedAtOnce, gives how many.
std::int64_t trim_rollups(store::Transaction& tx, base::Instant now);

}  // namespace slipway::fleet
