#pragma once
// Doing a run again (WF-4): a new run with a journal of its own, which may begin with what still holds of the old one.
// The old journal is never changed.
//
// What holds are the events before the first one of `from_step`: results, failures that the body went on after,
// recorded values, versions, received signals, and the steps and ends of children. Something that was undone does not
// hold, nor does what was begun and has no end, nor anything after a cancel or after the step that failed the run; and
// nothing that came later than any of these holds, because it was built on it. Replaying the body over what was taken
// over registers its compensations: should the new run fail, it undoes that as well.
//
// Of a run without end (continue_as_new) only the last generation is looked at.

#include <string>
#include <vector>

#include "durable/event.h"
#include "durable/execution.h"

namespace slipway::store {
class Transaction;
}

namespace slipway::durable {

struct RetryPlan {
  std::vector<Event> events;  // of the new journal, from its second on
  std::vector<std::string>
      taken_over;         // the steps whose outcomes these are; an item of a fan-out only without the rest
  std::string starts_at;  // the first step that is done; empty when nobody knows one
};

// `journal` is the whole of a run that failed or was cancelled. Without `from_step` nothing is taken over. Throws
// VALIDATION_ERROR naming `fromStep`, with the names that there are, when neither journal nor outline has it.
RetryPlan plan_retry(const RunId& old, const std::vector<Event>& journal, const std::vector<std::string>& outline,
                     const std::string& from_step, Instant now);

// What a retry is made of, besides the old run: Engine::make_retry.
struct RetryRequest {
  RunId of;
  std::string from_step;  // empty: from the start
  std::string by;
  RunId id;  // of the new run
  base::ReplicaId replica;
  Instant at;
  const Witness* witness = nullptr;
  std::string trace = {};  // of the request
};
struct Retried {
  RunRecord record;  // to be launched
  std::vector<std::string> taken_over;
  std::string starts_at;
};
// Inserts the new run, and asks the workflow's on_retry, which may refuse. A run that stood in a queue stands in it
// again, if there still is one. Throws NOT_FOUND, INVALID_STATE_TRANSITION unless the run failed or was cancelled,
// CONFLICT while a retry of it, or a retry of that, is at work, and what plan_retry throws. Of two at the same time one
// is refused.
Retried insert_retry(store::Transaction& tx, const RetryRequest& request,
                     const std::function<const Workflow*(const std::string& type)>& find_workflow);

// The latest run that does this one again.
std::optional<RunId> retried_by(store::Transaction& tx, const RunId& run);

}  // namespace slipway::durable
