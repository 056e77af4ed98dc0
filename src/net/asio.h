#pragma once
// How coroutines run on an event loop: the few Asio types that every room may see, and the tools to own, wake and join
// coroutines.
//
// One IoContext is run by exactly one thread. Nothing here is thread-safe unless it says so.

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>

#include "base/time.h"

namespace slipway::net {

using IoContext = boost::asio::io_context;
using Executor = IoContext::executor_type;
// A coroutine on an IoContext. The concrete executor makes it smaller and faster than Asio's default.
template <class T>
using Awaitable = boost::asio::awaitable<T, Executor>;
// Completion token: `auto [error, n] = co_await socket.async_read_some(buffer, use_result);`
inline constexpr boost::asio::as_tuple_t<boost::asio::use_awaitable_t<Executor>> use_result{};

// Owns spawned coroutines: who spawns here must `join` before what the coroutines refer to goes. Destroying a group
// that still has tasks cancels them; they end in their own time.
class TaskGroup {
 public:
  // `on_failure` gets what a task throws; being cancelled is no failure. It must not throw.
  using OnFailure = std::function<void(std::exception_ptr)>;
  TaskGroup(IoContext& io, OnFailure on_failure);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts on the next turn of the loop, never inside this call. A capturing lambda must be written `[x](this auto) ->
  // Awaitable<void>`.
  void spawn(Awaitable<void> task);
  // On the next turn of the loop, the pending operation of each task that there is now ends with operation_aborted, and
  // so does each further `co_await` of it.
  void cancel();
  // Returns when no task is left; tasks spawned meanwhile are waited for too.
  Awaitable<void> join();
  std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Wakes coroutines that wait for something to change. Waiters look again themselves: a wake-up says only 'look'.
class Signal {
 public:
  explicit Signal(IoContext& io);
  ~Signal();  // wakes the waiters
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void notify_all();
  Awaitable<void> wait();
  // False when the time passed without a notification.
  Awaitable<bool> wait_for(base::Duration timeout);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Something that happens once, told from any thread, awaited on the loop. The IoContext must outlive the last
// `complete`. Copies are the same completion.
class Completion {
 public:
  explicit Completion(IoContext& io);

  void complete();  // thread-safe; a second call does nothing
  // Does not end early when the coroutine is cancelled: what it waits for may still use the caller's variables.
  Awaitable<void> wait();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

Awaitable<void> sleep_for(base::Duration duration);

}  // namespace slipway::net
