// What a workflow's author and a hub's operator rely on, one behaviour each, in the simulated world without faults.

#include "durable/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/context.h"
#include "durable/journal.h"
#include "durable/testing/simulated_world.h"

namespace slipway::durable {
namespace {

using base::ErrorClass;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SimulatedWorld;
using namespace std::chrono_literals;

struct Greeting {
  std::string text;
};
SLIPWAY_JSON_SNAKE(Greeting, text)

base::Error passing_error() { return base::Error(ErrorClass::transient, "PASSING", "it will pass"); }
base::Error lasting_error() { return base::Error(ErrorClass::user, "LASTING", "it will not pass"); }

constexpr const char* kTrace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 vendor=1";

// A hub's worth of engine around workflow bodies given as functions.
class EngineTest : public ::testing::Test {
 protected:
  using Body = std::function<durable::Run<>(Context&, Greeting)>;

  void boot() {
    engine_.reset();
    process_.reset();
    process_ = world_.boot();
    engine_ = std::make_unique<Engine>(*process_, *process_, *process_, *process_, world_.random(), ids_,
                                       EngineOptions{.cancel_grace = 1s,
                                                     .evict_after = 1min,
                                                     .wake_ahead = 30s,
                                                     .lease = {.name = "test", .sole = true, .beat_every = 20s}});
    for (const auto& [type, body] : bodies_) {
      Workflow workflow{.type = type, .outline = {"first", "second"}};
      workflow.body = [body = body](Context& run, const json::Value& input) -> durable::Run<json::Value> {
        struct Call {
          static durable::Run<json::Value> invoke(Body body, Context& run, Greeting input) {
            co_await body(run, std::move(input));
            co_return json::Value("done");
          }
        };
        return Call::invoke(body, run, json::from_value<Greeting>(input));
      };
      workflow.on_failure = [this](store::Transaction&, const json::Value&, const BadEnd& end) {
        bad_ends_.push_back(end);
      };
      engine_->add(std::move(workflow));
    }
    engine_->observe([this](const RunRecord&, const RunState&, const std::vector<Event>& events) {
      for (const auto& event : events) told_.push_back(event);
    });
    engine_->join([](std::exception_ptr failure) { EXPECT_FALSE(failure); });
  }

  void add(const std::string& type, Body body) { bodies_[type] = std::move(body); }

  RunId start(const std::string& type) {
    if (!engine_) boot();
    play([&] { return engine_->has_joined(); });
    auto record = engine_->make_record({.type = type,
                                        .resource_type = "test",
                                        .resource_id = "r1",
                                        .triggered_by = "usr_1",
                                        .owner_id = "usr_1",
                                        .input = json::Object{{"text", "hello"}},
                                        .trace = kTrace});
    world_.disk().write([&](store::Transaction& tx) { journal::insert_run(tx, record); });
    engine_->launch(record);
    return record.id;
  }

  void play(const std::function<bool()>& stop) {
    while (!stop()) ASSERT_TRUE(world_.step(*process_));
  }

  // Until no run has anything left to do, and for a minute after.
  void play() {
    auto settled_at = world_.now();
    auto next_look = world_.now();
    play([&] {
      if (world_.now() < next_look) return false;
      next_look = world_.now() + 10s;
      if (count("completed_at IS NULL AND parked_reason IS NULL") > 0) settled_at = world_.now();
      return world_.now() - settled_at > 1min;
    });
  }

  std::int64_t count(const std::string& condition) {
    std::int64_t found = 0;
    world_.disk().read([&](store::Transaction& tx) {
      found = tx.query("SELECT COUNT(*) FROM runs WHERE " + condition).front().integer(0);
    });
    return found;
  }
  std::int64_t sleeping() { return count("replica_id IS NULL AND wake_at IS NOT NULL AND completed_at IS NULL"); }

  RunState state(const RunId& run) {
    RunState state;
    world_.disk().read([&](store::Transaction& tx) { state = fold_all(journal::events(tx, run)); });
    return state;
  }

  RunState finish(const std::string& type) {
    const auto run = start(type);
    play();
    return state(run);
  }

