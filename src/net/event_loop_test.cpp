#include "net/event_loop.h"

#include <gtest/gtest.h>

#include <latch>

#include "base/error.h"
#include "net/testing/loop.h"

namespace slipway::net {
namespace {

using namespace std::chrono_literals;

class ManualClock final : public base::Clock {
 public:
  base::Instant now() const override { return now_; }
  void set(base::Instant at) { now_ = at; }

 private:
  base::Instant now_ = base::from_unix_ms(1'000'000);
};

TEST(AsioLoop, RunsTasksInOrderAndNeverInsidePost) {
  IoContext io;
  base::SystemClock clock;
  AsioLoop loop(io, clock);
  std::string order;
  loop.post([&] {
    loop.post([&] { order += "c"; });
    order += "a";
  });
  loop.post([&] { order += "b"; });
  EXPECT_EQ(order, "");
  io.run();
  EXPECT_EQ(order, "abc");
}

TEST(AsioLoop, FiresTimersInOrderOfTimeAndNotTheCancelled) {
  IoContext io;
  base::SystemClock clock;
  AsioLoop loop(io, clock);
  std::string order;
  const auto now = clock.now();
  loop.post_at(now + 20ms, [&] { order += "c"; });
  loop.post_at(now + 5ms, [&] { order += "b"; });
  const auto dropped = loop.post_at(now + 10ms, [&] { order += "x"; });
  loop.post_at(now - 1h, [&] {
    order += "a";
    loop.cancel(dropped);
    loop.cancel(dropped);
    loop.cancel(0);
  });
  io.run();
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(loop.pending_timers(), 0u);
}

TEST(AsioLoop, ATimerMayCancelAnotherThatIsDueToo) {
  IoContext io;
  ManualClock clock;
  AsioLoop loop(io, clock);
  std::string order;
  base::EventLoop::TimerId second = 0;
  loop.post_at(clock.now() - 2ms, [&] {
    order += "a";
    loop.cancel(second);
  });
  second = loop.post_at(clock.now() - 1ms, [&] { order += "b"; });
  io.run();
  EXPECT_EQ(order, "a");
}

TEST(AsioLoop, HoldsAHundredThousandTimers) {
  IoContext io;
  ManualClock clock;
  AsioLoop loop(io, clock);
  std::vector<base::EventLoop::TimerId> timers;
  int fired = 0;
  for (int i = 0; i < 100'000; ++i) timers.push_back(loop.post_at(clock.now() + 1h + i * 1ms, [&] { ++fired; }));
  for (int i = 0; i < 100'000; i += 2) loop.cancel(timers[std::size_t(i)]);
  EXPECT_EQ(loop.pending_timers(), 50'000u);
  clock.set(clock.now() + 2h);
  loop.post_at(clock.now() - 90min, [] {});  // before all others: makes it look at the clock
  io.run();
  EXPECT_EQ(fired, 50'000);
}

TEST(WorkerPool, GrowsWhileAllAreBusyAndFinishesItsQueueAtTheEnd) {
  std::atomic<int> done{0};
  {
    std::latch all_running(4);
    WorkerPool pool(1, 4);
    for (int i = 0; i < 4; ++i)
      pool.run([&] {
        all_running.arrive_and_wait();  // ends only if four threads run at once
        ++done;
      });
    for (int i = 0; i < 100; ++i) pool.run([&] { ++done; });
  }
  EXPECT_EQ(done, 104);
}

TEST(RunBlocking, BringsResultsAndExceptionsBackToTheLoop) {
  testing::LoopThread loop;
  WorkerPool pool(0, 2);
  const auto result = loop.await([](IoContext& io, base::Workers& workers) -> Awaitable<std::string> {
    const auto loop_thread = std::this_thread::get_id();
    auto elsewhere = co_await run_blocking(io, workers, [] { return std::this_thread::get_id(); });
    EXPECT_NE(elsewhere, loop_thread);
    EXPECT_EQ(std::this_thread::get_id(), loop_thread);
    try {
      co_await run_blocking(io, workers, [] { throw base::internal_error("as expected"); });
    } catch (const base::Error& error) {
      co_return error.message();
    }
    co_return "";
  }(loop.io(), pool));
  EXPECT_EQ(result, "as expected");
}

TEST(RunBlocking, WaitsForTheWorkEvenWhenItsCoroutineIsCancelled) {
  testing::LoopThread loop;
  WorkerPool pool(0, 2);
  std::promise<void> begun, let_go;
  bool work_done = false, ended_after_work = false, went_on = false;
  auto group = loop.call([&] { return std::make_unique<TaskGroup>(loop.io(), nullptr); });
  loop.call([&] {
    group->spawn(
        [](auto& io, auto& pool, auto& begun, auto& let_go, bool& done, bool& after, bool& went_on) -> Awaitable<void> {
          co_await run_blocking(io, pool, [&] {
            begun.set_value();
            let_go.get_future().wait();
            done = true;
          });
          after = done;
          co_await sleep_for(0ms);  // here the cancellation takes hold
          went_on = true;
        }(loop.io(), pool, begun, let_go, work_done, ended_after_work, went_on));
  });
  begun.get_future().wait();
  loop.call([&] { group->cancel(); });
  EXPECT_EQ(loop.call([&] { return group->size(); }), 1u);
  let_go.set_value();
  loop.await(group->join());
  EXPECT_TRUE(ended_after_work);
  EXPECT_FALSE(went_on);
  loop.call([&] { group.reset(); });
}

TEST(TaskGroup, JoinsItsTasksAndReportsWhatTheyThrow) {
  IoContext io;
  std::vector<std::string> failures;
  TaskGroup group(io, [&](std::exception_ptr failure) { failures.push_back(base::as_error(failure).code()); });
  int ended = 0;
  for (int i = 0; i < 3; ++i)
    group.spawn([](int i, int& ended) -> Awaitable<void> {
      co_await sleep_for(base::Duration(i));
      ++ended;
      if (i == 1) throw base::validation_error("i", "is one");
    }(i, ended));
  EXPECT_EQ(ended, 0);
  testing::run(io, group.join());
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(failures, std::vector<std::string>{"VALIDATION_ERROR"});
}

TEST(TaskGroup, StartsATaskOnTheNextTurnEvenFromTheLoop) {
  IoContext io;
  TaskGroup group(io, nullptr);
  testing::run(io, [](TaskGroup& group) -> Awaitable<void> {
    bool begun = false;
    group.spawn([](bool& begun) -> Awaitable<void> {
      begun = true;
      co_return;
    }(begun));
    EXPECT_FALSE(begun);
    co_await group.join();
    EXPECT_TRUE(begun);
  }(group));
}

TEST(TaskGroup, CancelEndsTasksThatWait) {
  IoContext io;
  TaskGroup group(io, [](std::exception_ptr) { ADD_FAILURE(); });
  for (int i = 0; i < 3; ++i)
    group.spawn([]() -> Awaitable<void> {
      for (;;) co_await sleep_for(1h);
    }());
  testing::run(io, [](TaskGroup& group) -> Awaitable<void> {
    co_await sleep_for(0ms);
    group.cancel();
    co_await group.join();
  }(group));
  EXPECT_EQ(group.size(), 0u);
}

TEST(Signal, WakesAllWaitersAndTellsATimeoutApart) {
  IoContext io;
  Signal signal(io);
  TaskGroup group(io, nullptr);
  int notified = 0;
  for (int i = 0; i < 3; ++i)
    group.spawn([](Signal& signal, int& notified) -> Awaitable<void> { notified += co_await signal.wait_for(1h); }(
                                                      signal, notified));
  testing::run(io, [](Signal& signal, TaskGroup& group) -> Awaitable<void> {
    EXPECT_FALSE(co_await signal.wait_for(1ms));
    signal.notify_all();
    co_await group.join();
  }(signal, group));
  EXPECT_EQ(notified, 3);
}

}  // namespace
}  // namespace slipway::net
