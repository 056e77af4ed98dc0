// Invariants that watch themselves: a run that waits has exactly one wake-up, and one that does not is somebody's. What
// breaks this is a defect; it is repaired before anybody is paged for a run that stands still, and counted.

#include "durable/engine_live.h"

namespace slipway::durable {
namespace {

constexpr int kSweepsBetweenTries = 10;  // parked runs are tried again: this hub's code may fit where another's did not

}  // namespace

void Engine::sweep_when_due() {
  const Instant now = clock_.monotonic();
  if (sweeping_ || now < next_sweep_) return;
  next_sweep_ = now + options_.sweep_every;
  sweeping_ = true;
  auto found = std::make_shared<journal::Examination>();
  auto in_queues = std::make_shared<queues::Examination>();
  database_.read(
      [found, in_queues, self = membership_.self(), at = clock_.now()](store::Transaction& tx) {
        *found = journal::examine(tx, self);
        *in_queues = queues::examine(tx, at);
      },
      on_loop([this, found, in_queues](std::exception_ptr failure) {
        sweeping_ = false;
        if (failure || shut_down_) return;
        counted_.sleeping = std::size_t(found->sleeping);
        counted_.parked = std::size_t(found->parked);
        if (found->unwakeable + in_queues->broken > 0 || !found->ownerless.empty()) repair();
        on_queues_examined(*in_queues);
        load_forgotten(found->owned);
        if (found->parked > 0 && ++sweeps_with_parked_ % kSweepsBetweenTries == 0) claim_parked(RunId(""), [] {});
        rearm();
      }));
}

// Runs that nobody would ever have looked at again.
void Engine::repair() {
  auto repaired = std::make_shared<std::int64_t>(0);
  write([repaired,
         now = clock_.now()](store::Transaction& tx) { *repaired = journal::repair(tx, now) + queues::mend(tx, now); },
        [this, repaired](std::exception_ptr failure) {
          if (!failure && *repaired > 0)
            count_repaired(std::uint64_t(*repaired), "runs that had no wake-up, or queues that had lost a place");
        });
}

// Ours by their rows, and not in memory at two sweeps: between a claim and the reading of its journals one may be.
void Engine::load_forgotten(const std::vector<RunId>& owned) {
  std::unordered_set<RunId> missing;
  auto again = std::make_shared<std::vector<RunId>>();
  for (const auto& run : owned) {
    if (is_known(run)) continue;
    missing_.contains(run) ? again->push_back(run) : void(missing.insert(run));
  }
  missing_ = std::move(missing);
  if (again->empty()) return;
  count_repaired(again->size(), "runs that were owned and not in memory");
  claim(
      [again, self = membership_.self()](store::Transaction& tx) {
        std::vector<journal::Row> rows;
        for (const auto& run : *again)
          if (auto row = journal::find_for_update(tx, run); row && row->record.replica == self && !row->completed_at)
            rows.push_back(std::move(*row));
        return rows;
      },
      [](std::size_t) {});
}

void Engine::rearm() {
  std::vector<LivePtr> silent;
  for (const auto& [id, live] : live_) {
    const Execution& execution = *live->execution;
    const bool waits_for_somebody = live->wake_timer != 0 || live->dirty || live->writing || live->in_transaction ||
                                    execution.attempt_under_way() || std::ranges::count(held_, live) > 0;
    if (!waits_for_somebody && execution.wish() != Wish::nothing) silent.push_back(live);
  }
  if (silent.empty()) return;
  count_repaired(silent.size(), "runs in memory that nothing would have woken");
  for (const auto& live : silent) advance(live);
}

void Engine::count_repaired(std::uint64_t runs, std::string_view what) {
  counted_.repaired += runs;
  notice("the sweep repaired " + std::to_string(runs) + " " + std::string(what) + ": a defect, please report it");
}

}  // namespace slipway::durable
