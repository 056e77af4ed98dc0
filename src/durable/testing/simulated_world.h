#pragma once
// A single-threaded world in which a seed decides every order, delay, fault and crash: event loop, workers, clock and
// database for an engine under test. The same seed replays exactly.

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
  double crash_anywhere = 0;  // per task of the loop
  base::Duration delay_max{20};
};

// Outlives crashes: the disk and the clock.
class SimulatedWorld final : public base::Clock {
 public:
  explicit SimulatedWorld(std::uint64_t seed);

  base::Instant now() const override { return now_; }
  base::Random& random() { return random_; }
  store::testing::MemoryDatabase& disk() { return disk_; }
  Faults& faults() { return faults_; }
  bool chance(double probability) { return probability > 0 && random_.fraction() < probability; }
  base::Duration delay();

  // One life of the simulated process: what the engine is given. A crash destroys it with all that is queued in it.
  class Process;
  std::unique_ptr<Process> boot();

  // Runs the earliest task; false when there is none. May throw Crash.
  bool step(Process& process);

 private:
  base::SeededRandom random_;
  base::Instant now_;
  store::testing::MemoryDatabase disk_;
  Faults faults_;
};

class SimulatedWorld::Process final : public base::EventLoop, public base::Workers, public store::Database {
 public:
  explicit Process(SimulatedWorld& world) : world_(world) {}

  void post(base::Task task) override;
  TimerId post_at(base::Instant at, base::Task task) override;
  void cancel(TimerId timer) override;
  void run(base::Task task) override;
  void write(store::Work work, store::Done done) override;
  void read(store::Work work, store::Done done) override;
  store::Dialect dialect() const override { return store::Dialect::sqlite; }
  Statistics statistics() const override { return {}; }

 private:
  friend class SimulatedWorld;
  struct Write {
    store::Work work;
    store::Done done;
  };
  using When = std::pair<base::Instant, TimerId>;
  TimerId schedule(base::Instant at, base::Task task);
  void commit_group();

  SimulatedWorld& world_;
  std::map<When, base::Task> queue_;
  std::map<TimerId, base::Instant> timers_;
  TimerId last_timer_ = 0;
  std::vector<Write> waiting_writes_;
  bool group_planned_ = false;
};

}  // namespace slipway::durable::testing
