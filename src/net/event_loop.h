#pragma once
// The hub's event loop and workers: base/executor.h over Asio and threads.

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/executor.h"
#include "base/time.h"
#include "net/asio.h"

namespace slipway::net {

// Timers are one ordered map and one system timer: a hundred thousand sleeping runs cost a map entry each.
// Both arguments must outlive the loop; the loop must not be destroyed while the IoContext runs.
class AsioLoop final : public base::EventLoop {
 public:
  AsioLoop(IoContext& io, const base::Clock& clock);
  ~AsioLoop() override;

  void post(base::Task task) override;
  TimerId post_at(base::Instant at, base::Task task) override;
  void cancel(TimerId timer) override;
  std::size_t pending_timers() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Threads for calls that block. Starts with `threads` and grows to `threads_max` while all are busy; beyond that, tasks
// queue. A worker's task must not call `run` during destruction, which runs what is queued and joins.
class WorkerPool final : public base::Workers {
 public:
  explicit WorkerPool(std::size_t threads, std::size_t threads_max = 64);
  ~WorkerPool() override;

  void run(base::Task task) override;
  std::size_t queued() const;
  std::size_t threads() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Runs `work` on a worker and gives its result, or throws what it threw, on the loop. `work` may refer to the awaiting
// coroutine's variables: the wait lasts until it is done, even when the coroutine is cancelled.
template <class F>
Awaitable<std::invoke_result_t<F>> run_blocking(IoContext& io, base::Workers& workers, F work) {
  using Result = std::invoke_result_t<F>;
  struct Nothing {};
  struct Shared {
    Completion done;
    std::exception_ptr failure;
    std::optional<std::conditional_t<std::is_void_v<Result>, Nothing, Result>> result;
  };
  auto shared = std::make_shared<Shared>(Shared{Completion(io), nullptr, std::nullopt});
  workers.run([shared, work = std::move(work)]() mutable {
    try {
      if constexpr (std::is_void_v<Result>) {
        work();
      } else {
        shared->result.emplace(work());
      }
    } catch (...) {
      shared->failure = std::current_exception();
    }
    shared->done.complete();
  });
  co_await shared->done.wait();
  if (shared->failure) std::rethrow_exception(shared->failure);
  if constexpr (!std::is_void_v<Result>) co_return std::move(*shared->result);
}

}  // namespace slipway::net
