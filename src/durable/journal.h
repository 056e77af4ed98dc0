#pragma once
// The SQL of runs and their journals, and nothing else: what is written is decided by the engine.

#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "durable/execution.h"
#include "durable/payload.h"
#include "store/store.h"

namespace slipway::durable::journal {

using base::ReplicaId;

// A run as its row has it.
struct Row {
  RunRecord record;
  RunStatus status = RunStatus::running;
  std::optional<Failure> failure;
  std::string failed_step;
  json::Value output;
  bool needs_attention = false;
  std::optional<std::string> parked_reason;
  std::optional<Instant> completed_at;
  std::optional<Instant> wake_at;  // while it is nobody's: when it goes on by itself
};

// The run, owned by `record.replica`, and its first event; or one that waits in a queue, if it has a ticket (queue.h).
// Its witness is told. Returns the run's id, or that of another which a key of its ticket means: then nothing was
// inserted, and nothing is to be launched. Throws REPLICA_FENCED when the replica has lost its lease, and QUEUE_FULL
// (quota).
RunId insert_run(store::Transaction& tx, const RunRecord& record);

// The first event of a run; `queue` is empty for one that begins at once.
Event started_event(const RunRecord& record, const std::string& queue);
// The same, and what it takes over.
std::vector<Event> first_events(const RunRecord& record, const std::string& queue);

struct Appended {
  const RunId* run = nullptr;
  const Event* event = nullptr;
};
// Secrets in them are sealed; data that is large stands in run_payloads (payload.h).
void append(store::Transaction& tx, const std::vector<Appended>& events, const Sealer* sealer = nullptr);
// Puts the end into the run's row. `state` is final.
void set_ended(store::Transaction& tx, const RunId& run, const RunState& state);
// The run is nobody's until `wake_at`, or until something is said to it.
void release(store::Transaction& tx, const RunId& run, Instant wake_at);
// The run is nobody's until a replica with other code tries it.
void park(store::Transaction& tx, const RunId& run, const std::string& reason);

// ---- taking runs that are nobody's, or of a replica that is gone: each run goes to one taker. The rows are as taken.
std::vector<Row> claim_of(store::Transaction& tx, const ReplicaId& taker, const ReplicaId& departed,
                          std::int64_t limit);
bool any_due(store::Transaction& tx, Instant until);
std::vector<Row> claim_due(store::Transaction& tx, const ReplicaId& taker, Instant until, std::int64_t limit);
std::optional<Row> claim_sleeping(store::Transaction& tx, const ReplicaId& taker, const RunId& run);
// Parked ones, ids greater than `after`; with the reason that they were parked for, which their rows have no more.
std::vector<Row> claim_parked(store::Transaction& tx, const ReplicaId& taker, const RunId& after, std::int64_t limit);
// Those of `runs` that wait in a queue, in no order.
std::vector<Row> claim_pending(store::Transaction& tx, const ReplicaId& taker, const std::vector<RunId>& runs);
// Strikes a departed replica off when none of its runs is left to be taken.
void forget_departed(store::Transaction& tx, const ReplicaId& departed);

// ---- for the sweep
struct Examination {
  std::int64_t sleeping = 0;  // nobody's, with a time to come back
  std::int64_t parked = 0;
  std::int64_t unwakeable = 0;       // nobody's, and neither their time nor a queue would ever wake them
  std::vector<ReplicaId> ownerless;  // replicas that nobody knows, and that runs are said to be with
  std::vector<RunId> owned;          // by the one who asks
};
Examination examine(store::Transaction& tx, const ReplicaId& self);
// Makes the unwakeable due at once, and the ownerless claimable. Returns how many it found.
std::int64_t repair(store::Transaction& tx, Instant now);

std::optional<Row> find(store::Transaction& tx, const RunId& run);
// The same, and nobody else changes the run's row before this transaction ends.
std::optional<Row> find_for_update(store::Transaction& tx, const RunId& run);
// Events with `seq` greater than `after`, oldest first, at most `limit`; of some types only, unless there are none.
std::vector<Event> events(store::Transaction& tx, const RunId& run, std::int64_t after = 0,
                          std::int64_t limit = std::numeric_limits<std::int64_t>::max(),
                          const std::vector<EventType>& types = {});
struct Recorded {
  std::vector<Event> events;
  std::string unreadable;  // why it cannot be read: its neighbours' can
};
// The journals of many runs, each from where it last began (run_continued), to be folded. Those without events are
// absent. Secrets stay sealed without a sealer.
std::unordered_map<RunId, Recorded> events_of(store::Transaction& tx, const std::vector<RunId>& runs,
                                              const Sealer* sealer = nullptr);
std::int64_t last_seq(store::Transaction& tx, const RunId& run);
// Runs on this resource that have not ended, oldest first.
std::vector<Row> unfinished_on(store::Transaction& tx, const std::string& resource_id);
std::int64_t count_events(store::Transaction& tx, const RunId& run, const std::vector<EventType>& types = {});

// What completed runs of a type took lately (step_timings.h); empty while there are too few.
std::optional<Duration> usual_duration(store::Transaction& tx, const std::string& type);

}  // namespace slipway::durable::journal
