#pragma once
// The SQL of a run's way through a queue: entering it with its start, being admitted, leaving it with its end.

#include <optional>
#include <string>
#include <vector>

#include "durable/journal.h"
#include "durable/queue_store.h"

namespace slipway::durable::queues {

using base::ReplicaId;

// The queue that a start enters: its ticket's if that exists, else the default one. Nobody deletes it before this
// transaction ends. Throws QUEUE_FULL (quota) when as many wait in it as may.
std::string open_for(store::Transaction& tx, const Ticket& ticket);
// Makes the run, whose row is pending, wait in the queue.
void enter(store::Transaction& tx, const RunRecord& record, const std::string& queue);

struct Admitted {
  journal::Row run;                 // as the taker's own
  Event event;                      // run_admitted, the second of its journal, or after what it took over
  std::vector<Event> journal = {};  // before that, of one that does another again; else it is just begun
};
struct Admission {
  std::vector<Admitted> runs;       // in the order of their admission
  bool more = false;                // the page was full: there may be more to admit at once
  bool is_full = false;             // nobody is admitted before somebody ends
  bool is_gone = false;             // there is no such queue: who would wait in it is in the default one
  std::optional<Instant> again_at;  // when the rate gives a place, or somebody's time comes
};
// Admits at most `page` runs, for `taker` to advance. All of it under the lock of the queue's row.
Admission admit(store::Transaction& tx, const std::string& queue, const ReplicaId& taker, Instant now,
                std::int64_t page);

// The run has ended, and its place is free.
void leave(store::Transaction& tx, const RunId& run);
// Takes a run out of the line that was not admitted yet; false when there is none.
bool withdraw(store::Transaction& tx, const RunId& run);

// ---- for the sweep
struct Examination {
  std::vector<std::pair<std::string, Counts>> counts;  // of every queue
  // Entries whose run has ended or is gone, and pending runs without an entry: defects, by which a place or a run would
  // be lost.
  std::int64_t broken = 0;
  bool has_old_keys = false;  // that mean nothing any more
};
Examination examine(store::Transaction& tx, Instant now);
// Mends what is broken, and says how many that were.
std::int64_t mend(store::Transaction& tx, Instant now);
void forget_old_keys(store::Transaction& tx, Instant now);

}  // namespace slipway::durable::queues
