#pragma once
// Runs in the feed of changes: written where the engine makes it so, one small row each, in one statement for a group.

#include <atomic>
#include <optional>
#include <string>

#include "base/json.h"
#include "durable/witness.h"

namespace slipway::fleet {

struct RunChangeError {
  std::string code;
  std::string message;
  std::optional<std::string> step;
};
SLIPWAY_JSON_CAMEL(RunChangeError, code, message, step)

// What the feed says of a run: enough to show it in a list, and to know what to ask for. Without what it was given and
// what came of it, which may be large, and secret.
struct RunChange {
  std::string id;
  std::string type;
  durable::RunStatus status = durable::RunStatus::running;
  std::string resource_type;
  std::string resource_id;
  std::string triggered_by;
  base::Instant started_at;
  std::optional<base::Instant> completed_at;
  std::optional<std::int64_t> duration_ms;  // never less than 0, even where a clock was set back
  std::optional<RunChangeError> error;      // of a parked run: why it is
  std::optional<std::string> step;          // that the change is about
};
SLIPWAY_JSON_CAMEL(RunChange, id, type, status, resource_type, resource_id, triggered_by, started_at, completed_at,
                   duration_ms, error, step)

// run.pending, run.started, run.parked, run.needs_attention, run.completed, run.failed, run.cancelled, and, while
// somebody wants them, step.completed and step.failed. The resource of each is the run.
std::string to_change_type(durable::TransitionKind kind);
RunChange to_run_change(const durable::Transition& transition);

// To be set as the engine's witness. Thread-safe.
class RunChangeRecorder final : public durable::Witness {
 public:
  void tell(store::Transaction& tx, std::span<const durable::Transition> transitions) const override;
  bool wants_steps() const override { return wants_steps_.load(std::memory_order_relaxed); }
  // Steps cost a row each: they are recorded only while somebody asks for them.
  void want_steps(bool wanted) { wants_steps_.store(wanted, std::memory_order_relaxed); }

 private:
  std::atomic<bool> wants_steps_ = false;
};

}  // namespace slipway::fleet