  SimulatedWorld world_{7};
  base::IdGenerator ids_{world_, world_.random()};
  std::map<std::string, Body> bodies_;
  std::unique_ptr<SimulatedWorld::Process> process_;
  std::unique_ptr<Engine> engine_;
  std::vector<BadEnd> bad_ends_;
  std::vector<Event> told_;
};

TEST_F(EngineTest, StepsRunInOrderAndTheirResultsAreRecorded) {
  std::vector<std::string> ran;
  add("t", [&](Context& run, Greeting input) -> durable::Run<> {
    const auto one = co_await run.step("first", [&] {
      ran.push_back("first " + input.text);
      return std::string("one");
    });
    co_await run.step("second", [&, one] { ran.push_back("second " + one); });
  });
  const auto ended = finish("t");
  EXPECT_THAT(ran, ElementsAre("first hello", "second one"));
  EXPECT_EQ(ended.status, RunStatus::completed);
  ASSERT_EQ(ended.steps.size(), 2u);
  EXPECT_EQ(ended.steps[0].result, json::Value("one"));
  EXPECT_EQ(ended.output, json::Value("done"));
}

// WF-8
TEST_F(EngineTest, StepsOfTheOutlineThatHaveNotRunAreListedAsPending) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> { co_await run.sleep("first", 10min); });
  const auto run = start("t");
  play([&] { return !state(run).steps.empty(); });
  const auto steps = with_outline(state(run), engine_->find_workflow("t")->outline);
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].status, StepStatus::waiting);
  EXPECT_EQ(steps[1].key, "second");
  EXPECT_EQ(steps[1].status, StepStatus::pending);
}

TEST_F(EngineTest, APassingErrorIsTriedAgainUnderTheSameKeyAndALastingOneIsNot) {
  std::vector<std::string> keys;
  add("passing", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&](Attempt& attempt) {
      keys.push_back(attempt.idempotency_key());
      if (attempt.number() < 3) throw passing_error();
    });
  });
  int calls = 0;
  add("lasting", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&] {
      ++calls;
      throw lasting_error();
    });
  });
  const auto passed = finish("passing");
  EXPECT_EQ(passed.status, RunStatus::completed);
  EXPECT_EQ(passed.steps[0].attempts, 3);
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0], keys[2]);

  const auto failed = finish("lasting");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(failed.status, RunStatus::failed);
  EXPECT_EQ(failed.failure->code, "LASTING");
  EXPECT_EQ(failed.failed_step, "first");
}

TEST_F(EngineTest, RetryAfterIsTheLeastDelay) {
  base::Instant first, second;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&](Attempt& attempt) {
      (attempt.number() == 1 ? first : second) = world_.now();
      if (attempt.number() == 1)
        throw base::Error(ErrorClass::throttled, "SLOW_DOWN", "slow down").with_retry_after(20s);
    });
  });
  finish("t");
  EXPECT_GE(second - first, 20s);
}

// WF-13
TEST_F(EngineTest, WhatWasDoneIsUndoneNewestFirst) {
  std::vector<std::string> undone;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step(
        "first", Retry{}, [] { return std::string("a"); },
        undo("undo-first", [&undone](const std::string& result) { undone.push_back("first " + result); }));
    co_await run.step("second", Retry{}, [] {}, undo("undo-second", [&undone] { undone.push_back("second"); }));
    co_await run.step("third", [] { throw lasting_error(); });
  });
  const auto ended = finish("t");
  EXPECT_THAT(undone, ElementsAre("second", "first a"));
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_EQ(ended.failed_step, "third");
  EXPECT_EQ(ended.find("first")->status, StepStatus::compensated);
  EXPECT_EQ(ended.find("third")->status, StepStatus::failed);
  ASSERT_EQ(bad_ends_.size(), 1u);
  EXPECT_EQ(bad_ends_[0].failure.code, "LASTING");
}

