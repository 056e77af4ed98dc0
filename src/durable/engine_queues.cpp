// Runs that wait in a queue: how they come to be admitted by this replica, and what it knows of queues.
//
// Every replica tries to admit whenever it has a reason to: it launched a run that waits, one ended that had a place,
// the rate gives a place, an operator changed a queue, and at every look. Which of them gets a run is decided in the
// database, under the lock of the queue's row.

#include "durable/engine_live.h"

namespace slipway::durable {
namespace {

// Runs admitted from a queue at a time: bounds how long its row is locked, and lets other replicas have their share.
constexpr std::int64_t kAdmitPage = 100;

}  // namespace

std::shared_ptr<const Ticket> Engine::make_ticket(std::optional<Ticket> wish) const {
  if (!wish) return nullptr;
  validate(*wish);
  const bool exists = !wish->queue.empty() && (!known_queues_ || known_queues_->contains(wish->queue));
  if (!exists && !wish->waits_by_itself()) return nullptr;
  if (!exists) wish->queue = kDefaultQueue;
  return std::make_shared<const Ticket>(*std::move(wish));
}

void Engine::launch_waiting(const RunRecord& record) {
  const auto begun = journal::first_events(record, record.ticket->queue);
  const RunState state = fold_all(begun);
  for (const auto& observer : observers_) observer(record, state, begun);
  ++counted_.started;
  admit_soon(record.ticket->queue);
  // Nobody has looked at the queues yet: it may be that there is none of that name.
  if (!known_queues_) admit_soon(std::string(kDefaultQueue));
}

void Engine::queue_changed(const std::string& queue) {
  if (known_queues_) known_queues_->insert(queue);
  look_at_queues();
  ring(kBellQueues);
}

void Engine::look_at_queues() {
  if (shut_down_ || !has_joined()) return;
  if (std::exchange(reading_queues_, true)) {
    read_queues_again_ = true;
    return;
  }
  auto found = std::make_shared<std::vector<queues::Glance>>();
  database_.read([found, now = clock_.now()](store::Transaction& tx) { *found = queues::glance(tx, now); },
                 on_loop([this, found](std::exception_ptr failure) {
                   reading_queues_ = false;
                   const bool is_old = std::exchange(read_queues_again_, false);
                   if (!failure) on_queues_read(*found, is_old);
                   if (is_old) look_at_queues();
                 }));
}

// An old reading may lack a queue that was made since, and must not take it away.
void Engine::on_queues_read(const std::vector<queues::Glance>& found, bool is_old) {
  if (shut_down_ || !has_joined()) return;
  if (!is_old) known_queues_.emplace();
  full_queues_.clear();
  for (const auto& queue : found) {
    if (known_queues_) known_queues_->insert(queue.name);
    if (queue.may_admit) to_admit_.insert(queue.name);
  }
  admit();
}

void Engine::admit_soon(const std::string& queue) {
  if (full_queues_.contains(queue)) return;
  to_admit_.insert(queue);
  admit();
}

// One admission at a time; what is wished for meanwhile is the next one. The queues' rows are locked in the order of
// their names, as by every replica.
void Engine::admit() {
  if (shut_down_ || !has_joined() || admitting_ || to_admit_.empty()) return;
  admitting_ = true;
  auto admissions = std::make_shared<std::map<std::string, queues::Admission>>();
  write(
      [queues = std::exchange(to_admit_, {}), admissions, witness = witness_, self = membership_.self(),
       now = clock_.now()](store::Transaction& tx) {
        admissions->clear();
        std::vector<Transition> starts;
        for (const auto& queue : queues) {
          auto& admission = (*admissions)[queue] = queues::admit(tx, queue, self, now, kAdmitPage);
          for (const auto& [run, event, journal] : admission.runs)
            starts.push_back({.kind = TransitionKind::run_started, .run = &run.record, .at = now});
        }
        if (witness != nullptr && !starts.empty()) witness->tell(tx, starts);
      },
      [this, admissions, life = membership_.self()](std::exception_ptr failure) {
        admitting_ = false;
        if (shut_down_ || life != membership_.self()) return;  // what was admitted is for others to take over
        if (failure && base::as_error(failure).code() == "REPLICA_FENCED") membership_.look_now();
        if (!failure)
          for (auto& [queue, admission] : *admissions) on_admitted(queue, std::move(admission));
        admit();
      });
}

void Engine::on_admitted(const std::string& queue, queues::Admission admission) {
  queue_statistics_[queue].admitted += admission.runs.size();
  const bool any = !admission.runs.empty();
  for (auto& admitted : admission.runs) take_up_admitted(std::move(admitted));
  if (any) look_for_inputs();  // what was said to them while they waited
  if (admission.is_gone) {
    full_queues_.erase(queue);
    if (known_queues_) known_queues_->erase(queue);
    admit_soon(std::string(kDefaultQueue));  // where its runs are
    return;
  }
  if (admission.is_full) {
    full_queues_.insert(queue);
  } else if (admission.more) {
    to_admit_.insert(queue);
  }
  admit_at(queue, admission.again_at);
}

// Its journal is known without being read: it was asked for, and admitted. Unless it took over another's.
void Engine::take_up_admitted(queues::Admitted admitted) {
  RunRecord& record = admitted.run.record;
  if (is_known(record.id)) return;
  const bool is_short = admitted.journal.empty();
  auto state = fold_all(is_short ? std::vector{journal::started_event(record, record.queue)} : admitted.journal);
  fold(state, admitted.event);
  for (const auto& observer : observers_) observer(record, state, {admitted.event});
  is_short ? take_up(std::move(record), std::move(state)) : take_up_stored(std::move(record));
}

void Engine::admit_at(const std::string& queue, std::optional<Instant> at) {
  auto& timer = admit_timers_[queue];
  loop_.cancel(std::exchange(timer, 0));
  if (!at) return;
  timer = loop_.post_at(*at, [this, alive = std::weak_ptr(self_), queue] {
    if (!alive.lock()) return;
    admit_timers_[queue] = 0;
    admit_soon(queue);
  });
}

void Engine::forget_queues() {
  for (const auto& [queue, timer] : admit_timers_) loop_.cancel(timer);
  admit_timers_.clear();
  to_admit_.clear();
  full_queues_.clear();
}

void Engine::on_queues_examined(const queues::Examination& found) {
  for (auto& [queue, statistics] : queue_statistics_) statistics.counts = {};
  for (const auto& [queue, counts] : found.counts) queue_statistics_[queue].counts = counts;
  if (found.has_old_keys)
    write([now = clock_.now()](store::Transaction& tx) { queues::forget_old_keys(tx, now); },
          [](std::exception_ptr) {});
}

std::map<std::string, Engine::QueueStatistics> Engine::queue_statistics() const { return queue_statistics_; }

}  // namespace slipway::durable
