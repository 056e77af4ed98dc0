#pragma once
// Starts the runs of schedules when their times come: every replica may, and each time is started once.
//
// Who starts a run changes the schedule and inserts the run in one transaction, which is refused if another has changed
// the schedule since (schedule_store.h: update). After the commit the run is the engine's: a crash between the two
// loses nothing. Nothing rests on a timer that could be lost: every look reads the store for what is due, one comes
// every few seconds whatever happens, and a sweep proves that each schedule which is neither paused nor over has a next
// time, and the right one. What it has to repair is counted.
//
// For the event loop's thread. Destroy it there, before the engine's store, clock and loop; the engine may outlive it.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/executor.h"
#include "durable/engine.h"
#include "durable/schedule.h"
#include "store/store.h"

namespace slipway::durable {

struct SchedulerOptions {
  Duration look_every{5'000};  // at the latest: for what other replicas changed and clocks that jumped
  Duration sweep_every{300'000};
  Duration error_pause{60'000};  // until a schedule that cannot come is tried again
  // How long a time is left to replicas that know its workflow, while this one does not: code is replaced one by one.
  Duration unknown_patience{60'000};
};

class Scheduler {
 public:
  Scheduler(store::Database& database, base::EventLoop& loop, const base::Clock& clock, base::IdGenerator& ids,
            Engine& engine, SchedulerOptions options = {});
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // ---- before start()

  // A schedule that the program brings along: made at start, or changed if its definition is another one by now. A
  // pause survives. Its name has a dot in it, which names that people give cannot have; its runs belong to nobody.
  void declare(ScheduleDefinition definition);
  bool is_declared(const std::string& name) const;
  // Told of what a person should know: an error of a schedule, something missed or repaired.
  enum class TroubleKind { error, missed, repaired, store };
  BOOST_DESCRIBE_NESTED_ENUM(TroubleKind, error, missed, repaired, store)
  using Trouble = std::function<void(TroubleKind, const std::string& schedule, const std::string& what)>;
  void on_trouble(Trouble trouble) { trouble_ = std::move(trouble); }

  void start();
  void stop();  // starts nothing more
  // Looks now: a schedule was made or changed here. Who has a clock that is never set calls it now and then, too: the
  // loop's timers follow one that may be set back.
  void look();

  // A run of this schedule, to be inserted by the caller; not yet that it belongs to an outcome.
  RunRecord make_run(const Schedule& schedule);

  struct Statistics {
    std::uint64_t started = 0, skipped = 0, missed = 0, buffered = 0, repaired = 0, errors = 0;
    std::uint64_t late = 0;  // due for more than a minute, at the last look
  };
  Statistics statistics() const { return counted_; }

 private:
  struct Attempt;

  void declare_all();
  void read_due(std::optional<Schedule> after);
  void on_due(const std::vector<Schedule>& due);
  void take(const Schedule& schedule);
  void submit(std::shared_ptr<Attempt> attempt);
  void on_taken(const std::shared_ptr<Attempt>& attempt, std::exception_ptr failure);
  void cancel_running(const Schedule& schedule);
  void say_error(const Schedule& schedule, const std::string& message);
  void count(const Schedule& schedule, const std::vector<ScheduleOutcome>& outcomes);
  bool is_sweep_due() const;
  void sweep(std::string after);
  void repair(const Schedule& schedule, const Cron& calendar);
  void want_look(Instant at);
  void tell(TroubleKind kind, const Schedule& schedule, const std::string& what) const;
  // Wraps a callback so that it runs on the loop, and only while this lives and was not stopped.
  template <class F>
  auto on_loop(F function);

  store::Database& database_;
  base::EventLoop& loop_;
  const base::Clock& clock_;
  base::IdGenerator& ids_;
  Engine& engine_;
  const SchedulerOptions options_;

  std::vector<ScheduleDefinition> declared_;
  Trouble trouble_;
  bool stopped_ = true;
  bool looking_ = false, look_again_ = false;
  std::size_t under_way_ = 0;  // attempts of this look
  Instant next_look_ = Instant::max();
  base::EventLoop::TimerId timer_ = 0;
  bool sweeping_ = false;
  std::optional<Instant> swept_at_;
  std::uint64_t late_ = 0;  // found by the look under way
  Statistics counted_;
  std::shared_ptr<Scheduler*> self_;  // callbacks hold it weakly
};

}  // namespace slipway::durable
