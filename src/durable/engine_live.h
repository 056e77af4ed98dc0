#pragma once
// What the engine's own files share: a run in memory, one write about it, and callbacks that find the engine alive.

#include <algorithm>

#include "durable/engine.h"
#include "durable/journal.h"

namespace slipway::durable {

// A run in memory.
struct Engine::Live {
  std::unique_ptr<Execution> execution;
  base::EventLoop::TimerId wake_timer = 0;
  base::EventLoop::TimerId announce_timer = 0;
  bool dirty = false;           // stands in dirty_
  bool writing = false;         // a write is on its way: later events wait, so that the journal keeps its order
  bool awaited_on_way = false;  // and the next wish waits for it
  bool in_transaction = false;  // the store's thread uses the execution's operation: inputs wait
  bool idle = false;            // it has waited for nothing but an input for long enough: out of memory
  bool releasing = false;       // the write on its way gives the run away: inputs wait for whoever has it then
  std::unordered_set<std::int64_t> taken_inputs;  // letters that were read and not yet removed
  std::vector<Callback> on_durable;
  std::vector<std::move_only_function<void(Execution&)>> deferred;

  const RunId& id() const { return execution->id(); }
};

// What one write says of one run.
struct Engine::Batch {
  LivePtr live;
  Pending pending;
  std::optional<RunState> ended;  // the run's last write
  std::optional<BadEnd> bad_end;
  std::optional<Instant> released_until;
  std::vector<Callback> on_durable;

  void write(store::Transaction& tx) const;
  void add_transitions(std::vector<Transition>& to, bool steps) const;
};

// A run that was ended without being advanced: parked, or not begun.
struct Engine::EndedUnadvanced {
  RunRecord record;
  RunState state;
  std::vector<Event> events;
};

// The bells of replicas: something was put into the mailbox, somebody has gone, queues were changed.
inline constexpr std::string_view kChannel = "slipway_runs";
inline constexpr std::string_view kBellInputs = "inputs";
inline constexpr std::string_view kBellDeparted = "departed";
inline constexpr std::string_view kBellQueues = "queues";

// What a child's end says to its parent.
Input child_ended(const RunRecord& child, const RunState& state);

template <class F>
auto Engine::on_loop(F function) {
  return [&loop = loop_, alive = std::weak_ptr(self_), function = std::move(function)](auto... arguments) mutable {
    loop.post([alive, function = std::move(function), ... arguments = std::move(arguments)]() mutable {
      if (const auto self = alive.lock()) function(std::move(arguments)...);
    });
  };
}

}  // namespace slipway::durable
