#pragma once
// What the engine's own files share: a run in memory, one write about it, and callbacks that find the engine alive.

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
  std::optional<Instant> row_wake_at;
  std::vector<std::function<void(std::exception_ptr)>> on_durable;
  std::vector<std::move_only_function<void(Execution&)>> deferred;

  const RunId& id() const { return execution->id(); }
};

// What one write says of one run.
struct Engine::Batch {
  LivePtr live;
  std::vector<Event> events;
  std::optional<RunState> ended;  // the run's last write
  std::optional<BadEnd> bad_end;
  bool moves_wake = false;
  std::optional<Instant> wake_at;
  std::vector<std::function<void(std::exception_ptr)>> on_durable;

  void write(store::Transaction& tx) const {
    const Execution& execution = *live->execution;
    if (moves_wake && !ended) journal::set_wake_at(tx, execution.id(), wake_at);
    if (!ended) return;
    if (bad_end && execution.workflow().on_failure)
      execution.workflow().on_failure(tx, execution.record().input, *bad_end);
    journal::set_ended(tx, execution.id(), *ended);
  }
};

template <class F>
auto Engine::on_loop(F function) {
  return [&loop = loop_, alive = std::weak_ptr(self_), function = std::move(function)](auto... arguments) mutable {
    loop.post([alive, function = std::move(function), ... arguments = std::move(arguments)]() mutable {
      if (const auto self = alive.lock()) function(std::move(arguments)...);
    });
  };
}

}  // namespace slipway::durable
