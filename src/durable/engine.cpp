#include "durable/engine.h"

#include "durable/engine_live.h"
#include "durable/journal.h"

namespace slipway::durable {
namespace {

// The store could not be written; nothing of the work was stored, and it is worth the same attempt again.
bool is_store_trouble(const base::Error& error) { return error.code().starts_with("STORE_"); }

bool any_awaited(const std::vector<Event>& events) {
  for (const auto& event : events)
    if (is_awaited(event.type)) return true;
  return false;
}

}  // namespace

Engine::Engine(store::Database& database, base::EventLoop& loop, base::Workers& workers, const base::Clock& clock,
               base::Random& random, base::IdGenerator& ids, EngineOptions options)
    : database_(database),
      loop_(loop),
      workers_(workers),
      clock_(clock),
      random_(random),
      ids_(ids),
      options_(options),
      self_(std::make_shared<Engine*>(this)) {}

Engine::~Engine() {
  shut_down();
  for (auto& [id, live] : live_) disarm(live);
  for (auto& [id, sleeper] : sleeping_) loop_.cancel(sleeper.timer);
}

void Engine::add(Workflow workflow) {
  auto type = workflow.type;
  SLIPWAY_ASSERT(workflows_.emplace(std::move(type), std::move(workflow)).second);
}

const Workflow* Engine::find_workflow(const std::string& type) const {
  const auto found = workflows_.find(type);
  return found == workflows_.end() ? nullptr : &found->second;
}

void Engine::observe(Observer observer) { observers_.push_back(std::move(observer)); }

// ---- runs come and go

RunRecord Engine::make_record(StartRequest request) {
  SLIPWAY_ASSERT(find_workflow(request.type) != nullptr);
  return {ids_.make<RunId>(),
          std::move(request.type),
          std::move(request.resource_type),
          std::move(request.resource_id),
          std::move(request.triggered_by),
          std::move(request.owner_id),
          std::move(request.input),
          clock_.now()};
}

void Engine::launch(RunRecord record) {
  if (shut_down_ || is_known(record.id)) return;  // recovery found it first
  const Event first{.seq = 1, .type = EventType::run_started, .at = record.started_at, .step = {}, .data = {}};
  RunState state;
  fold(state, first);
  for (const auto& observer : observers_) observer(record, state, {first});
  ++counted_.started;
  take_up(std::move(record), std::move(state));
}

void Engine::drop(const LivePtr& live) {
  disarm(live);
  const RunId id = live->id();  // a copy: erasing may free the last holder of the original
  live_.erase(id);
}

bool Engine::is_known(const RunId& run) const {
  return live_.contains(run) || sleeping_.contains(run) || waking_.contains(run) || left_.contains(run);
}

void Engine::park(const LivePtr& live, const std::string& reason) {
  ++counted_.parked;
  remember_left(live->id());
  live->execution->request_stop();
  database_.write([id = live->id(), reason](store::Transaction& tx) { journal::set_parked(tx, id, reason); },
                  [](std::exception_ptr) {});
  drop(live);
}

void Engine::shut_down() {
  shut_down_ = true;
  for (auto& [id, live] : live_) {
    live->execution->request_stop();
    refuse_waiting(live);
  }
}

void Engine::refuse_waiting(const LivePtr& live) {
  for (auto& callback : std::exchange(live->on_durable, {}))
    callback(std::make_exception_ptr(
        base::Error(base::ErrorClass::transient, "SHUTTING_DOWN", "the hub is shutting down; ask again")));
}

// ---- steering

void Engine::cancel(const RunId& run, const std::string& by, std::function<void(std::exception_ptr)> done) {
  wake_up(run, [this, run, by, done = std::move(done)](const LivePtr& live) {
    if (live == nullptr) return end_parked(run, by, done);
    if (live->execution->state().is_final())
      return done(std::make_exception_ptr(base::invalid_state("run '" + run.str() + "' has ended")));
    live->on_durable.push_back(done);
    give_input(live, [by](Execution& execution) { execution.on_input({.kind = InputKind::cancel, .sender = by}); });
  });
}

void Engine::poke(const RunId& run) {
  if (sleeping_.contains(run)) {
    wake_up(run, [this](const LivePtr& live) {
      if (live) give_input(live, [](Execution& execution) { execution.on_poke(); });
    });
  } else if (const auto found = live_.find(run); found != live_.end()) {
    give_input(found->second, [](Execution& execution) { execution.on_poke(); });
  }
}

void Engine::give_input(const LivePtr& live, std::move_only_function<void(Execution&)> input) {
  if (live->in_transaction) {
    live->deferred.push_back(std::move(input));
    return;
  }
  input(*live->execution);
  advance(live);
}

// ---- writing, then acting

// After every input: hands new events to the store, and fulfils the wish as soon as what it rests on is durable.
void Engine::advance(const LivePtr& live) {
  if (shut_down_) return;
  Execution& execution = *live->execution;
  loop_.cancel(std::exchange(live->wake_timer, 0));
  if (execution.wish() == Wish::parked) return park(live, execution.park_reason());
  if (live->writing && live->awaited_on_way) return;
  if (execution.wish() == Wish::transaction) {
    if (!live->writing) start_transaction(live);
    return;
  }
  const auto& events = execution.pending().events;
  if (events.empty() && !live->writing)  // what was asked for had been done before: nothing to wait for
    for (auto& callback : std::exchange(live->on_durable, {})) callback(nullptr);
  if (!events.empty() && !live->dirty) {
    live->dirty = true;
    dirty_.push_back(live);
    if (!flush_posted_) {
      flush_posted_ = true;
      loop_.post([this, alive = std::weak_ptr(self_)] {
        if (alive.lock()) flush();
      });
    }
  }
  if (!any_awaited(events)) fulfil(live);
}

void Engine::flush() {
  flush_posted_ = false;
  if (shut_down_) {
    for (auto& live : std::exchange(dirty_, {})) refuse_waiting(live);
    return;
  }
  std::vector<LivePtr> together;
  for (auto& live : std::exchange(dirty_, {})) {
    live->dirty = false;
    if (live->writing) continue;  // comes again when that write is through
    const auto& state = live->execution->state();
    if (state.is_final() && state.status != RunStatus::completed) {
      submit({live});  // its failure hook may throw: by itself, so that no other run pays for it
    } else {
      together.push_back(std::move(live));
    }
  }
  if (!together.empty()) submit(std::move(together));
}

void Engine::submit(std::vector<LivePtr> group) {
  std::vector<std::shared_ptr<Batch>> batches;
  batches.reserve(group.size());
  for (auto& live : group) {
    Execution& execution = *live->execution;
    auto batch = std::make_shared<Batch>();
    batch->events = std::exchange(execution.pending().events, {});
    batch->on_durable = std::exchange(live->on_durable, {});
    if (execution.wish() == Wish::wake && execution.wake_at() - clock_.now() > options_.evict_after)
      batch->wake_at = execution.wake_at();
    batch->moves_wake = batch->wake_at != live->row_wake_at;
    if (batch->events.empty() && !batch->moves_wake) continue;
    const RunState& state = execution.state();
    if (state.is_final()) {
      batch->ended = state;
      if (state.status != RunStatus::completed)
        batch->bad_end =
            BadEnd{execution.id(),    state.status,          state.failure.value_or(to_failure(Cancelled())),
                   state.failed_step, state.needs_attention, *state.ended_at};
    }
    live->writing = true;
    live->awaited_on_way = any_awaited(batch->events);
    batch->live = std::move(live);
    batches.push_back(std::move(batch));
  }
  if (batches.empty()) return;
  database_.write(
      [batches](store::Transaction& tx) {
        std::vector<journal::Appended> events;
        for (const auto& batch : batches)
          for (const auto& event : batch->events) events.push_back({&batch->live->id(), &event});
        if (!events.empty()) journal::append(tx, events);
        for (const auto& batch : batches) batch->write(tx);
      },
      on_loop([this, batches](std::exception_ptr failure) { on_written(batches, failure); }));
}

void Engine::on_written(std::vector<std::shared_ptr<Batch>> batches, std::exception_ptr failure) {
  if (!failure) {
    store_backoff_ = Duration(0);
    for (const auto& batch : batches) on_batch_durable(batch);
    return;
  }
  ++counted_.failed_writes;
  const auto error = base::as_error(failure);
  const bool alone = batches.size() == 1;
  for (const auto& batch : batches) {  // nothing was stored: everything is as before, and is written again
    const LivePtr& live = batch->live;
    live->writing = live->awaited_on_way = false;
    auto& pending = live->execution->pending().events;
    pending.insert(pending.begin(), batch->events.begin(), batch->events.end());
    live->on_durable.insert(live->on_durable.begin(), batch->on_durable.begin(), batch->on_durable.end());
    if (!is_store_trouble(error) && !alone) {
      submit({live});  // one of the group was refused: each by itself shows which
    } else if (!is_store_trouble(error)) {
      for (auto& callback : std::exchange(live->on_durable, {})) callback(failure);
      park(live, "its journal was refused by the store: " + error.message());
    } else if (!live->dirty) {
      live->dirty = true;
      dirty_.push_back(live);
    }
  }
  if (dirty_.empty() || flush_posted_) return;
  store_backoff_ = std::min(options_.store_retry_max, std::max(Duration(50), store_backoff_ * 2));
  flush_posted_ = true;
  loop_.post_at(clock_.now() + store_backoff_, [this, alive = std::weak_ptr(self_)] {
    if (alive.lock()) flush();
  });
}

void Engine::on_batch_durable(const std::shared_ptr<Batch>& batch) {
  const LivePtr& live = batch->live;
  live->writing = live->awaited_on_way = false;
  if (batch->moves_wake) live->row_wake_at = batch->wake_at;
  count(batch->events);
  for (const auto& observer : observers_) observer(live->execution->record(), live->execution->state(), batch->events);
  for (auto& callback : batch->on_durable) callback(nullptr);
  if (batch->ended) {
    remember_left(live->id());
    drop(live);
  } else {
    advance(live);
  }
}

void Engine::fulfil(const LivePtr& live) {
  Execution& execution = *live->execution;
  switch (execution.wish()) {
    case Wish::attempt:
      start_attempt(live);
      break;
    case Wish::transaction:
      start_transaction(live);
      break;
    case Wish::wake:
      arm(live, execution.wake_at());
      break;
    case Wish::nothing:
    case Wish::ended:  // dropped when its last event is durable
    case Wish::parked:
      break;
  }
}

void Engine::start_attempt(const LivePtr& live) {
  auto call = live->execution->take_attempt();
  ++counted_.attempts_under_way;
  auto returned = on_loop([this, live, id = call.id](std::optional<Outcome> outcome) {
    --counted_.attempts_under_way;
    if (shut_down_ || live_.find(live->id()) == live_.end()) return;
    loop_.cancel(std::exchange(live->announce_timer, 0));
    if (outcome && std::holds_alternative<base::Error>(*outcome)) ++counted_.failed_attempts;
    give_input(live, [id, outcome = std::move(outcome)](Execution& execution) mutable {
      execution.on_attempt(id, std::move(outcome));
    });
  });
  live->announce_timer = loop_.post_at(clock_.now() + options_.announce_after, [this, weak = std::weak_ptr(live)] {
    const auto live = weak.lock();
    if (live == nullptr) return;
    live->announce_timer = 0;
    if (live->execution->attempt_under_way()) give_input(live, [](Execution& execution) { execution.announce(); });
  });
  workers_.run([live, call = std::move(call.call), returned = std::move(returned)]() mutable { returned(call()); });
}

void Engine::start_transaction(const LivePtr& live) {
  if (shut_down_) return;
  auto call = live->execution->take_transaction();
  auto batch = std::make_shared<Batch>();
  batch->live = live;
  batch->events = std::exchange(live->execution->pending().events, {});
  batch->on_durable = std::exchange(live->on_durable, {});
  batch->moves_wake = live->row_wake_at.has_value();
  batch->events.push_back(std::move(call.completion));
  live->writing = live->awaited_on_way = live->in_transaction = true;
  database_.write(
      [batch, operation = call.operation](store::Transaction& tx) {
        batch->events.back().data["result"] = operation->perform_in(tx);
        std::vector<journal::Appended> events;
        for (const auto& event : batch->events) events.push_back({&batch->live->id(), &event});
        journal::append(tx, events);
        batch->write(tx);
      },
      on_loop([this, batch](std::exception_ptr failure) {
        const LivePtr& live = batch->live;
        Execution& execution = *live->execution;
        live->writing = live->awaited_on_way = live->in_transaction = false;
        if (shut_down_) {
          for (auto& callback : batch->on_durable) callback(failure);
          return;
        }
        const Event completion = std::move(batch->events.back());
        batch->events.pop_back();
        if (!failure) {
          auto durable = batch->events;
          durable.push_back(completion);
          count(durable);
          for (const auto& observer : observers_) observer(execution.record(), execution.state(), durable);
          for (auto& callback : batch->on_durable) callback(nullptr);
          live->row_wake_at.reset();
          execution.on_transaction(completion);
        } else {
          execution.pending().events = std::move(batch->events);
          live->on_durable = std::move(batch->on_durable);
          const auto error = base::as_error(failure);
          if (is_store_trouble(error)) {
            ++counted_.failed_writes;
            execution.retry_transaction(clock_.now() + options_.store_retry_max);
          } else {
            ++counted_.failed_attempts;
            execution.on_transaction(error);
          }
        }
        for (auto& input : std::exchange(live->deferred, {})) input(execution);
        advance(live);
      }));
}

void Engine::arm(const LivePtr& live, Instant at) {
  // Far off: out of memory, once the row says when to come back.
  if (at - clock_.now() > options_.evict_after && !live->execution->attempt_under_way() && !live->writing) {
    if (live->row_wake_at == at && live->execution->pending().events.empty()) {
      const RunId id = live->id();
      drop(live);
      put_to_sleep(id, at);
      return;
    }
    if (!live->dirty) {
      live->dirty = true;
      dirty_.push_back(live);
      if (!std::exchange(flush_posted_, true))
        loop_.post([this, alive = std::weak_ptr(self_)] {
          if (alive.lock()) flush();
        });
    }
    return;
  }
  live->wake_timer = loop_.post_at(at, [this, live] {
    live->wake_timer = 0;
    give_input(live, [](Execution& execution) { execution.on_wake(); });
  });
}

void Engine::disarm(const LivePtr& live) {
  loop_.cancel(std::exchange(live->wake_timer, 0));
  loop_.cancel(std::exchange(live->announce_timer, 0));
}

void Engine::count(const std::vector<Event>& events) {
  for (const auto& event : events) {
    switch (event.type) {
      case EventType::step_completed:
        ++counted_.steps;
        break;
      case EventType::compensation_failed:
        ++counted_.compensations_failed;
        break;
      case EventType::run_completed:
        ++counted_.completed;
        break;
      case EventType::run_failed:
        ++counted_.failed;
        break;
      case EventType::run_cancelled:
        ++counted_.cancelled;
        break;
      default:
        break;
    }
  }
}

Engine::Statistics Engine::statistics() const {
  Statistics statistics = counted_;
  statistics.live = live_.size();
  statistics.sleeping = sleeping_.size();
  return statistics;
}

}  // namespace slipway::durable
