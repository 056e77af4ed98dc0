#include "durable/engine.h"

#include "durable/engine_live.h"
#include "durable/journal.h"

namespace slipway::durable {
namespace {

// The store could not be written; nothing of the work was stored, and it is worth the same attempt again. Or the lease
// is lost, and the next look at the replicas ends this life.
bool is_store_trouble(const base::Error& error) {
  return error.code().starts_with("STORE_") || error.code() == "REPLICA_FENCED";
}

// A run that only an input can move sleeps until one comes: its row waits for this time, and never sees it.
constexpr Instant kUntilSomethingComes{Duration(253'402'300'799'000)};  // the end of the year 9999

bool any_awaited(const std::vector<Event>& events) {
  for (const auto& event : events)
    if (is_awaited(event.type)) return true;
  return false;
}

}  // namespace

Input child_ended(const RunRecord& child, const RunState& state) {
  json::Object payload{{"status", json::to_value(state.status)}, {"output", state.output}};
  if (state.failure) payload["error"] = json::to_value(*state.failure);
  return {.id = 0,
          .run = RunId(child.parent_id),
          .kind = InputKind::child_ended,
          .name = child.type,
          .key = child.id.str(),
          .payload = std::move(payload),
          .sender = child.id.str(),
          .at = *state.ended_at};
}

Engine::Engine(store::Database& database, base::EventLoop& loop, base::Workers& workers, const base::Clock& clock,
               base::Random& random, base::IdGenerator& ids, EngineOptions options)
    : database_(database),
      loop_(loop),
      workers_(workers),
      clock_(clock),
      random_(random),
      ids_(ids),
      options_(std::move(options)),
      membership_(database, loop, clock, options_.lease,
                  {.on_look = [this](const auto& departed) { on_look(departed); }, .on_lost = [this] { on_lost(); }}),
      self_(std::make_shared<Engine*>(this)) {}

Engine::~Engine() {
  shut_down();
  for (auto& [id, live] : live_) disarm(live);
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
  return {.id = ids_.make<RunId>(),
          .type = std::move(request.type),
          .resource_type = std::move(request.resource_type),
          .resource_id = std::move(request.resource_id),
          .triggered_by = std::move(request.triggered_by),
          .owner_id = std::move(request.owner_id),
          .input = std::move(request.input),
          .started_at = clock_.now(),
          .replica = membership_.self(),
          .parent_id = {},
          .trace = std::move(request.trace),
          .queue = {},
          .ticket = make_ticket(std::move(request.ticket)),
          .witness = witness_};
}

void Engine::launch(RunRecord record) {
  if (record.ticket != nullptr) return launch_waiting(record);
  // Of a life that ended since: whoever took that over has the run. Or a sweep found it first.
  if (shut_down_ || record.replica != membership_.self() || is_known(record.id)) return;
  const auto begun = journal::first_events(record, "");
  RunState state = fold_all(begun);
  for (const auto& observer : observers_) observer(record, state, begun);
  ++counted_.started;
  if (begun.size() == 1) return take_up(std::move(record), std::move(state));
  take_up_stored(std::move(record));  // what it took over may hold sealed secrets
}

RetryRequest Engine::make_retry(const RunId& of, std::string from_step, std::string by, std::string trace) {
  return {.of = of,
          .from_step = std::move(from_step),
          .by = std::move(by),
          .id = ids_.make<RunId>(),
          .replica = membership_.self(),
          .at = clock_.now(),
          .witness = witness_,
          .trace = std::move(trace)};
}

Retried Engine::insert_retry(store::Transaction& tx, const RetryRequest& request) const {
  return durable::insert_retry(tx, request, [this](const std::string& type) { return find_workflow(type); });
}

void Engine::shut_down() {
  shut_down_ = true;
  for (auto& [id, live] : live_) {
    live->execution->request_stop();
    refuse_waiting(live);
  }
}

void Engine::leave(Callback done) {
  membership_.leave([this, done = std::move(done)](std::exception_ptr failure) {
    if (!failure) ring(kBellDeparted);
    done(failure);
  });
}

// What is written under this replica's name, and refused when that has lost its lease.
void Engine::write(std::move_only_function<void(store::Transaction&)> work, Callback done) {
  database_.write(
      [replica = membership_.self(), work = std::move(work)](store::Transaction& tx) mutable {
        hold_lease(tx, replica);
        work(tx);
      },
      on_loop(std::move(done)));
}

void Engine::give_input(const LivePtr& live, std::move_only_function<void(Execution&)> input) {
  if (live->in_transaction || live->releasing) {
    live->deferred.push_back(std::move(input));
    return;
  }
  live->idle = false;
  input(*live->execution);
  advance(live);
}

// ---- writing, then acting

// After every input: hands new events to the store, and fulfils the wish as soon as what it rests on is durable.
void Engine::advance(const LivePtr& live) {
  if (shut_down_ || live->releasing) return;
  Execution& execution = *live->execution;
  loop_.cancel(std::exchange(live->wake_timer, 0));
  if (execution.wish() == Wish::parked) return park(live, execution.park_reason());
  if (live->writing && live->awaited_on_way) return;
  if (execution.wish() == Wish::transaction) {
    if (!live->writing) start_transaction(live);
    return;
  }
  const Pending& pending = execution.pending();
  if (pending.empty() && !live->writing)  // what was asked for had been done before: nothing to wait for
    for (auto& callback : std::exchange(live->on_durable, {})) callback(nullptr);
  if (!pending.empty()) mark_dirty(live);
  if (!any_awaited(pending.events)) fulfil(live);
}

void Engine::mark_dirty(const LivePtr& live) {
  if (std::exchange(live->dirty, true)) return;
  dirty_.push_back(live);
  if (std::exchange(flush_posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr(self_)] {
    if (alive.lock()) flush();
  });
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

std::shared_ptr<Engine::Batch> Engine::make_batch(LivePtr live) {
  Execution& execution = *live->execution;
  auto batch = std::make_shared<Batch>();
  batch->pending = std::exchange(execution.pending(), {});
  for (auto& child : batch->pending.starts) {
    child.replica = membership_.self();
    child.witness = witness_;
  }
  batch->on_durable = std::exchange(live->on_durable, {});
  const RunState& state = execution.state();
  if (state.is_final()) {
    batch->ended = state;
    if (state.status != RunStatus::completed)
      batch->bad_end = BadEnd{execution.id(),    state.status,          state.failure.value_or(to_failure(Cancelled())),
                              state.failed_step, state.needs_attention, *state.ended_at};
  }
  if (execution.wish() == Wish::wake && !execution.attempt_under_way() &&
      execution.wake_at() - clock_.now() > options_.evict_after)
    batch->released_until = execution.wake_at();
  if (execution.wish() == Wish::input && live->idle) batch->released_until = kUntilSomethingComes;
  batch->live = std::move(live);
  return batch;
}

void Engine::submit(std::vector<LivePtr> group) {
  std::vector<std::shared_ptr<Batch>> batches;
  batches.reserve(group.size());
  for (auto& live : group) {
    auto batch = make_batch(live);
    if (batch->pending.empty() && !batch->released_until) {  // what was to be written is no longer wanted
      live->on_durable = std::move(batch->on_durable);
      advance(live);
      continue;
    }
    batch->live->writing = true;
    batch->live->awaited_on_way = any_awaited(batch->pending.events);
    batch->live->releasing = batch->released_until.has_value();
    batches.push_back(std::move(batch));
  }
  if (batches.empty()) return;
  write([batches, sealer = options_.sealer,
         witness = witness_](store::Transaction& tx) { write_batches(tx, batches, sealer, witness); },
        [this, batches](std::exception_ptr failure) { on_written(batches, failure); });
}

// Events go in one statement for all runs, and so does what the witness writes of them. On the store's thread.
void Engine::write_batches(store::Transaction& tx, std::span<const std::shared_ptr<Batch>> batches,
                           const Sealer* sealer, const Witness* witness) {
  std::vector<journal::Appended> events;
  for (const auto& batch : batches)
    for (const auto& event : batch->pending.events) events.push_back({&batch->live->id(), &event});
  if (!events.empty()) journal::append(tx, events, sealer);
  for (const auto& batch : batches) batch->write(tx);
  if (witness == nullptr) return;
  std::vector<Transition> transitions;
  const bool steps = witness->wants_steps();
  for (const auto& batch : batches) batch->add_transitions(transitions, steps);
  if (!transitions.empty()) witness->tell(tx, transitions);
}

void Engine::Batch::add_transitions(std::vector<Transition>& to, bool steps) const {
  const RunRecord& record = live->execution->record();
  for (const auto& event : pending.events) {
    if (event.type == EventType::compensation_failed)
      to.push_back({.kind = TransitionKind::run_needs_attention, .run = &record, .at = event.at, .step = event.step});
    if (steps && event.type == EventType::step_completed)
      to.push_back({.kind = TransitionKind::step_completed, .run = &record, .at = event.at, .step = event.step});
    if (steps && event.type == EventType::step_failed)
      to.push_back({.kind = TransitionKind::step_failed,
                    .run = &record,
                    .at = event.at,
                    .failure = json::from_value<Failure>(event.data.at("error"), json::Mode::lenient),
                    .step = event.step});
  }
  if (ended) to.push_back(to_transition(record, *ended));
}

// All but the events.
void Engine::Batch::write(store::Transaction& tx) const {
  const Execution& execution = *live->execution;
  const RunRecord& record = execution.record();
  for (const auto& child : pending.starts) journal::insert_run(tx, child);
  for (const auto& input : pending.sends) mailbox::send(tx, input);
  mailbox::remove(tx, pending.consumed);
  if (released_until) journal::release(tx, execution.id(), *released_until);
  if (!ended) return;
  if (bad_end && execution.workflow().on_failure) execution.workflow().on_failure(tx, execution.input(), *bad_end);
  journal::set_ended(tx, execution.id(), *ended);
  if (!record.queue.empty()) queues::leave(tx, execution.id());
  if (!record.parent_id.empty()) mailbox::send(tx, child_ended(record, *ended));
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
  for (const auto& batch : batches) {
    const LivePtr& live = batch->live;
    restore(batch);
    if (!is_current(live)) {
      refuse_waiting(live);
    } else if (!is_store_trouble(error) && !alone) {
      submit({live});  // one of the group was refused: each by itself shows which
    } else if (!is_store_trouble(error)) {
      for (auto& callback : std::exchange(live->on_durable, {})) callback(failure);
      park(live, "its journal was refused by the store: " + error.message());
    } else if (!std::exchange(live->dirty, true)) {
      dirty_.push_back(live);
    }
  }
  if (error.code() == "REPLICA_FENCED") membership_.look_now();
  if (dirty_.empty() || flush_posted_) return;
  store_backoff_ = std::min(options_.store_retry_max, std::max(Duration(50), store_backoff_ * 2));
  flush_posted_ = true;
  loop_.post_at(clock_.now() + store_backoff_, [this, alive = std::weak_ptr(self_)] {
    if (alive.lock()) flush();
  });
}

// Nothing was stored: everything is as before, and is written again.
void Engine::restore(const std::shared_ptr<Batch>& batch) {
  const LivePtr& live = batch->live;
  live->writing = live->awaited_on_way = live->releasing = false;
  live->execution->pending().prepend(std::move(batch->pending));
  live->on_durable.insert(live->on_durable.begin(), batch->on_durable.begin(), batch->on_durable.end());
  for (auto& input : std::exchange(live->deferred, {})) input(*live->execution);
}

// What is durable is told, whatever became of the run here since.
void Engine::tell(const Batch& batch) {
  count(batch.pending.events);
  const Execution& execution = *batch.live->execution;
  if (!batch.pending.events.empty())
    for (const auto& observer : observers_) observer(execution.record(), execution.state(), batch.pending.events);
  for (const auto& callback : batch.on_durable) callback(nullptr);
  if (const auto& queue = execution.record().queue; batch.ended && !queue.empty()) {
    full_queues_.erase(queue);
    admit_soon(queue);
  }
  if (!batch.pending.sends.empty() || (batch.ended && !execution.record().parent_id.empty())) {
    look_for_inputs();
    ring(kBellInputs);
  }
}

void Engine::on_batch_durable(const std::shared_ptr<Batch>& batch) {
  const LivePtr& live = batch->live;
  live->writing = live->awaited_on_way = false;
  for (const auto input : batch->pending.consumed) live->taken_inputs.erase(input);
  tell(*batch);
  for (auto& child : batch->pending.starts) launch(std::move(child));
  if (!is_current(live)) return;
  if (batch->released_until) {
    drop(live);
    for (auto& input : std::exchange(live->deferred, {}))
      bring_back(live->id(), [this, input = std::make_shared<std::move_only_function<void(Execution&)>>(
                                        std::move(input))](const LivePtr& back) {
        if (back != nullptr) give_input(back, std::move(*input));
      });
  } else if (batch->ended) {
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
      start_attempts(live);
      break;
    case Wish::transaction:
      start_transaction(live);
      break;
    case Wish::wake:
      arm(live, execution.wake_at());
      break;
    case Wish::input:
      release_when_idle(live);
      break;
    case Wish::nothing:
    case Wish::ended:  // dropped when its last event is durable
    case Wish::parked:
      break;
  }
}

void Engine::start_attempts(const LivePtr& live) {
  if (!membership_.lease()
           ->is_sure()) {  // another replica may have the run by now: nothing begins outside until we know
    held_.push_back(live);
    return;
  }
  Execution& execution = *live->execution;
  while (execution.wish() == Wish::attempt) start_attempt(live);
  if (execution.wish() == Wish::wake) arm(live, execution.wake_at());
}

void Engine::start_attempt(const LivePtr& live) {
  auto call = live->execution->take_attempt();
  ++counted_.attempts_under_way;
  auto returned = on_loop([this, live, id = call.id](std::optional<Outcome> outcome) {
    --counted_.attempts_under_way;
    if (shut_down_ || !is_current(live)) return;
    if (outcome && std::holds_alternative<base::Error>(*outcome)) ++counted_.failed_attempts;
    give_input(live, [this, live, id, outcome = std::move(outcome)](Execution& execution) mutable {
      execution.on_attempt(id, std::move(outcome));
      if (!execution.attempt_under_way()) loop_.cancel(std::exchange(live->announce_timer, 0));
    });
  });
  if (live->announce_timer == 0)
    live->announce_timer = loop_.post_at(clock_.now() + options_.announce_after, [this, weak = std::weak_ptr(live)] {
      const auto live = weak.lock();
      if (live == nullptr) return;
      live->announce_timer = 0;
      if (live->execution->attempt_under_way()) give_input(live, [](Execution& execution) { execution.announce(); });
    });
  auto not_begun = on_loop([this, live, id = call.id] {
    --counted_.attempts_under_way;
    if (shut_down_ || !is_current(live)) return;
    give_input(live, [id](Execution& execution) { execution.take_back_attempt(id); });
  });
  workers_.run([live, lease = membership_.lease(), call = std::move(call.call), returned = std::move(returned),
                not_begun = std::move(not_begun)]() mutable {
    // A worker may come to it late, or the whole process may have stood still.
    lease->is_sure() ? returned(call()) : not_begun();
  });
}

void Engine::start_transaction(const LivePtr& live) {
  if (shut_down_) return;
  auto call = live->execution->take_transaction();
  auto batch = make_batch(live);
  batch->pending.events.push_back(std::move(call.completion));
  live->writing = live->awaited_on_way = live->in_transaction = true;
  write(
      [batch, operation = call.operation, sealer = options_.sealer, witness = witness_](store::Transaction& tx) {
        batch->pending.events.back().data["result"] = operation->perform_in(tx);
        write_batches(tx, {&batch, 1}, sealer, witness);
      },
      [this, batch](std::exception_ptr failure) { on_transaction_written(batch, failure); });
}

void Engine::on_transaction_written(const std::shared_ptr<Batch>& batch, std::exception_ptr failure) {
  const LivePtr& live = batch->live;
  Execution& execution = *live->execution;
  live->writing = live->awaited_on_way = live->in_transaction = false;
  if (shut_down_ || !is_current(live)) {
    for (auto& callback : batch->on_durable) callback(failure);
    return;
  }
  if (!failure) {
    for (const auto input : batch->pending.consumed) live->taken_inputs.erase(input);
    tell(*batch);
    for (auto& child : batch->pending.starts) launch(std::move(child));
    execution.on_transaction(std::move(batch->pending.events.back()));
  } else {
    batch->pending.events.pop_back();
    execution.pending().prepend(std::move(batch->pending));
    live->on_durable.insert(live->on_durable.begin(), batch->on_durable.begin(), batch->on_durable.end());
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
}

void Engine::arm(const LivePtr& live, Instant at) {
  if (at - clock_.now() > options_.evict_after && !live->execution->attempt_under_way())
    return mark_dirty(live);  // far off: out of memory, once the row says when to come back
  live->wake_timer = loop_.post_at(at, [this, live] {
    live->wake_timer = 0;
    give_input(live, [](Execution& execution) { execution.on_wake(); });
  });
}

void Engine::release_when_idle(const LivePtr& live) {
  if (live->idle) return mark_dirty(live);
  live->wake_timer = loop_.post_at(clock_.now() + options_.evict_after, [this, live] {
    live->wake_timer = 0;
    live->idle = true;
    advance(live);
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
  return statistics;
}

}  // namespace slipway::durable
