#pragma once
// Who is told of what becomes of runs, within the transaction that makes it so: what he writes there cannot disagree
// with the journal. For observers after the commit see Engine::observe.

#include <boost/describe/enum.hpp>
#include <optional>
#include <span>
#include <string>

#include "durable/execution.h"
#include "durable/run_state.h"
#include "store/store.h"

namespace slipway::durable {

enum class TransitionKind {
  run_pending,          // it waits in a queue
  run_started,          // at once, or when it was admitted
  run_parked,           // it cannot go on with the code of today
  run_needs_attention,  // something could not be undone
  run_completed,
  run_failed,
  run_cancelled,
  step_completed,  // of steps only while the witness wants to hear of them
  step_failed,
};
BOOST_DESCRIBE_ENUM(TransitionKind, run_pending, run_started, run_parked, run_needs_attention, run_completed,
                    run_failed, run_cancelled, step_completed, step_failed)

// Refers to what the teller holds, for the time of the call.
struct Transition {
  TransitionKind kind = TransitionKind::run_started;
  const RunRecord* run = nullptr;
  Instant at;                           // of an end: when the run ended
  std::optional<Failure> failure = {};  // of the run or the step; of a parked run, why
  std::string_view step = {};           // the failed one of a run that failed; else the one that it is about
};

class Witness {
 public:
  virtual ~Witness() = default;
  // On the store's thread, perhaps more than once for the same transaction. What it throws fails the transaction.
  virtual void tell(store::Transaction& tx, std::span<const Transition> transitions) const = 0;
  // Whether somebody asks for steps just now. Thread-safe.
  virtual bool wants_steps() const { return false; }
};

// How a run that is final has ended.
Transition to_transition(const RunRecord& run, const RunState& ended);

}  // namespace slipway::durable
