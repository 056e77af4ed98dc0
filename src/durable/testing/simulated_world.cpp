#include "durable/testing/simulated_world.h"

namespace slipway::durable::testing {

using base::Duration;
using base::ErrorClass;

namespace {

const base::Instant kNever = base::from_unix_ms(253'402'300'799'000);  // the end of the year 9999

}  // namespace

SimulatedWorld::SimulatedWorld(std::uint64_t seed) : random_(seed), now_(base::from_unix_ms(1'700'000'000'000)) {}

base::Duration SimulatedWorld::delay() {
  // Mostly short, now and then long: races need both.
  const auto most = chance(0.1) ? faults_.delay_max.count() * 20 : faults_.delay_max.count();
  return base::Duration(std::int64_t(random_.below(std::uint64_t(most) + 1)));
}

SimulatedWorld::~SimulatedWorld() = default;

std::unique_ptr<SimulatedWorld::Process> SimulatedWorld::boot() {
  disk_.rollback();
  return std::make_unique<Process>(*this);
}

void SimulatedWorld::at(base::Instant when, base::Task task) { events_.emplace(when, std::move(task)); }

bool SimulatedWorld::step() {
  current_ = nullptr;
  base::Instant earliest = kNever;
  for (auto* process : processes_) {
    if (process->next() >= earliest) continue;
    earliest = process->next();
    current_ = process;
  }
  if (!events_.empty() && events_.begin()->first <= earliest) {
    current_ = nullptr;
    auto event = events_.extract(events_.begin());
    now_ = std::max(now_, event.key());
    event.mapped()();
    return true;
  }
  if (current_ == nullptr) return false;
  now_ = std::max(now_, earliest);
  if (chance(faults_.crash_anywhere)) throw Crash();
  if (chance(faults_.clock_jump)) current_->skew_ = Duration(std::int64_t(random_.below(120'000)) - 60'000);
  if (chance(faults_.pause)) {
    current_->paused_until_ = now_ + Duration(std::int64_t(random_.below(8'000)));
    return true;
  }
  current_->run_first();
  return true;
}

SimulatedWorld::Process::Process(SimulatedWorld& world) : world_(world) { world.processes_.push_back(this); }
SimulatedWorld::Process::~Process() { std::erase(world_.processes_, this); }

base::Instant SimulatedWorld::Process::next() const {
  return queue_.empty() ? kNever : std::max(queue_.begin()->first.first, paused_until_);
}

void SimulatedWorld::Process::run_first() {
  auto first = queue_.extract(queue_.begin());
  timers_.erase(first.key().second);
  first.mapped()();
}

base::EventLoop::TimerId SimulatedWorld::Process::schedule(base::Instant at, base::Task task) {
  const auto id = ++last_timer_;
  timers_[id] = at;
  queue_.emplace(When{at, id}, std::move(task));
  return id;
}

void SimulatedWorld::Process::post(base::Task task) { schedule(world_.now_, std::move(task)); }

base::EventLoop::TimerId SimulatedWorld::Process::post_at(base::Instant at, base::Task task) {
  return schedule(std::max(at - skew_, world_.now_), std::move(task));
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
  if (world_.watcher_) world_.watcher_(*this);
  if (world_.chance(world_.faults_.crash_after_commit)) throw Crash();
  // The answers reach the loop at their own pace, but in order.
  auto dones = std::make_shared<std::vector<std::pair<store::Done, std::exception_ptr>>>();
  for (std::size_t i = 0; i < group.size(); ++i) dones->emplace_back(std::move(group[i].done), failures[i]);
  schedule(world_.now_ + world_.delay(), [dones] {
    for (auto& [done, failure] : *dones) done(failure);
  });
}

std::unique_ptr<store::Listening> SimulatedWorld::Process::listen(std::string, store::Bell bell) {
  struct Ear : store::Listening {};
  bells_.push_back(std::make_shared<store::Bell>(std::move(bell)));
  return std::make_unique<Ear>();
}

void SimulatedWorld::Process::ring(std::string_view, std::string_view word) {
  for (auto* process : world_.processes_)
    for (const auto& bell : process->bells_)
      for (int copies = world_.chance(0.1) ? 2 : 1; copies > 0; --copies)
        if (!world_.chance(world_.faults_.bell_lost))
          process->schedule(world_.now_ + world_.delay(), [bell, text = std::string(word)] { (*bell)(text); });
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
