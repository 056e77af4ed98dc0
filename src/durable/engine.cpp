#include "durable/engine.h"

#include "durable/journal.h"

namespace slipway::durable {
namespace {

constexpr std::size_t kLeftMax = 4'096;     // far more than can end between a read and its answer
constexpr std::int64_t kRecoverPage = 500;  // runs read at a time at start: bounds memory and the length of a read

// The store could not be written; nothing of the work was stored, and it is worth the same attempt again.
bool is_store_trouble(const base::Error& error) { return error.code().starts_with("STORE_"); }

bool any_awaited(const std::vector<Event>& events) {
  for (const auto& event : events)
    if (is_awaited(event.type)) return true;
  return false;
}

}  // namespace

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

void Engine::take_up(RunRecord record, RunState state) {
  const auto* workflow = find_workflow(record.type);
  if (workflow == nullptr) return park_unread(record.id, "this hub knows no workflow '" + record.type + "'");
  auto live = std::make_shared<Live>();
  live->execution = std::make_unique<Execution>(std::move(record), *workflow, std::move(state), clock_, random_,
                                                options_.cancel_grace);
  live_[live->id()] = live;
  live->execution->start();
  advance(live);
}

// Parks a run that never came into memory.
void Engine::park_unread(const RunId& run, const std::string& reason) {
  ++counted_.parked;
  database_.write([run, reason](store::Transaction& tx) { journal::set_parked(tx, run, reason); },
                  [](std::exception_ptr) {});  // said again at the next start
}

void Engine::recover(std::function<void(std::exception_ptr)> done) { recover_page("", std::move(done)); }

void Engine::recover_page(std::string after, std::function<void(std::exception_ptr)> done) {
  struct Found {
    journal::Row row;
    std::optional<RunState> state;  // not read for those that sleep
    std::string unreadable;         // why the journal cannot be folded
  };
  auto page = std::make_shared<std::vector<Found>>();
  page->reserve(kRecoverPage);
  const auto soon = clock_.now() + options_.evict_after;
  database_.read(
      [page, after, soon](store::Transaction& tx) {
        page->clear();
        for (auto& row : journal::live(tx, after, kRecoverPage)) {
          Found found{.row = std::move(row), .state = {}, .unreadable = {}};
          if (!found.row.wake_at || *found.row.wake_at <= soon) {
            try {
              found.state = fold_all(journal::events(tx, found.row.record.id));
            } catch (const base::Error& error) {  // one journal that is broken must not hold up the others
              if (error.error_class() != base::ErrorClass::internal) throw;
              found.unreadable = error.message();
            }
          }
          page->push_back(std::move(found));
        }
      },
      on_loop([this, page, done = std::move(done)](std::exception_ptr failure) mutable {
        if (failure) return done(failure);
        for (auto& [row, state, unreadable] : *page) {
          const RunId id = row.record.id;
          if (shut_down_ || is_known(id)) continue;  // taken up since the page was read, which is stale by now
          if (!unreadable.empty()) {
            park_unread(id, unreadable);
          } else if (state) {
            take_up(std::move(row.record), std::move(*state));
            if (row.parked_reason && live_.contains(id))  // the code of today can go on with it
              database_.write([id](store::Transaction& tx) { journal::set_parked(tx, id, std::nullopt); },
                              [](std::exception_ptr) {});
          } else {
            put_to_sleep(id, *row.wake_at);
          }
        }
        if (std::int64_t(page->size()) < kRecoverPage || shut_down_) return done(nullptr);
        recover_page(page->back().row.record.id.str(), std::move(done));
      }));
}

void Engine::put_to_sleep(const RunId& run, Instant until) {
  sleeping_[run].timer = loop_.post_at(until, [this, run] { wake_up(run, [](const LivePtr&) {}); });
}

// Brings a run back into memory; `then` gets null when it has ended or is not to be had.
void Engine::wake_up(const RunId& run, std::function<void(const LivePtr&)> then) {
  if (const auto found = live_.find(run); found != live_.end()) return then(found->second);
  if (const auto sleeper = sleeping_.find(run); sleeper != sleeping_.end()) {
    loop_.cancel(sleeper->second.timer);
    sleeping_.erase(sleeper);
  }
  auto& waiting = waking_[run];
  waiting.push_back(std::move(then));
  if (waiting.size() > 1) return;

  auto row = std::make_shared<std::optional<journal::Row>>();
  auto state = std::make_shared<RunState>();
  database_.read(
      [run, row, state](store::Transaction& tx) {
        *row = journal::find(tx, run);
        if (*row) *state = fold_all(journal::events(tx, run));
      },
      on_loop([this, run, row, state](std::exception_ptr failure) {
        auto callbacks = std::move(waking_[run]);
        waking_.erase(run);
        if (failure) {  // the store is away: the run stays asleep, and is tried again
          for (auto& callback : callbacks)
            loop_.post_at(clock_.now() + options_.store_retry_max, [this, run, callback] { wake_up(run, callback); });
          return;
        }
        if (sleeping_.contains(run)) {  // recovery took it up and put it to sleep since the read
          for (auto& callback : callbacks) wake_up(run, callback);
          return;
        }
        if (*row && !(*row)->completed_at && !live_.contains(run) && !left_.contains(run) && !shut_down_) {
          take_up(std::move((*row)->record), std::move(*state));
          if (const auto live = live_.find(run); live != live_.end()) live->second->row_wake_at = (*row)->wake_at;
        }
        const auto live = live_.find(run);
        for (auto& callback : callbacks) callback(live == live_.end() ? nullptr : live->second);
      }));
}

void Engine::drop(const LivePtr& live) {
  disarm(live);
  const RunId id = live->id();  // a copy: erasing may free the last holder of the original
  live_.erase(id);
}

bool Engine::is_known(const RunId& run) const {
  return live_.contains(run) || sleeping_.contains(run) || waking_.contains(run) || left_.contains(run);
}

void Engine::remember_left(const RunId& run) {
  left_.insert(run);
  left_order_.push_back(run);
  if (left_order_.size() <= kLeftMax) return;
  left_.erase(left_order_.front());
  left_order_.pop_front();
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
    give_input(live, [by](Execution& execution) { execution.on_cancel(by); });
  });
}

