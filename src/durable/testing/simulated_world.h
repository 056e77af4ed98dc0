#pragma once
// A single-threaded world in which a seed decides every order, delay, fault, pause and crash of several processes on
// one database: event loop, workers, clock and store for the engines under test. The same seed replays exactly.

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/time.h"
#include "store/store.h"
#include "store/testing/memory_database.h"

namespace slipway::durable::testing {

// Thrown through everything when the simulated process dies.
struct Crash {};

struct Faults {
  double crash_before_commit = 0;  // per group: its writes never happened
  double crash_after_commit = 0;   // per group: they did, and nobody was told
  double write_fails = 0;          // per group: refused with STORE_UNAVAILABLE, known not to be stored
  double read_fails = 0;
  double crash_anywhere = 0;  // per task of a process
  double pause = 0;           // per task: the process stands still for some seconds, and knows nothing of it
  double bell_lost = 0;       // per bell and listener; others come late, and now and then twice
  double clock_jump = 0;      // per task: its wall clock is set forward or back by up to a minute
  base::Duration delay_max{20};
};

// Outlives crashes: the disk and the true time.
class SimulatedWorld final : public base::Clock {
 public:
  explicit SimulatedWorld(std::uint64_t seed);
  ~SimulatedWorld() override;

  base::Instant now() const override { return now_; }
  base::Random& random() { return random_; }
  store::testing::MemoryDatabase& disk() { return disk_; }
  Faults& faults() { return faults_; }
  bool chance(double probability) { return probability > 0 && random_.fraction() < probability; }
  base::Duration delay();

  // One life of a simulated process: what an engine is given. Destroying it destroys all that is queued in it.
  class Process;
  std::unique_ptr<Process> boot();
  // Something that happens to the world itself, whatever becomes of its processes.
  void at(base::Instant when, base::Task task);
  // Told after every commit, with who made it.
  void on_commit(std::function<void(Process&)> watcher) { watcher_ = std::move(watcher); }

  // Runs the earliest task of all; false when there is none. A Crash leaves through it, and current() is who died.
  bool step();
  bool step(Process&) { return step(); }
  Process* current() const { return current_; }

 private:
  base::SeededRandom random_;
  base::Instant now_;
  store::testing::MemoryDatabase disk_;
  Faults faults_;
  std::vector<Process*> processes_;
  std::multimap<base::Instant, base::Task> events_;
  std::function<void(Process&)> watcher_;
  Process* current_ = nullptr;
};

class SimulatedWorld::Process final : public base::EventLoop,
                                      public base::Workers,
                                      public store::Database,
                                      public base::Clock {
 public:
  explicit Process(SimulatedWorld& world);
  ~Process() override;

  base::Instant now() const override { return world_.now_ + skew_; }
  base::Instant monotonic() const override { return world_.now_; }
  void post(base::Task task) override;
  TimerId post_at(base::Instant at, base::Task task) override;  // by this process' own wall clock
  void cancel(TimerId timer) override;
  void run(base::Task task) override;
  // The processes share the disk, so whoever adds one adds it for all.
  void add_ending(std::string name, store::Ending ending) override {
    world_.disk_.add_ending(std::move(name), std::move(ending));
  }
  void write(store::Work work, store::Done done) override;
  void read(store::Work work, store::Done done) override;
  std::unique_ptr<store::Listening> listen(std::string channel, store::Bell bell) override;
  void ring(std::string_view channel, std::string_view word) override;
  store::Dialect dialect() const override { return store::Dialect::sqlite; }
  Statistics statistics() const override { return {}; }

  void pause_until(base::Instant when) { paused_until_ = when; }
  void set_skew(base::Duration skew) { skew_ = skew; }

 private:
  friend class SimulatedWorld;
  struct Write {
    store::Work work;
    store::Done done;
  };
  using When = std::pair<base::Instant, TimerId>;
  TimerId schedule(base::Instant at, base::Task task);
  void commit_group();
  void run_first();
  // When it could next do something; the far future when never.
  base::Instant next() const;

  SimulatedWorld& world_;
  std::map<When, base::Task> queue_;
  std::map<TimerId, base::Instant> timers_;
  TimerId last_timer_ = 0;
  std::vector<Write> waiting_writes_;
  std::vector<std::shared_ptr<store::Bell>> bells_;
  bool group_planned_ = false;
  base::Instant paused_until_;
  base::Duration skew_{0};
};

}  // namespace slipway::durable::testing
