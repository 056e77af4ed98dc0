// How runs come into memory and leave it: recovery, sleep, parking.

#include "durable/engine_live.h"

namespace slipway::durable {
namespace {

constexpr std::size_t kLeftMax = 4'096;     // far more than can end between a read and its answer
constexpr std::int64_t kRecoverPage = 500;  // runs read at a time at start: bounds memory and the length of a read

}  // namespace

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

void Engine::remember_left(const RunId& run) {
  left_.insert(run);
  left_order_.push_back(run);
  if (left_order_.size() <= kLeftMax) return;
  left_.erase(left_order_.front());
  left_order_.pop_front();
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

}  // namespace slipway::durable