// A run that cannot be advanced can still be ended: what it holds is given free, and a person is told to look.
void Engine::end_parked(const RunId& run, const std::string& by, std::function<void(std::exception_ptr)> done) {
  database_.write(
      [this, run, by, now = clock_.now()](store::Transaction& tx) {
        const auto row = journal::find(tx, run);
        if (!row) throw base::not_found("run", run.str());
        if (row->completed_at) throw base::invalid_state("run '" + run.str() + "' has ended");
        if (!row->parked_reason) throw base::invalid_state("run '" + run.str() + "' is just being taken up; ask again");
        const auto last = journal::last_seq(tx, run);
        const Event asked{
            .seq = last + 1, .type = EventType::cancel_requested, .at = now, .step = {}, .data = {{"by", by}}};
        const Event ended{.seq = last + 2, .type = EventType::run_cancelled, .at = now, .step = {}, .data = {}};
        journal::append(tx, {{&run, &asked}, {&run, &ended}});
        RunState state;
        state.status = RunStatus::cancelled;
        state.ended_at = now;
        state.needs_attention = true;
        const auto* workflow = find_workflow(row->record.type);
        if (workflow != nullptr && workflow->on_failure)
          workflow->on_failure(tx, row->record.input,
                               {run, state.status, to_failure(Cancelled()), "", state.needs_attention, now});
        journal::set_ended(tx, run, state);
      },
      on_loop([done = std::move(done)](std::exception_ptr failure) { done(failure); }));
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
  const auto& events = execution.pending_events();
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
    batch->events = std::exchange(execution.pending_events(), {});
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
    auto& pending = live->execution->pending_events();
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
  batch->events = std::exchange(live->execution->pending_events(), {});
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
          execution.pending_events() = std::move(batch->events);
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
    if (live->row_wake_at == at && live->execution->pending_events().empty()) {
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
