// How runs come into memory and leave it: joining, taking over, sleep, parking.

#include "durable/engine_live.h"

namespace slipway::durable {
namespace {

constexpr std::size_t kLeftMax = 4'096;  // far more than can end between a read and its answer
// Runs taken at a time: bounds memory and the length of a write, and lets the survivors share what a dead one left.
constexpr std::int64_t kClaimPage = 250;

// `witness` is null when nobody is to be told.
void write_parked(store::Transaction& tx, const RunId& run, const std::string& reason, Instant now,
                  const Witness* witness) {
  journal::park(tx, run, reason);
  if (witness == nullptr) return;
  const auto row = journal::find(tx, run);
  if (!row || row->completed_at) return;
  const Transition parked{.kind = TransitionKind::run_parked,
                          .run = &row->record,
                          .at = now,
                          .failure = Failure{.code = "PARKED", .message = reason}};
  witness->tell(tx, {&parked, 1});
}

}  // namespace

void Engine::join(Callback done) {
  if (listening_ == nullptr && !options_.lease.sole)
    listening_ =
        database_.listen(std::string(kChannel), [heard = on_loop([this](const std::string& bell) { hear(bell); })](
                                                    std::string_view bell) mutable { heard(std::string(bell)); });
  membership_.join(ids_.make<ReplicaId>(), [this, done = std::move(done)](std::exception_ptr failure) {
    if (failure || shut_down_) return done(failure);
    claim_parked(RunId(""), [done] { done(nullptr); });
  });
}

void Engine::on_look(const std::vector<ReplicaId>& departed) {
  if (shut_down_) return;
  for (auto& live : std::exchange(held_, {}))
    if (is_current(live)) advance(live);
  for (const auto& replica : departed)
    if (being_taken_over_.insert(replica).second) take_over(replica);
  claim_due();
  look_for_inputs();
  look_at_queues();
  sweep_when_due();
}

// Bells only make it faster: everything that they speak of is looked for at every look as well.
void Engine::hear(std::string_view bell) {
  if (bell.empty() || bell == kBellInputs) look_for_inputs();
  if (bell.empty() || bell == kBellQueues) look_at_queues();
  if (bell.empty() || bell == kBellDeparted) membership_.look_now();
}

void Engine::ring(std::string_view bell) {
  if (!options_.lease.sole) database_.ring(kChannel, bell);
}

// What is in memory belongs to others by now. What this engine still has under way is told to stop, and its results
// are dropped; the next life begins with nothing.
void Engine::on_lost() {
  ++counted_.lost_leases;
  notice("the lease of " + membership_.self().str() + " was taken by another replica; beginning anew");
  for (auto& [id, live] : std::exchange(live_, {})) {
    disarm(live);
    live->execution->request_stop();
    refuse_waiting(live);
  }
  dirty_.clear();
  held_.clear();
  loading_.clear();
  being_taken_over_.clear();
  forget_queues();
  for (auto& [id, callbacks] : std::exchange(coming_back_, {}))
    for (auto& callback : callbacks) callback(nullptr);
  rejoin();
}

void Engine::rejoin() {
  if (shut_down_) return;
  join([this](std::exception_ptr failure) {
    if (failure)
      loop_.post_at(clock_.now() + options_.store_retry_max, [this, alive = std::weak_ptr(self_)] {
        if (alive.lock()) rejoin();
      });
  });
}

// ---- claims

void Engine::claim(Claim claim, std::function<void(std::size_t)> then) {
  auto rows = std::make_shared<std::vector<journal::Row>>();
  write([rows, claim = std::move(claim)](store::Transaction& tx) mutable { *rows = claim(tx); },
        [this, rows, then = std::move(then)](std::exception_ptr failure) {
          if (failure || shut_down_) return then(0);  // asked again at the next look
          for (const auto& row : *rows) loading_.insert(row.record.id);
          load(rows, then);
        });
}

void Engine::load(std::shared_ptr<std::vector<journal::Row>> rows, std::function<void(std::size_t)> then) {
  if (rows->empty()) return then(0);
  auto journals = std::make_shared<std::unordered_map<RunId, journal::Recorded>>();
  database_.read(
      [rows, journals, sealer = options_.sealer](store::Transaction& tx) {
        std::vector<RunId> runs;
        for (const auto& row : *rows) runs.push_back(row.record.id);
        *journals = journal::events_of(tx, runs, sealer);
      },
      on_loop([this, rows, journals, then, life = membership_.self()](std::exception_ptr failure) mutable {
        if (shut_down_ || life != membership_.self()) return then(0);
        if (failure) {  // they are ours: until they can be read, nobody else looks after them
          loop_.post_at(clock_.now() + options_.store_retry_max, [this, alive = std::weak_ptr(self_), rows, then] {
            if (alive.lock()) load(rows, then);
          });
          return;
        }
        for (auto& row : *rows) {
          const RunId id = row.record.id;
          if (loading_.erase(id) == 0) continue;
          auto& recorded = (*journals)[id];
          parked_before_ = std::move(row.parked_reason);
          try {
            if (!recorded.unreadable.empty()) throw base::internal_error(recorded.unreadable);
            take_up(std::move(row.record), fold_all(recorded.events));
          } catch (const base::Error& error) {  // one journal that is broken must not hold up the others
            park_unread(id, error.message());
          }
          parked_before_.reset();
        }
        look_for_inputs();
        then(rows->size());
      }));
}

void Engine::take_over(const ReplicaId& departed) {
  claim(
      [self = membership_.self(), departed](store::Transaction& tx) {
        auto rows = journal::claim_of(tx, self, departed, kClaimPage);
        if (rows.empty()) journal::forget_departed(tx, departed);
        return rows;
      },
      [this, departed](std::size_t taken) {
        counted_.taken_over += taken;
        if (taken > 0) notice("took over " + std::to_string(taken) + " runs of " + departed.str() + ", which is gone");
        if (taken > 0 && !shut_down_) return take_over(departed);
        being_taken_over_.erase(departed);
        // What it parked may fit our code, as in a rolling upgrade.
        if (!shut_down_ && has_joined()) claim_parked(RunId(""), [] {});
      });
}

void Engine::claim_due() {
  if (std::exchange(claiming_due_, true)) return;
  const Instant until = clock_.now() + options_.wake_ahead;
  auto any = std::make_shared<bool>();
  database_.read([any, until](store::Transaction& tx) { *any = journal::any_due(tx, until); },
                 on_loop([this, any, until](std::exception_ptr) {
                   claiming_due_ = false;
                   if (!*any || shut_down_ || !has_joined()) return;
                   claiming_due_ = true;
                   claim([self = membership_.self(),
                          until](store::Transaction& tx) { return journal::claim_due(tx, self, until, kClaimPage); },
                         [this](std::size_t taken) {
                           claiming_due_ = false;
                           if (std::int64_t(taken) == kClaimPage) claim_due();
                         });
                 }));
}

// Every parked run is tried once with the code of today.
void Engine::claim_parked(const RunId& after, std::function<void()> then) {
  auto last = std::make_shared<RunId>(after);
  claim(
      [self = membership_.self(), after, last](store::Transaction& tx) {
        auto rows = journal::claim_parked(tx, self, after, kClaimPage);
        for (const auto& row : rows) *last = std::max(*last, row.record.id);
        return rows;
      },
      [this, last, then](std::size_t taken) {
        if (std::int64_t(taken) < kClaimPage) return then();
        claim_parked(*last, then);
      });
}

// Brings a sleeping run into memory; `then` gets null when it is not to be had: ended, parked, or another's.
void Engine::bring_back(const RunId& run, std::function<void(const LivePtr&)> then) {
  if (const auto found = live_.find(run); found != live_.end()) return then(LivePtr(found->second));
  auto& waiting = coming_back_[run];
  waiting.push_back(std::move(then));
  if (waiting.size() > 1) return;
  claim(
      [self = membership_.self(), run](store::Transaction& tx) {
        std::vector<journal::Row> rows;
        if (auto row = journal::claim_sleeping(tx, self, run)) rows.push_back(std::move(*row));
        return rows;
      },
      [this, run](std::size_t) {
        const auto callbacks = coming_back_.extract(run);
        if (callbacks.empty()) return;
        for (auto& callback : callbacks.mapped()) {
          const auto found = live_.find(run);
          callback(found == live_.end() ? nullptr : LivePtr(found->second));
        }
      });
}

void Engine::take_up(RunRecord record, RunState state) {
  const auto* workflow = find_workflow(record.type);
  if (workflow == nullptr) return park_unread(record.id, "this hub knows no workflow '" + record.type + "'");
  auto live = std::make_shared<Live>();
  live->execution = std::make_unique<Execution>(std::move(record), *workflow, std::move(state),
                                                Services{clock_, random_, ids_, budgets_, options_.cancel_grace});
  live_[live->id()] = live;
  live->execution->start();
  advance(live);
}

void Engine::take_up_stored(RunRecord record) {
  record.inherited.reset();
  loading_.insert(record.id);
  auto rows = std::make_shared<std::vector<journal::Row>>();
  rows->push_back({.record = std::move(record)});
  load(rows, [](std::size_t) {});
}

// ---- leaving memory

void Engine::drop(const LivePtr& live) {
  disarm(live);
  const RunId id = live->id();  // a copy: erasing may free the last holder of the original
  live_.erase(id);
}

bool Engine::is_current(const LivePtr& live) const {
  const auto found = live_.find(live->id());
  return found != live_.end() && found->second == live;
}

bool Engine::is_known(const RunId& run) const {
  return live_.contains(run) || loading_.contains(run) || coming_back_.contains(run) || left_.contains(run);
}

void Engine::remember_left(const RunId& run) {
  if (!left_.insert(run).second) return;
  left_order_.push_back(run);
  if (left_order_.size() <= kLeftMax) return;
  left_.erase(left_order_.front());
  left_order_.pop_front();
}

void Engine::refuse_waiting(const LivePtr& live) {
  for (auto& callback : std::exchange(live->on_durable, {}))
    callback(std::make_exception_ptr(
        base::Error(base::ErrorClass::transient, "SHUTTING_DOWN", "this hub stops looking after the run; ask again")));
}

void Engine::park(const LivePtr& live, const std::string& reason) {
  live->execution->request_stop();
  refuse_waiting(live);
  park_unread(live->id(), reason);
  drop(live);
}

void Engine::park_unread(const RunId& run, const std::string& reason) {
  const bool is_news = parked_before_ != reason;
  if (is_news) notice("run " + run.str() + " is parked: " + reason);
  write_parked_reason(run, reason, is_news);
}

void Engine::write_parked_reason(const RunId& run, const std::string& reason, bool is_news) {
  auto ended = std::make_shared<std::optional<EndedUnadvanced>>();
  write(
      [this, run, reason, ended, now = clock_.now(), witness = is_news ? witness_ : nullptr](store::Transaction& tx) {
        ended->reset();
        // A cancel that was acknowledged before: nobody would take it in here.
        const auto by = mailbox::waiting_cancel(tx, run);
        auto row = by ? journal::find_for_update(tx, run) : std::nullopt;
        if (!row || row->completed_at) return write_parked(tx, run, reason, now, witness);
        row->parked_reason = reason;
        *ended = end_unadvanced(tx, *row, *by);
      },
      [this, run, reason, is_news, ended, life = membership_.self()](std::exception_ptr failure) {
        if (!failure && *ended) tell_ended(**ended);
        if (!failure || shut_down_ || life != membership_.self()) return;
        loop_.post_at(clock_.now() + options_.store_retry_max,
                      [this, alive = std::weak_ptr(self_), run, reason, is_news] {
                        if (alive.lock() && !shut_down_) write_parked_reason(run, reason, is_news);
                      });
      });
}

}  // namespace slipway::durable
