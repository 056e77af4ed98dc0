#pragma once
// An engine as a hub has it: a loop on a thread of its own, workers, the system's clock, a real store. For tests with
// several replicas, and for benchmarks.

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "durable/engine.h"
#include "durable/journal.h"
#include "net/asio.h"
#include "net/event_loop.h"

namespace slipway::durable::testing {

class ThreadedEngine {
 public:
  // `set_up` gives it its workflows. Returns when the engine has joined; throws why it could not.
  ThreadedEngine(std::shared_ptr<store::Database> database, EngineOptions options,
                 const std::function<void(Engine&)>& set_up)
      : database_(std::move(database)), workers_(2), ids_(clock_, random_) {
    thread_ = std::thread([this] {
      const auto guard = boost::asio::make_work_guard(ground_.io);
      ground_.io.run();
    });
    on_loop([&] {
      engine_ = std::make_unique<Engine>(*database_, loop_, workers_, clock_, random_, ids_, std::move(options));
      set_up(*engine_);
    });
    const auto failure = wait_for([this](auto done) { engine_->join(std::move(done)); });
    if (!failure) return;
    end();
    std::rethrow_exception(failure);
  }
  ~ThreadedEngine() { end(); }
  ThreadedEngine(const ThreadedEngine&) = delete;
  ThreadedEngine& operator=(const ThreadedEngine&) = delete;

  // As kill -9: nothing is said to anybody. But attempts and transactions that have begun use the workflows, and end
  // before these go.
  void kill() {
    while (on_loop([this] { return attempts_left(); }) > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    wait_for([this](auto done) { database_->write([](store::Transaction&) {}, std::move(done)); });
    on_loop([this] { engine_.reset(); });
  }
  // As a hub that is told to stop.
  void leave() {
    wait_for([this](auto done) {
      engine_->shut_down();
      engine_->leave(std::move(done));
    });
  }

  // As the API does: the runs' rows are durable before the runs are launched. Waits for that.
  std::vector<RunId> start(const std::vector<StartRequest>& requests) {
    std::vector<RunRecord> records;
    on_loop([&] {
      for (const auto& request : requests) records.push_back(engine_->make_record(request));
    });
    database_->write_and_wait([&](store::Transaction& tx) {
      for (const auto& record : records) journal::insert_run(tx, record);
    });
    on_loop([&] {
      for (const auto& record : records) engine_->launch(record);
    });
    std::vector<RunId> runs;
    for (const auto& record : records) runs.push_back(record.id);
    return runs;
  }
  // The same without waiting: `accepted` is called when the run is launched. All on the loop's thread.
  void begin_start(const StartRequest& request, std::function<void()> accepted = [] {}) {
    auto record = engine_->make_record(request);
    database_->write([record](store::Transaction& tx) { journal::insert_run(tx, record); },
                     [this, record, accepted = std::move(accepted)](std::exception_ptr failure) mutable {
                       SLIPWAY_ASSERT(!failure);
                       loop_.post([this, record = std::move(record), accepted = std::move(accepted)]() mutable {
                         engine_->launch(std::move(record));
                         accepted();
                       });
                     });
  }
  // Null when it is accepted.
  std::exception_ptr cancel(const RunId& run, const std::string& by) {
    return wait_for([&](auto done) { engine_->cancel(run, by, std::move(done)); });
  }
  Engine::Statistics statistics() {
    return on_loop([this] { return engine_->statistics(); });
  }
  ReplicaId replica() {
    return on_loop([this] { return engine_->replica(); });
  }

  store::Database& database() { return *database_; }
  base::EventLoop& loop() { return loop_; }
  Engine& engine() { return *engine_; }  // for the loop's thread

  // Runs it on the loop's thread, and waits for what it gives.
  template <class F>
  std::invoke_result_t<F> on_loop(F function) {
    // Shared: the loop may still be inside it when the one that waited is gone.
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(function));
    auto result = task->get_future();
    loop_.post([task] { (*task)(); });
    return result.get();
  }

 private:
  struct Ground {
    base::SystemClock clock;
    net::IoContext io{1};
    net::AsioLoop loop{io, clock};
  };
  // Stays until the process ends: the store, which outlives the engine, may still answer to it.
  static Ground& new_ground() {
    static auto& all = *new std::vector<std::unique_ptr<Ground>>;
    return *all.emplace_back(std::make_unique<Ground>());
  }

  std::size_t attempts_left() {
    if (!engine_) return 0;
    engine_->shut_down();
    return engine_->statistics().attempts_under_way;
  }
  template <class Ask>
  std::exception_ptr wait_for(Ask ask) {
    auto done = std::make_shared<std::promise<std::exception_ptr>>();
    auto outcome = done->get_future();
    loop_.post([&ask, done] { ask([done](std::exception_ptr failure) { done->set_value(failure); }); });
    return outcome.get();
  }
  void end() {
    kill();
    ground_.io.stop();
    thread_.join();
  }

  std::shared_ptr<store::Database> database_;
  Ground& ground_ = new_ground();
  base::SystemClock& clock_ = ground_.clock;
  base::EventLoop& loop_ = ground_.loop;
  base::SystemRandom random_;
  net::WorkerPool workers_;
  base::IdGenerator ids_;
  std::unique_ptr<Engine> engine_;  // the loop's thread's
  std::thread thread_;
};

}  // namespace slipway::durable::testing
