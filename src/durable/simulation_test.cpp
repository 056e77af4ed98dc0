// The engine under the simulated world: every seed is another order of events, other faults, other crashes.

#include <gtest/gtest.h>

#include <cstdlib>

#include "durable/engine.h"
#include "durable/journal.h"
#include "durable/testing/random_program.h"

namespace slipway::durable {
namespace {

using testing::Crash;
using testing::Effects;
using testing::ProgramInput;
using testing::ProgramOutput;
using testing::RandomProgram;
using testing::SimulatedWorld;

constexpr int kRuns = 6;
constexpr int kCrashesMax = 25;       // then the faults stop, and everything must come to its end
constexpr int kStepsMax = 2'000'000;  // more is a livelock

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : world_(seed) {
    world_.disk().write([](store::Transaction& tx) {
      tx.execute("CREATE TABLE test_counts (run_id TEXT, i BIGINT)");
      tx.execute("CREATE TABLE test_bad_ends (run_id TEXT, status TEXT)");
    });
    auto& faults = world_.faults();
    faults = {.crash_before_commit = 0.04 * world_.random().fraction(),
              .crash_after_commit = 0.04 * world_.random().fraction(),
              .write_fails = 0.1 * world_.random().fraction(),
              .read_fails = 0.1 * world_.random().fraction(),
              .crash_anywhere = 0.01 * world_.random().fraction()};
  }

  std::string run() {
    for (int life = 0;; ++life) {
      if (life == kCrashesMax) world_.faults() = {};
      try {
        live_one_life();
        break;
      } catch (const Crash&) {
        engine_.reset();
        process_.reset();
      }
    }
    engine_.reset();
    process_.reset();
    check();
    std::string all;
    for (const auto& violation : effects_.violations) all += violation + "\n";
    return all;
  }

 private:
  void live_one_life() {
    process_ = world_.boot();
    engine_ = std::make_unique<Engine>(*process_, *process_, *process_, world_, world_.random(), ids_,
                                       EngineOptions{.cancel_grace = Duration(500), .evict_after = Duration(1'000)});
    engine_->add(make_workflow<ProgramInput, ProgramOutput>(std::make_shared<const RandomProgram>(world_, effects_)));
    recover();
    while (asked_ < kRuns) ask();
    plan_cancel();
    for (int steps = 0; world_.step(*process_); ++steps)
      if (steps > kStepsMax) {
        effects_.violations.push_back("it never ends");
        return;
      }
  }

  void recover() {
    engine_->recover([this](std::exception_ptr failure) {
      if (failure) process_->post_at(world_.now() + Duration(100), [this] { recover(); });
    });
  }

  // As a caller does: run and record in one transaction, launch after it. A request that a crash swallowed is lost
  // without harm, as nobody was told of it.
  void ask() {
    ++asked_;
    ProgramInput input{std::int64_t(world_.random().below(1'000'000)), std::int64_t(world_.random().below(12))};
    auto record = engine_->make_record({.type = std::string(RandomProgram::kType),
                                        .resource_type = "test",
                                        .resource_id = "r" + std::to_string(asked_),
                                        .triggered_by = "usr_test",
                                        .input = json::to_value(input)});
    auto* engine = engine_.get();
    process_->write([record](store::Transaction& tx) { journal::insert_run(tx, record); },
                    [this, engine, record](std::exception_ptr failure) {
                      if (failure) return;
                      acknowledged_.insert(record.id.str());
                      engine->launch(record);
                    });
  }

  void plan_cancel() {
    if (acknowledged_.empty() || !world_.chance(0.3)) return;
    auto chosen = acknowledged_.begin();
    std::advance(chosen, std::ptrdiff_t(world_.random().below(acknowledged_.size())));
    process_->post_at(world_.now() + world_.delay(),
                      [this, run = RunId(*chosen)] { engine_->cancel(run, "usr_test", [](std::exception_ptr) {}); });
  }

  void fail(std::string violation) { effects_.violations.push_back(std::move(violation)); }

  void check() {
    world_.disk().read([&](store::Transaction& tx) {
      for (const auto& run : acknowledged_) {
        const auto row = journal::find(tx, RunId(run));
        if (!row) {
          fail("an acknowledged run is lost: " + run);
          continue;
        }
        check_run(tx, *row);
      }
      for (const auto& row : tx.query("SELECT run_id, i FROM test_counts GROUP BY run_id, i HAVING COUNT(*) > 1"))
        fail("a transaction was committed twice in " + row.text(0));
    });
  }

  void check_run(store::Transaction& tx, const journal::Row& row) {
    const std::string& id = row.record.id.str();
    const auto events = journal::events(tx, row.record.id);
    const RunState state = fold_all(events);
    if (!state.is_final()) fail("a run never ended: " + id + " " + row.parked_reason.value_or(""));
    if (state.status != row.status) fail("the row disagrees with the journal: " + id);
    std::set<std::string> completed;
    std::int64_t counts = 0;
    for (const auto& event : events) {
      if (event.type != EventType::step_completed) continue;
      if (!completed.insert(event.step).second) fail("a step completed twice: " + id + "/" + event.step);
      counts += event.step.starts_with("count") ? 1 : 0;
    }
    const auto rows = tx.query("SELECT COUNT(*) FROM test_counts WHERE run_id = $1", {id}).front().integer(0);
    if (rows != counts) fail("transactions and their records differ: " + id);
    const auto ends = tx.query("SELECT COUNT(*) FROM test_bad_ends WHERE run_id = $1", {id}).front().integer(0);
    if (ends != (state.status == RunStatus::completed ? 0 : 1))
      fail("the failure hook ran " + std::to_string(ends) + " times: " + id);
    check_things(id, state);
  }

  void check_things(const std::string& id, const RunState& state) {
    std::size_t things = 0;
    for (const auto& thing : effects_.things) things += thing.starts_with(id + "/") ? 1 : 0;
    std::size_t made = 0;
    for (const auto& step : state.steps)
      made += step.key.starts_with("make") && step.ended_as == StepStatus::completed ? 1 : 0;
    if (state.status == RunStatus::completed && things != made) fail("things differ from what was recorded: " + id);
    if (state.status != RunStatus::completed && !state.needs_attention && things != 0)
      fail("something was left behind by " + id);
  }

  SimulatedWorld world_;
  Effects effects_;
  base::IdGenerator ids_{world_, world_.random()};
  std::unique_ptr<SimulatedWorld::Process> process_;
  std::unique_ptr<Engine> engine_;
  int asked_ = 0;
  std::set<std::string> acknowledged_;
};

// WF-15, WF-13. SLIPWAY_SEED replays one; SLIPWAY_SEEDS sets how many.
TEST(Simulation, NothingIsLostOrDoneTwiceWhateverCrashes) {
  const char* one = std::getenv("SLIPWAY_SEED");
  const char* many = std::getenv("SLIPWAY_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count = one != nullptr ? 1 : many != nullptr ? std::strtoull(many, nullptr, 10) : 3'000;
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < 5; ++seed) {
    const std::string violations = Simulation(seed).run();
    if (violations.empty()) continue;
    ++failed;
    ADD_FAILURE() << "seed " << seed << ":\n" << violations;
  }
}

}  // namespace
}  // namespace slipway::durable