TEST_F(EngineTest, ACompensationThatKeepsFailingIsShownAndTheOthersStillRun) {
  bool first_undone = false;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", Retry{}, [] {}, undo("undo-first", [&first_undone] { first_undone = true; }));
    co_await run.step("second", Retry{}, [] {}, undo("undo-second", [] { throw lasting_error(); }));
    co_await run.step("third", [] { throw lasting_error(); });
  });
  const auto ended = finish("t");
  EXPECT_TRUE(first_undone);
  EXPECT_TRUE(ended.needs_attention);
  EXPECT_EQ(ended.find("second")->status, StepStatus::compensation_failed);
  EXPECT_TRUE(bad_ends_.at(0).needs_attention);
  EXPECT_EQ(engine_->statistics().compensations_failed, 1u);
}

// WF-3
TEST_F(EngineTest, CancelInterruptsAWaitAndUndoes) {
  bool undone = false;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", Retry{}, [] {}, undo("undo-first", [&undone] { undone = true; }));
    co_await run.sleep("second", 24h);
  });
  const auto run = start("t");
  play([&] { return sleeping() == 1 && engine_->statistics().live == 0; });
  std::exception_ptr failure = std::make_exception_ptr(0);
  engine_->cancel(run, "usr_2", [&](std::exception_ptr outcome) { failure = outcome; });
  play();
  EXPECT_FALSE(failure);
  EXPECT_TRUE(undone);
  EXPECT_EQ(state(run).status, RunStatus::cancelled);
}

TEST_F(EngineTest, ARunThatHasEndedCannotBeCancelled) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> { co_await run.step("first", [] {}); });
  const auto run = start("t");
  play();
  std::exception_ptr failure;
  engine_->cancel(run, "usr_2", [&](std::exception_ptr outcome) { failure = outcome; });
  play();
  ASSERT_TRUE(failure);
  EXPECT_EQ(base::as_error(failure).code(), "INVALID_STATE_TRANSITION");
}

TEST_F(EngineTest, AStepThatHearsTheStopIsCancelledAndOneThatFinishesKeepsItsResult) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&](Attempt& attempt) {
      engine_->cancel(run.id(), "usr_2", [](std::exception_ptr) {});
      (void)attempt;
      return std::string("kept");
    });
    co_await run.step("second", [] { FAIL() << "a step began after the cancel"; });
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.status, RunStatus::cancelled);
  EXPECT_EQ(ended.find("first")->status, StepStatus::completed);
  EXPECT_EQ(ended.find("second")->status, StepStatus::cancelled);
}

TEST_F(EngineTest, ATransactionStepThatThrowsLeavesNothingAndFailsTheRun) {
  world_.disk().write([](store::Transaction& tx) { tx.execute("CREATE TABLE things (name TEXT PRIMARY KEY)"); });
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.transaction("first", [](store::Transaction& tx) { tx.execute("INSERT INTO things VALUES ('kept')"); });
    co_await run.transaction("second", [](store::Transaction& tx) {
      tx.execute("INSERT INTO things VALUES ('lost')");
      throw lasting_error();
    });
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_EQ(ended.failed_step, "second");
  world_.disk().read([](store::Transaction& tx) { EXPECT_EQ(tx.query("SELECT name FROM things").size(), 1u); });
}

TEST_F(EngineTest, APollEndsWithAnErrorAtItsBound) {
  int looks = 0;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.poll("first", every(10s).at_most(1min), [&] {
      ++looks;
      return false;
    });
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_EQ(ended.failure->code, "TIMED_OUT");
  EXPECT_GE(looks, 6);
  EXPECT_LE(looks, 8);
}

TEST_F(EngineTest, APokeMakesAPollLookAtOnce) {
  bool there = false;
  base::Instant seen;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.poll("first", every(50s).at_most(1h), [&] { return there; });
    co_await run.compute("second", [&] { seen = world_.now(); });
  });
  const auto run = start("t");
  play([&] { return !state(run).steps.empty(); });
  there = true;
  const auto poked = world_.now();
  engine_->poke(run);
  play();
  EXPECT_LT(seen - poked, 10s);
}

