// Runs that wait for others, over the real mailbox and store: what execution_test.cpp shows of the decisions, here with
// a run that leaves memory, a process that dies, and journals that are read back.

#include <gtest/gtest.h>

#include "durable/context.h"
#include "durable/engine.h"
#include "durable/journal.h"
#include "durable/testing/simulated_world.h"

namespace slipway::durable {
namespace {

using json::Value;
using testing::SimulatedWorld;
using namespace std::chrono_literals;
using Flow = durable::Run<Value>;  // a test has a Run of its own

class EngineWaitsTest : public ::testing::Test {
 protected:
  using Body = std::function<Flow(Context&, const Value&)>;

  void boot() {
    engine_.reset();
    process_.reset();
    process_ = world_.boot();
    engine_ = std::make_unique<Engine>(*process_, *process_, *process_, *process_, world_.random(), ids_,
                                       EngineOptions{.cancel_grace = 1s,
                                                     .evict_after = 1min,
                                                     .wake_ahead = 30s,
                                                     .lease = {.name = "test", .sole = true, .beat_every = 20s}});
    for (const auto& [type, body] : bodies_) engine_->add({.type = type, .body = body});
    engine_->join([](std::exception_ptr failure) { EXPECT_FALSE(failure); });
    play([&] { return engine_->has_joined(); });
  }

  RunId start(const std::string& type, Value input = nullptr) {
    if (!engine_) boot();
    auto record = engine_->make_record({.type = type, .owner_id = "usr_1", .input = std::move(input)});
    world_.disk().write([&](store::Transaction& tx) { journal::insert_run(tx, record); });
    engine_->launch(record);
    return record.id;
  }

  void play(const std::function<bool()>& stop) {
    while (!stop()) ASSERT_TRUE(world_.step(*process_));
  }
  RunState finish(const RunId& run) {
    play([&] { return state(run).is_final(); });
    return state(run);
  }

  RunState state(const RunId& run) {
    RunState state;
    world_.disk().read([&](store::Transaction& tx) { state = fold_all(journal::events(tx, run)); });
    return state;
  }
  std::int64_t count(const std::string& sql) {
    std::int64_t found = 0;
    world_.disk().read([&](store::Transaction& tx) { found = tx.query(sql).front().integer(0); });
    return found;
  }
  void signal(const RunId& run, const std::string& name, Value payload, const std::string& key = "") {
    engine_->signal(run, {.name = name, .key = key, .payload = std::move(payload)},
                    [](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  }

  SimulatedWorld world_{7};
  base::IdGenerator ids_{world_, world_.random()};
  std::map<std::string, Body> bodies_;
  std::unique_ptr<SimulatedWorld::Process> process_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineWaitsTest, ARunThatWaitsForASignalLeavesMemoryAndTheSignalBringsItBack) {
  bodies_["t"] = [](Context& run, const Value&) -> Flow { co_return Value(co_await run.signal<std::string>("word")); };
  const auto run = start("t");
  play([&] { return engine_->statistics().live == 0; });
  EXPECT_EQ(count("SELECT COUNT(*) FROM runs WHERE replica_id IS NULL AND wake_at IS NOT NULL"), 1);
  signal(run, "word", "hello", "key-1");
  EXPECT_EQ(finish(run).output, Value("hello"));
  EXPECT_EQ(count("SELECT COUNT(*) FROM run_inputs"), 0);
}

TEST_F(EngineWaitsTest, ASignalThatWasAcknowledgedSurvivesACrashThatComesAtOnce) {
  bodies_["t"] = [](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 10min);
    co_return Value(co_await run.signal<std::string>("word"));
  };
  const auto run = start("t");
  play([&] { return engine_->statistics().live == 0; });
  bool acknowledged = false;
  engine_->signal(run, {.name = "word", .payload = "hello"}, [&](std::exception_ptr failure) {
    EXPECT_FALSE(failure);
    acknowledged = true;
  });
  play([&] { return acknowledged; });
  boot();
  EXPECT_EQ(finish(run).output, Value("hello"));
}

TEST_F(EngineWaitsTest, AParentAndItsSleepingChildLeaveMemoryAndTheChildsEndBringsTheParentBack) {
  bodies_["child"] = [](Context& run, const Value& input) -> Flow {
    co_await run.sleep("first", 24h);
    co_return Value(input.as_int64() + 1);
  };
  bodies_["t"] = [](Context& run, const Value&) -> Flow {
    co_return co_await run.child<std::int64_t>("child", "child", 41);
  };
  const auto run = start("t");
  play([&] { return !state(run).steps.empty() && engine_->statistics().live == 0; });
  boot();
  EXPECT_EQ(finish(run).output, Value(42));
  EXPECT_EQ(count("SELECT COUNT(*) FROM runs WHERE parent_id = '" + run.str() + "' AND owner_id = 'usr_1'"), 1);
}

TEST_F(EngineWaitsTest, ItemsOfAFanOutAreUnderWayTogether) {
  std::size_t most = 0;
  bodies_["t"] = [&](Context& run, const Value&) -> Flow {
    const auto all =
        co_await run.for_each("item", std::vector<std::int64_t>(30, 1), wide(10), Retry{}, [&](std::int64_t i) {
          most = std::max(most, engine_->statistics().attempts_under_way);
          return i;
        });
    co_return std::int64_t(all.size());
  };
  EXPECT_EQ(finish(start("t")).output, Value(30));
  EXPECT_EQ(most, 10u);
}

TEST_F(EngineWaitsTest, RecoveryReadsAJournalOnlyFromWhereItBeganAgain) {
  bodies_["t"] = [](Context& run, const Value& round) -> Flow {
    co_await run.step("first", [] {});
    if (round.as_int64() < 3) co_return co_await run.continue_as_new<Value>(round.as_int64() + 1);
    co_await run.sleep("second", 24h);
    co_return round;
  };
  const auto run = start("t", 1);
  play([&] { return engine_->statistics().live == 0; });
  // Nobody could read these any more.
  world_.disk().write([&](store::Transaction& tx) {
    tx.execute(
        "UPDATE run_events SET type = 'of_the_past' WHERE run_id = $1 AND seq < (SELECT MAX(seq) FROM run_events "
        "WHERE type = 'run_continued')",
        {run.str()});
  });
  boot();
  play([&] { return count("SELECT COUNT(*) FROM runs WHERE status = 'completed'") == 1; });
}

}  // namespace
}  // namespace slipway::durable
