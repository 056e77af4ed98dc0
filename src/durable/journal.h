#pragma once
// The SQL of runs and their journals, and nothing else: what is written is decided by the engine.

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "durable/execution.h"
#include "store/store.h"

namespace slipway::durable::journal {

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
  std::optional<Instant> wake_at;
};

// The run and its first event.
void insert_run(store::Transaction& tx, const RunRecord& record);

struct Appended {
  const RunId* run = nullptr;
  const Event* event = nullptr;
};
void append(store::Transaction& tx, const std::vector<Appended>& events);
// Puts the end into the run's row. `state` is final.
void set_ended(store::Transaction& tx, const RunId& run, const RunState& state);
void set_wake_at(store::Transaction& tx, const RunId& run, std::optional<Instant> at);
void set_parked(store::Transaction& tx, const RunId& run, const std::optional<std::string>& reason);

std::optional<Row> find(store::Transaction& tx, const RunId& run);
// Events with `seq` greater than `after`, oldest first, at most `limit`.
std::vector<Event> events(store::Transaction& tx, const RunId& run, std::int64_t after = 0,
                          std::int64_t limit = std::numeric_limits<std::int64_t>::max());
std::int64_t last_seq(store::Transaction& tx, const RunId& run);
// Runs on this resource that have not ended, oldest first.
std::vector<Row> unfinished_on(store::Transaction& tx, const std::string& resource_id);
std::int64_t count_events(store::Transaction& tx, const RunId& run);
// Runs that have not ended, ids greater than `after`, in their order.
std::vector<Row> live(store::Transaction& tx, const std::string& after, std::int64_t limit);

struct Filter {
  std::optional<std::string> type, resource_type, resource_id, triggered_by;
  std::optional<RunStatus> status;
  std::optional<Instant> since, until;  // on the start
  std::optional<std::string> owner_id;  // empty: everyone's, for an admin
  std::string before;                   // cursor: ids smaller than this; empty for the newest
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
// Newest first.
std::vector<Row> list(store::Transaction& tx, const Filter& filter);
std::int64_t count(store::Transaction& tx, const Filter& filter);
// The mean duration of those of the last 50 runs of a type that completed.
std::optional<Duration> usual_duration(store::Transaction& tx, const std::string& type);

}  // namespace slipway::durable::journal