TEST_F(EngineTest, AStepInterruptedByACrashRunsAgainUnderTheSameKeyAndACompletedOneDoesNot) {
  std::vector<std::string> keys;
  bool crashed = false;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&](Attempt& attempt) { keys.push_back(attempt.idempotency_key()); });
    co_await run.step("second", [&](Attempt& attempt) {
      keys.push_back(attempt.idempotency_key());
      if (!std::exchange(crashed, true)) throw testing::Crash();
    });
  });
  const auto run = start("t");
  // The worker's exception is caught by the engine as any other; a real crash ends the process instead.
  play([&] { return keys.size() == 2; });
  boot();
  play();
  EXPECT_EQ(state(run).status, RunStatus::completed);
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[1], keys[2]);
  EXPECT_NE(keys[0], keys[1]);
}

// WF-49
TEST_F(EngineTest, WhatAStepCallsBelongsToTheTraceOfTheRequestAlsoAfterACrash) {
  std::vector<base::TraceContext> traces;
  bool crashed = false;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&](Attempt& attempt) { traces.push_back(attempt.trace()); });
    co_await run.step("second", [&](Attempt& attempt) {
      traces.push_back(attempt.trace());
      if (!std::exchange(crashed, true)) throw testing::Crash();
    });
  });
  start("t");
  play([&] { return traces.size() == 2; });
  boot();
  play();
  ASSERT_EQ(traces.size(), 3u);
  for (const auto& trace : traces) {
    EXPECT_EQ(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
    EXPECT_EQ(trace.state, "vendor=1");
  }
  EXPECT_NE(traces[0].span_id, traces[1].span_id);
  EXPECT_EQ(traces[1].span_id, traces[2].span_id);
}

TEST_F(EngineTest, AJournalThatDoesNotFitTheCodeParksTheRunAndSaysWhere) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [] {});
    co_await run.sleep("second", 24h);
  });
  const auto run = start("t");
  play([&] { return sleeping() == 1 && engine_->statistics().live == 0; });
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("renamed", [] { FAIL() << "guessed"; });
    co_await run.sleep("second", 24h);
  });
  boot();
  play();
  std::optional<journal::Row> row;
  world_.disk().read([&](store::Transaction& tx) { row = journal::find(tx, run); });
  ASSERT_TRUE(row->parked_reason);
  EXPECT_THAT(*row->parked_reason, HasSubstr("renamed"));
  EXPECT_FALSE(row->completed_at);
}

TEST_F(EngineTest, AParkedRunCanBeEndedAndAPersonIsToldToLook) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> { co_await run.sleep("first", 24h); });
  const auto run = start("t");
  play([&] { return sleeping() == 1 && engine_->statistics().live == 0; });
  add("t", [&](Context& run, Greeting) -> durable::Run<> { co_await run.step("first", [] {}); });
  boot();
  engine_->poke(run);
  play();
  std::exception_ptr failure = std::make_exception_ptr(0);
  engine_->cancel(run, "usr_2", [&](std::exception_ptr outcome) { failure = outcome; });
  play();
  EXPECT_FALSE(failure);
  EXPECT_EQ(state(run).status, RunStatus::cancelled);
  ASSERT_EQ(bad_ends_.size(), 1u);
  EXPECT_TRUE(bad_ends_[0].needs_attention);
}

TEST_F(EngineTest, OneBrokenJournalDoesNotHoldUpTheOthers) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> { co_await run.sleep("first", 30s); });
  const auto broken = start("t");
  const auto sound = start("t");
  play([&] { return !state(broken).steps.empty() && !state(sound).steps.empty(); });
  world_.disk().write([&](store::Transaction& tx) {
    tx.execute("UPDATE run_events SET type = 'of_the_future' WHERE run_id = $1 AND seq = 2", {broken.str()});
  });
  boot();
  play();
  EXPECT_EQ(state(sound).status, RunStatus::completed);
  EXPECT_EQ(engine_->statistics().parked, 1u);
}

