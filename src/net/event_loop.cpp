#include "net/event_loop.h"

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "net/timer.h"

namespace slipway::net {

namespace {
// The system timer follows the monotonic clock, timers the wall clock: looking again so often heals a clock that was
// set and a laptop that slept.
constexpr base::Duration kLookAgain = std::chrono::seconds(5);
}  // namespace

// ---- AsioLoop

struct AsioLoop::State : std::enable_shared_from_this<State> {
  using Key = std::pair<base::Instant, TimerId>;

  State(IoContext& context, const base::Clock& time) : io(context), clock(time), wake(context) {}

  void arm() {
    if (timers.empty() || closed) return;
    const base::Instant first = timers.begin()->first.first;
    if (armed_for && *armed_for <= first) return;
    armed_for = first;
    const auto wait = std::clamp(first - clock.now(), base::Duration(0), kLookAgain);
    wake.expires_after(wait);
    wake.async_wait([weak = weak_from_this(), turn = ++turn](const boost::system::error_code&) {
      const auto self = weak.lock();
      if (self && self->turn == turn && !self->closed) self->fire();
    });
  }

  void fire() {
    armed_for.reset();
    // The keys first: a task may cancel one that is due, and one that it adds waits for the next turn.
    const base::Instant now = clock.now();
    std::vector<Key> due;
    for (const auto& [key, task] : timers) {
      if (key.first > now) break;
      due.push_back(key);
    }
    const auto keep = shared_from_this();
    for (const Key& key : due) {
      auto node = timers.extract(key);
      if (node.empty()) continue;
      times.erase(key.second);
      node.mapped()();
      if (closed) return;
    }
    arm();
  }

  IoContext& io;
  const base::Clock& clock;
  Timer wake;
  std::map<Key, base::Task> timers;
  std::unordered_map<TimerId, base::Instant> times;
  std::optional<base::Instant> armed_for;
  std::uint64_t turn = 0;
  TimerId last_id = 0;
  bool closed = false;
};

AsioLoop::AsioLoop(IoContext& io, const base::Clock& clock) : state_(std::make_shared<State>(io, clock)) {}

AsioLoop::~AsioLoop() {
  state_->closed = true;
  state_->wake.cancel();
}

void AsioLoop::post(base::Task task) { boost::asio::post(state_->io, std::move(task)); }

AsioLoop::TimerId AsioLoop::post_at(base::Instant at, base::Task task) {
  const TimerId id = ++state_->last_id;
  state_->timers.emplace(State::Key{at, id}, std::move(task));
  state_->times.emplace(id, at);
  state_->arm();
  return id;
}

void AsioLoop::cancel(TimerId timer) {
  const auto found = state_->times.find(timer);
  if (found == state_->times.end()) return;
  state_->timers.erase({found->second, timer});
  state_->times.erase(found);
  if (!state_->timers.empty()) return;
  // Nothing to wait for: an armed timer would keep the IoContext running.
  state_->armed_for.reset();
  state_->wake.cancel();
}

std::size_t AsioLoop::pending_timers() const { return state_->timers.size(); }

// ---- WorkerPool

struct WorkerPool::State {
  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      ++idle;
      changed.wait(lock, [this] { return !tasks.empty() || closing; });
      --idle;
      if (tasks.empty()) return;
      base::Task task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it captured goes here, not under the lock
      lock.lock();
    }
  }

  // With the mutex held. A system that gives no more threads is no failure while there is one.
  void add_thread() {
    try {
      threads.emplace_back([this] { work(); });
    } catch (const std::system_error& failure) {
      if (threads.empty()) throw base::system_error("starting a worker thread", failure.code().value());
    }
  }

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<base::Task> tasks;
  std::vector<std::thread> threads;
  std::size_t threads_max = 0;
  std::size_t idle = 0;
  bool closing = false;
};

WorkerPool::WorkerPool(std::size_t threads, std::size_t threads_max) : state_(std::make_unique<State>()) {
  state_->threads_max = std::max({threads, threads_max, std::size_t(1)});
  const std::lock_guard lock(state_->mutex);
  for (std::size_t i = 0; i < threads; ++i) state_->add_thread();
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->closing = true;
  }
  state_->changed.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

void WorkerPool::run(base::Task task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
    if (state_->tasks.size() > state_->idle && state_->threads.size() < state_->threads_max) state_->add_thread();
  }
  state_->changed.notify_one();
}

std::size_t WorkerPool::queued() const {
  const std::lock_guard lock(state_->mutex);
  return state_->tasks.size();
}

std::size_t WorkerPool::threads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->threads.size();
}

}  // namespace slipway::net
