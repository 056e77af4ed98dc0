#include "net/asio.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <list>
#include <unordered_set>

#include "net/timer.h"

namespace slipway::net {

namespace asio = boost::asio;

namespace {

bool is_cancellation(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

// Asio starts a coroutine at once when it is already on the loop; its caller would see half of it happen.
Awaitable<void> on_next_turn(Awaitable<void> task) {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable_t<Executor>{});
  co_await std::move(task);
}

}  // namespace

// ---- TaskGroup

struct TaskGroup::State {
  State(IoContext& context, OnFailure handler) : io(context), on_failure(std::move(handler)), changed(context) {}

  IoContext& io;
  OnFailure on_failure;
  std::list<std::shared_ptr<asio::cancellation_signal>> running;
  Signal changed;
};

TaskGroup::TaskGroup(IoContext& io, OnFailure on_failure)
    : state_(std::make_shared<State>(io, std::move(on_failure))) {}

TaskGroup::~TaskGroup() { cancel(); }

void TaskGroup::spawn(Awaitable<void> task) {
  const auto place = state_->running.insert(state_->running.end(), std::make_shared<asio::cancellation_signal>());
  auto finished = [state = state_, place](const std::exception_ptr& failure) {
    state->running.erase(place);
    if (failure && state->on_failure && !is_cancellation(failure)) state->on_failure(failure);
    if (state->running.empty()) state->changed.notify_all();
  };
  asio::co_spawn(state_->io.get_executor(), on_next_turn(std::move(task)),
                 asio::bind_cancellation_slot((*place)->slot(), std::move(finished)));
}

void TaskGroup::cancel() {
  if (state_->running.empty()) return;
  // Some operations end inside `emit` and go on with their task, which may change anything here or at the caller's.
  std::vector<std::weak_ptr<asio::cancellation_signal>> signals(state_->running.begin(), state_->running.end());
  asio::post(state_->io, [signals = std::move(signals)] {
    for (const auto& weak : signals)
      if (const auto signal = weak.lock()) signal->emit(asio::cancellation_type::terminal);
  });
}

Awaitable<void> TaskGroup::join() {
  auto state = state_;
  while (!state->running.empty()) co_await state->changed.wait();
}

std::size_t TaskGroup::size() const { return state_->running.size(); }

// ---- Signal

struct Signal::State {
  struct Waiter {
    Timer timer;
    bool notified = false;
  };
  IoContext& io;
  std::unordered_set<Waiter*> waiters{};

  void notify_all() {
    const auto woken = std::exchange(waiters, {});
    for (Waiter* waiter : woken) {
      waiter->notified = true;
      waiter->timer.cancel();
    }
  }

  static Awaitable<bool> wait_until(std::shared_ptr<State> state, SteadyClock::time_point deadline) {
    Waiter waiter{Timer(state->io, deadline)};
    struct Enrolled {
      State& state;
      Waiter& waiter;
      ~Enrolled() { state.waiters.erase(&waiter); }
    } enrolled{*state, waiter};
    state->waiters.insert(&waiter);
    co_await waiter.timer.async_wait(use_result);
    co_return waiter.notified;
  }
};

Signal::Signal(IoContext& io) : state_(std::make_shared<State>(State{io})) {}

Signal::~Signal() { state_->notify_all(); }

void Signal::notify_all() { state_->notify_all(); }

Awaitable<void> Signal::wait() { co_await State::wait_until(state_, SteadyClock::time_point::max()); }

Awaitable<bool> Signal::wait_for(base::Duration timeout) {
  return State::wait_until(state_, SteadyClock::now() + timeout);
}

// ---- Completion

struct Completion::State {
  explicit State(IoContext& context) : io(context), changed(context) {}
  IoContext& io;
  Signal changed;
  bool done = false;
};

Completion::Completion(IoContext& io) : state_(std::make_shared<State>(io)) {}

void Completion::complete() {
  asio::post(state_->io, [state = state_] {
    state->done = true;
    state->changed.notify_all();
  });
}

Awaitable<void> Completion::wait() {
  auto state = state_;
  // Cancellation is put off, not forgotten: the caller's next co_await throws.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  while (!state->done) co_await state->changed.wait();
  co_await asio::this_coro::throw_if_cancelled(throws);
}

Awaitable<void> sleep_for(base::Duration duration) {
  Timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(use_result);
}

}  // namespace slipway::net
