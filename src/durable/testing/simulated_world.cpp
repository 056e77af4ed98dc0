#include "durable/testing/simulated_world.h"

namespace slipway::durable::testing {

using base::ErrorClass;

SimulatedWorld::SimulatedWorld(std::uint64_t seed) : random_(seed), now_(base::from_unix_ms(1'700'000'000'000)) {}

base::Duration SimulatedWorld::delay() {
  // Mostly short, now and then long: races need both.
  const auto most = chance(0.1) ? faults_.delay_max.count() * 20 : faults_.delay_max.count();
  return base::Duration(std::int64_t(random_.below(std::uint64_t(most) + 1)));
}

std::unique_ptr<SimulatedWorld::Process> SimulatedWorld::boot() {
  disk_.rollback();
  return std::make_unique<Process>(*this);
}

bool SimulatedWorld::step(Process& process) {
  if (process.queue_.empty()) return false;
  auto first = process.queue_.extract(process.queue_.begin());
  now_ = std::max(now_, first.key().first);
  process.timers_.erase(first.key().second);
  if (chance(faults_.crash_anywhere)) throw Crash();
  first.mapped()();
  return true;
}

base::EventLoop::TimerId SimulatedWorld::Process::schedule(base::Instant at, base::Task task) {
  const auto id = ++last_timer_;
  timers_[id] = at;
  queue_.emplace(When{at, id}, std::move(task));
  return id;
}

void SimulatedWorld::Process::post(base::Task task) { schedule(world_.now_, std::move(task)); }

base::EventLoop::TimerId SimulatedWorld::Process::post_at(base::Instant at, base::Task task) {
  return schedule(std::max(at, world_.now_), std::move(task));
}

void SimulatedWorld::Process::cancel(TimerId timer) {
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  queue_.erase(When{found->second, timer});
  timers_.erase(found);
}

void SimulatedWorld::Process::run(base::Task task) { schedule(world_.now_ + world_.delay(), std::move(task)); }

void SimulatedWorld::Process::write(store::Work work, store::Done done) {
  waiting_writes_.push_back({std::move(work), std::move(done)});
  if (std::exchange(group_planned_, true)) return;
  schedule(world_.now_ + world_.delay(), [this] { commit_group(); });
}

void SimulatedWorld::Process::commit_group() {
  group_planned_ = false;
  auto group = std::exchange(waiting_writes_, {});
  if (world_.chance(world_.faults_.write_fails)) {
    for (auto& write : group)
      write.done(std::make_exception_ptr(base::Error(ErrorClass::transient, "STORE_UNAVAILABLE", "simulated")));
    return;
  }
  std::vector<store::Work> works;
  for (auto& write : group) works.push_back(std::move(write.work));
  const auto failures = world_.disk_.apply(works);
  if (world_.chance(world_.faults_.crash_before_commit)) throw Crash();
  world_.disk_.commit();
  if (world_.chance(world_.faults_.crash_after_commit)) throw Crash();
  // The answers reach the loop at their own pace, but in order.
  auto dones = std::make_shared<std::vector<std::pair<store::Done, std::exception_ptr>>>();
  for (std::size_t i = 0; i < group.size(); ++i) dones->emplace_back(std::move(group[i].done), failures[i]);
  schedule(world_.now_ + world_.delay(), [dones] {
    for (auto& [done, failure] : *dones) done(failure);
  });
}

void SimulatedWorld::Process::read(store::Work work, store::Done done) {
  auto held = std::make_shared<std::pair<store::Work, store::Done>>(std::move(work), std::move(done));
  schedule(world_.now_ + world_.delay(), [this, held] {
    std::exception_ptr failure;
    try {
      if (world_.chance(world_.faults_.read_fails))
        throw base::Error(ErrorClass::transient, "STORE_UNAVAILABLE", "simulated");
      world_.disk_.read(std::move(held->first));
    } catch (...) {
      failure = std::current_exception();
    }
    held->second(failure);
  });
}

}  // namespace slipway::durable::testing