TEST_F(EngineTest, APokeDuringALookMakesThePollLookOnceMore) {
  int looks = 0;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.poll("first", every(10min).at_most(1h), [&] {
      if (++looks == 1) process_->post([this, id = run.id()] { engine_->poke(id); });
      return looks == 2;
    });
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.status, RunStatus::completed);
  EXPECT_LT(*ended.ended_at - ended.started_at, 1min);
}

TEST_F(EngineTest, ALongSleepLeavesMemoryAndSurvivesARestart) {
  base::Instant woke;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.sleep("first", 24h);
    co_await run.compute("second", [&] { woke = world_.now(); });
  });
  const auto run = start("t");
  const auto began = world_.now();
  play([&] { return sleeping() == 1 && engine_->statistics().live == 0; });
  EXPECT_EQ(engine_->statistics().live, 0u);
  boot();
  play();
  EXPECT_EQ(state(run).status, RunStatus::completed);
  EXPECT_GE(woke - began, 24h);
  EXPECT_LT(woke - began, 24h + 1min);
}

TEST_F(EngineTest, AnUnknownWorkflowIsParkedAndGoesOnOnceItIsKnown) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> { co_await run.sleep("first", 2min); });
  const auto run = start("t");
  play([&] { return sleeping() == 1 && engine_->statistics().live == 0; });
  const auto body = bodies_.at("t");
  bodies_.clear();
  boot();
  play();
  EXPECT_EQ(engine_->statistics().parked, 1u);
  bodies_["t"] = body;
  boot();
  play();
  EXPECT_EQ(state(run).status, RunStatus::completed);
}

TEST_F(EngineTest, ObserversHearOfEveryEventOnceAndInOrder) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [] {});
    co_await run.transaction("second", [](store::Transaction&) {});
  });
  finish("t");
  ASSERT_FALSE(told_.empty());
  for (std::size_t i = 0; i < told_.size(); ++i) EXPECT_EQ(told_[i].seq, std::int64_t(i + 1));
  EXPECT_EQ(told_.back().type, EventType::run_completed);
}

TEST_F(EngineTest, AStoreThatFailsForAWhileDelaysARunAndLosesNothing) {
  int calls = 0;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    co_await run.step("first", [&] { ++calls; });
    co_await run.transaction("second", [](store::Transaction&) {});
  });
  const auto run = start("t");
  world_.faults().write_fails = 1;
  int rounds = 0;
  play([&] { return ++rounds > 500; });
  EXPECT_FALSE(state(run).is_final());
  world_.faults().write_fails = 0;
  play();
  EXPECT_EQ(state(run).status, RunStatus::completed);
  EXPECT_EQ(calls, 1) << "a completed step ran again because its record was delayed";
  EXPECT_GT(engine_->statistics().failed_writes, 0u);
}

TEST_F(EngineTest, TheSameNameTwiceCounts) {
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    for (int i = 0; i < 3; ++i) co_await run.step("first", [i] { return std::int64_t(i); });
  });
  const auto ended = finish("t");
  ASSERT_EQ(ended.steps.size(), 3u);
  EXPECT_EQ(ended.steps[1].key, "first#2");
  EXPECT_EQ(ended.steps[2].result, json::Value(2));
}

TEST_F(EngineTest, ManyRunsThatFailOnOneEndpointShareItsRetries) {
  std::vector<base::Instant> calls;
  bool broken = true;
  add("t", [&](Context& run, Greeting) -> durable::Run<> {
    auto patient = retry::cloud("backend");
    patient.attempts_max = 1'000;
    patient.first_delay = 1ms;
    patient.delay_max = 1ms;
    co_await run.step("first", patient, [&] {
      calls.push_back(world_.now());
      if (broken) throw passing_error();
    });
  });
  std::vector<RunId> runs;
  for (int i = 0; i < 100; ++i) runs.push_back(start("t"));
  const auto began = world_.now();
  play([&] { return world_.now() - began > 60s; });
  EXPECT_LT(calls.size(), 100u + 20u + 2u * 65u);  // the first calls, a burst, and two a second
  broken = false;
  play();
  for (const auto& run : runs) EXPECT_EQ(state(run).status, RunStatus::completed);
}

}  // namespace
}  // namespace slipway::durable
