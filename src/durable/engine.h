#pragma once
// The durable-execution engine: keeps runs alive, commits what they decide, and only then does what they wish.
//
// Promises: a run whose `start` was acknowledged is never lost; a step whose completion was committed never runs again;
// an interrupted one runs again under the same idempotency key; a transaction step's SQL and its completion commit
// together. Nothing leaves before the commit that it speaks of: attempts start, and callbacks and observers are called,
// only after it.
//
// Everything here is for the event loop's thread; only functions of steps run on workers, and those of transactions on
// the store's thread. The engine must be destroyed on the loop's thread; attempts under way then keep what they use.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/executor.h"
#include "base/id.h"
#include "base/random.h"
#include "durable/execution.h"
#include "store/store.h"

namespace slipway::durable {

struct EngineOptions {
  Duration cancel_grace{30'000};    // how long a cancelled run's step may take to give up, before it is left behind
  Duration evict_after{30'000};     // a run that waits longer than this leaves memory until its time
  Duration announce_after{20};      // a step that takes longer than this is shown as running by an event of its own
  Duration store_retry_max{2'000};  // between attempts to write while the store is gone
};

struct StartRequest {
  std::string type;
  std::string resource_type;
  std::string resource_id;
  std::string triggered_by;
  std::string owner_id;
  json::Value input;
};

class Engine {
 public:
  Engine(store::Database& database, base::EventLoop& loop, base::Workers& workers, const base::Clock& clock,
         base::Random& random, base::IdGenerator& ids, EngineOptions options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // ---- before recover()
  void add(Workflow workflow);
  const Workflow* find_workflow(const std::string& type) const;
  // Told of events after their commit, in each run's order. For live streams and metrics; must not throw.
  using Observer = std::function<void(const RunRecord&, const RunState&, const std::vector<Event>&)>;
  void observe(Observer observer);

  // Takes up every run that has not ended; `done` gets null, or the error that kept the store from being read.
  // Runs may be started before it is through.
  void recover(std::function<void(std::exception_ptr)> done);

  // ---- starting
  // In three parts, so that a caller can put the run and its own records into one transaction: make the record, insert
  // it there (journal::insert_run), and launch it once that is durable.
  RunRecord make_record(StartRequest request);
  void launch(RunRecord record);

  // ---- steering
  // `done`: null once the wish to cancel is durable. NOT_FOUND, or INVALID_STATE_TRANSITION when the run has ended. A
  // parked run, which cannot go on, ends as cancelled at once; what it did is not undone, and that is marked.
  void cancel(const RunId& run, const std::string& by, std::function<void(std::exception_ptr)> done);
  // A poll of this run looks again now. Harmless when there is none.
  void poke(const RunId& run);

  // Gives no more attempts out and tells those under way to stop; what they still return is dropped. The runs go on
  // when the next engine recovers them. Who waits for a cancel to be durable is told SHUTTING_DOWN.
  void shut_down();

  struct Statistics {
    std::size_t live = 0;      // in memory
    std::size_t sleeping = 0;  // waiting outside of memory
    std::size_t parked = 0;
    std::size_t attempts_under_way = 0;
    std::uint64_t started = 0, completed = 0, failed = 0, cancelled = 0;
    std::uint64_t steps = 0, failed_attempts = 0, failed_writes = 0, compensations_failed = 0;
  };
  Statistics statistics() const;

 private:
  struct Live;
  using LivePtr = std::shared_ptr<Live>;
  struct Sleeper {
    base::EventLoop::TimerId timer = 0;
  };
  struct Batch;

  void take_up(RunRecord record, RunState state);
  void recover_page(std::string after, std::function<void(std::exception_ptr)> done);
  void put_to_sleep(const RunId& run, Instant until);
  void wake_up(const RunId& run, std::function<void(const LivePtr&)> then);
  void advance(const LivePtr& live);
  void flush();
  void submit(std::vector<LivePtr> group);
  void on_written(std::vector<std::shared_ptr<Batch>> batches, std::exception_ptr failure);
  void on_batch_durable(const std::shared_ptr<Batch>& batch);
  void fulfil(const LivePtr& live);
  void start_attempt(const LivePtr& live);
  void start_transaction(const LivePtr& live);
  void arm(const LivePtr& live, Instant at);
  void disarm(const LivePtr& live);
  void give_input(const LivePtr& live, std::move_only_function<void(Execution&)> input);
  void drop(const LivePtr& live);
  void remember_left(const RunId& run);
  void park_unread(const RunId& run, const std::string& reason);
  void end_parked(const RunId& run, const std::string& by, std::function<void(std::exception_ptr)> done);
  void refuse_waiting(const LivePtr& live);
  // Whether this engine had the run in hand already: what was read of it before is stale.
  bool is_known(const RunId& run) const;
  void park(const LivePtr& live, const std::string& reason);
  void count(const std::vector<Event>& events);
  // Wraps a callback so that it runs on the loop, and only while this engine lives.
  template <class F>
  auto on_loop(F function);

  store::Database& database_;
  base::EventLoop& loop_;
  base::Workers& workers_;
  const base::Clock& clock_;
  base::Random& random_;
  base::IdGenerator& ids_;
  const EngineOptions options_;

  std::map<std::string, Workflow> workflows_;
  std::vector<Observer> observers_;
  std::unordered_map<RunId, LivePtr> live_;
  std::unordered_map<RunId, Sleeper> sleeping_;
  std::unordered_map<RunId, std::vector<std::function<void(const LivePtr&)>>> waking_;
  // Runs that ended or were parked a moment ago: what a read or a caller still says of them is stale.
  std::unordered_set<RunId> left_;
  std::deque<RunId> left_order_;
  std::vector<LivePtr> dirty_;
  bool flush_posted_ = false;
  bool shut_down_ = false;
  Duration store_backoff_{0};
  Statistics counted_;
  std::shared_ptr<Engine*> self_;  // callbacks hold it weakly
};

}  // namespace slipway::durable
