// What workflows can do beyond a sequence of steps, one behaviour each: values, versions, signals, runs without end.
// Crashes here come where a test puts them; the simulation puts them everywhere.

#include "durable/execution.h"
#include "durable/testing/execution_fixture.h"

namespace slipway::durable {
namespace {

using json::Value;
using ::testing::ElementsAre;
using testing::ExecutionTest;
using testing::Flow;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::lasting_error;
using testing::passing_error;
using testing::SmallEngine;
using namespace std::chrono_literals;

// ---- recorded values

TEST_F(ExecutionTest, TimeChanceAndIdsAreTheSameInEveryReplay) {
  std::vector<std::string> seen;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto at = run.now();
    co_await run.sleep("first", 1h);
    seen.push_back(base::format_rfc3339(at) + " " + base::format_rfc3339(run.now()) + " " + run.uuid() + " " +
                   std::to_string(run.random()) + " " + std::to_string(run.random()));
    co_await run.sleep("second", 1h);
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return seen.size() == 1 && has_step(run, "second"); });
  engine_.crash();
  EXPECT_EQ(finish(run).status, RunStatus::completed);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(engine_.state(run).steps.size(), 2u) << "values are no steps";
}

TEST_F(ExecutionTest, AValueThatTheJournalCannotHaveParksTheRun) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 1h);
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "first"); });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    try {
      (void)run.random();
    } catch (const base::Error&) {
      said_.push_back("a failure was made of it");
    }
    co_await run.sleep("first", 1h);
    co_return nullptr;
  });
  engine_.crash();
  engine_.play();
  EXPECT_EQ(engine_.wish(run), Wish::parked);
  EXPECT_THAT(engine_.park_reason(run), HasSubstr("random"));
  EXPECT_THAT(said_, IsEmpty());
}

// ---- versions

TEST_F(ExecutionTest, AnOldJournalGoesOnTheOldWayAndANewRunTheNewWay) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", [&] { said_.push_back("first"); });
    co_await run.sleep("second", 1h);
    co_await run.step("third", [&] { said_.push_back("third"); });
    co_return nullptr;
  });
  const auto old = engine_.start("t");
  engine_.play([&] { return has_step(old, "second"); });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    if (run.version("check-before", 1) >= 1) co_await run.step("check", [&] { said_.push_back("check"); });
    co_await run.step("first", [&] { said_.push_back("first"); });
    co_await run.sleep("second", 1h);
    if (run.version("check-after", 2) == 2) co_await run.step("check-again", [&] { said_.push_back("check-again"); });
    co_await run.step("third", [&] { said_.push_back("third"); });
    co_return nullptr;
  });
  engine_.crash();
  EXPECT_EQ(finish(old).status, RunStatus::completed);
  EXPECT_THAT(said_, ElementsAre("first", "check-again", "third")) << "only what lay ahead changed";
  said_.clear();
  EXPECT_EQ(finish("t").status, RunStatus::completed);
  EXPECT_THAT(said_, ElementsAre("check", "first", "check-again", "third"));
}

TEST_F(ExecutionTest, AStepThatWasUnderWayWhenTheChangeCameIsGoneOnWith) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 1h);
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "first"); });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    if (run.version("no-sleep", 1) == 0) co_await run.sleep("first", 1h);
    co_return Value("awake");
  });
  engine_.crash();
  EXPECT_EQ(finish(run).output, Value("awake"));
  EXPECT_TRUE(engine_.state(run).find("first")->is_recorded());
}

TEST_F(ExecutionTest, ARecordedVersionIsKeptAndTheCallCanGoLater) {
  const auto body = [this](std::int64_t newest) {
    return [this, newest](Context& run, const Value&) -> Flow {
      const auto version = run.version("change", newest);
      co_await run.sleep("first", 1h);
      said_.push_back(std::to_string(version) + std::to_string(run.version("change", newest)));
      co_return nullptr;
    };
  };
  engine_.add("t", body(1));
  const auto first = engine_.start("t"), second = engine_.start("t");
  engine_.play([&] { return has_step(first, "first") && has_step(second, "first"); });
  engine_.add("t", body(2));
  engine_.crash();
  engine_.cancel(second);
  engine_.play();
  EXPECT_EQ(engine_.state(first).status, RunStatus::completed);
  EXPECT_THAT(said_, ElementsAre("11"));

  const auto third = engine_.start("t");
  engine_.play([&] { return has_step(third, "first"); });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 1h);
    co_return nullptr;
  });
  engine_.crash();
  EXPECT_EQ(finish(third).status, RunStatus::completed);
}

TEST_F(ExecutionTest, AVersionThatTheCodeNoLongerKnowsParksTheRunUntilItMeetsCodeThatDoes) {
  const auto body = [](std::int64_t newest, std::int64_t oldest) {
    return [=](Context& run, const Value&) -> Flow {
      const auto version = run.version("change", newest, oldest);
      co_await run.sleep("first", 1h);
      co_return version;
    };
  };
  engine_.add("t", body(1, 0));
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "first"); });
  engine_.add("t", body(3, 2));
  engine_.crash();
  engine_.signal(run, "kept");
  engine_.play();
  EXPECT_EQ(engine_.wish(run), Wish::parked);
  EXPECT_THAT(engine_.park_reason(run), HasSubstr("version 1"));
  engine_.add("t", body(3, 1));
  engine_.crash();
  EXPECT_EQ(finish(run).output, Value(1));
  EXPECT_EQ(count(run, EventType::signal_received), 1u) << "a parked run takes nothing in, and loses nothing";
}

TEST_F(ExecutionTest, ACodeThatAsksForAnotherStepWhileOneIsUnderWayParks) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 1h);
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "first"); });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("other", [] { FAIL() << "guessed"; });
    co_return nullptr;
  });
  engine_.crash();
  engine_.play();
  EXPECT_EQ(engine_.wish(run), Wish::parked);
}

// ---- signals

TEST_F(ExecutionTest, SignalsAreTakenInTheOrderOfTheirComingAlsoWhenTheyCameEarly) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 1h);
    for (int i = 0; i < 3; ++i) said_.push_back(co_await run.signal<std::string>("order"));
    co_await run.signal<void>("done");
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.signal(run, "order", "a");
  engine_.signal(run, "done");
  engine_.signal(run, "order", "b");
  engine_.play([&] { return said_.size() == 2; });
  engine_.play();
  EXPECT_EQ(engine_.wish(run), Wish::input) << "nothing but an input can move it";
  EXPECT_EQ(engine_.state(run).find("order#3")->status, StepStatus::waiting);
  engine_.signal(run, "order", "c");
  EXPECT_EQ(finish(run).status, RunStatus::completed);
  EXPECT_THAT(said_, ElementsAre("a", "b", "c"));
}

TEST_F(ExecutionTest, ASignalThatIsSentAgainIsTakenOnceAndAReplayHasItAgain) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto first = co_await run.signal<std::string>("word");
    const auto second = co_await run.signal<std::string>("word");
    co_return Value(first + second);
  });
  const auto run = engine_.start("t");
  engine_.signal(run, "word", "a", "key-1");
  engine_.play();
  engine_.crash();
  engine_.signal(run, "word", "a", "key-1");
  engine_.play();
  EXPECT_FALSE(engine_.state(run).is_final());
  engine_.signal(run, "word", "b", "key-2");
  EXPECT_EQ(finish(run).output, Value("ab"));
}

TEST_F(ExecutionTest, ASignalIsWaitedForNoLongerThanItsTimeAlsoOverACrash) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto missed = co_await run.signal<std::string>("word", within(5min));
    const bool waved = co_await run.signal<void>("wave", within(5min));
    co_return Value(std::string(missed ? *missed : "nothing") + (waved ? ", a wave" : ", none"));
  });
  const auto run = engine_.start("t");
  const auto began = engine_.now();
  engine_.play([&] { return has_step(run, "word"); });
  EXPECT_EQ(engine_.wish(run), Wish::wake);
  engine_.crash();
  engine_.play([&] { return has_step(run, "wave"); });
  EXPECT_EQ(engine_.now() - began, 5min);
  engine_.signal(run, "wave");
  EXPECT_EQ(finish(run).output, Value("nothing, a wave"));
}

TEST_F(ExecutionTest, ACancelEndsAWaitForASignal) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("undone"); }));
    co_await run.signal<void>("never");
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play();
  engine_.cancel(run);
  EXPECT_EQ(finish(run).status, RunStatus::cancelled);
  EXPECT_THAT(said_, ElementsAre("undone"));
}

// ---- despite a cancel

// What a run does to see through what it has begun elsewhere: waits, is cancelled, says so, and waits for the end.
Flow see_through(Context& run, std::vector<std::string>& said) {
  bool cancelled = false;
  try {
    co_return co_await run.signal<std::string>("end");
  } catch (const Cancelled&) {
    cancelled = true;
  }
  co_await run
      .step("ask", retry::local(),
            [&said](Attempt& attempt) {
              said.push_back("asked");
              if (attempt.number() == 1) throw passing_error();
            })
      .despite_cancel();
  const auto end = co_await run.signal<std::string>("end").despite_cancel();
  if (cancelled && end == "cancelled") throw Cancelled();
  co_return end;
}

TEST_F(ExecutionTest, ARunCanSeeThroughWhatACancelCameTooLateFor) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow { return see_through(run, said_); });
  const auto run = engine_.start("t");
  engine_.play();
  engine_.cancel(run);
  engine_.play();
  EXPECT_THAT(said_, ElementsAre("asked", "asked")) << "a failure is tried again as ever";
  EXPECT_EQ(engine_.wish(run), Wish::input);
  engine_.cancel(run);
  engine_.crash();
  engine_.play();
  EXPECT_FALSE(engine_.state(run).is_final()) << "asked twice, and over a crash";
  engine_.signal(run, "end", "done");
  const auto ended = finish(run);
  EXPECT_EQ(ended.status, RunStatus::completed);
  EXPECT_EQ(ended.output, Value("done"));
  EXPECT_EQ(count(run, EventType::cancel_requested), 1u);
  EXPECT_EQ(said_.size(), 2u);
}

TEST_F(ExecutionTest, ABodyThatThrowsCancelledEndsItsRunAsCancelled) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("undone"); }));
    if (co_await run.signal<std::string>("end") == "cancelled") throw Cancelled();
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.signal(run, "end", "cancelled");
  EXPECT_EQ(finish(run).status, RunStatus::cancelled);
  EXPECT_THAT(said_, ElementsAre("undone"));
}

TEST_F(ExecutionTest, AnAttemptDespiteACancelIsNotToldToStop) {
  bool stopped = false;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run
        .step("first",
              [&](Attempt& attempt) {
                said_.push_back("began");
                engine_.hang();
                stopped = attempt.stop().stop_requested();
              })
        .despite_cancel();
    co_await run.step("second", [&] { said_.push_back("second"); });
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return !said_.empty(); });
  engine_.cancel(run);
  engine_.play([&] { return engine_.state(run).cancel_requested_at.has_value(); });
  engine_.release();
  EXPECT_EQ(finish(run).status, RunStatus::cancelled);
  EXPECT_FALSE(stopped);
  EXPECT_THAT(said_, ElementsAre("began")) << "the cancel holds for what comes after";
  EXPECT_EQ(engine_.state(run).find("first")->status, StepStatus::completed);
}

TEST_F(ExecutionTest, WhatOutlastsACancelOutlastsTheTimeOfItsRunToo) {
  auto& workflow = engine_.add("t", [&](Context& run, const Value&) -> Flow {
    int looks = 0;
    co_await run.sleep("sleep", 1h).despite_cancel();
    co_await run.poll("poll", every(1min).at_most(1h), [&] { return ++looks == 3; }).despite_cancel();
    co_await run.compute("compute", [] { return 1; }).despite_cancel();
    if (!co_await run.signal<void>("signal", within(1h)).despite_cancel()) said_.push_back("all");
    co_await run.sleep("no more", 1h);
    co_return nullptr;
  });
  workflow.timeout = 1min;
  const auto ended = finish("t");
  EXPECT_THAT(said_, ElementsAre("all"));
  EXPECT_EQ(ended.failure->code, "TIMED_OUT");
}

// ---- runs without end

TEST_F(ExecutionTest, ARunThatContinuesAsNewForgetsItsStepsAndKeepsItsSignals) {
  std::vector<std::string> keys;
  engine_.add("t", [&](Context& run, const Value& round) -> Flow {
    co_await run.step("first", [&](Attempt& attempt) { keys.push_back(attempt.idempotency_key()); });
    if (round.as_int64() < 3) {
      co_await run.sleep("second", 1h);
      co_return co_await run.continue_as_new<Value>(round.as_int64() + 1);
    }
    co_return co_await run.signal<std::string>("word");
  });
  const auto run = engine_.start("t", 1);
  engine_.signal(run, "word", "kept", "key-1");
  engine_.play([&] { return engine_.state(run).generation == 2 && has_step(run, "second"); });
  engine_.signal(run, "word", "again", "key-1");
  engine_.crash();
  const auto ended = finish(run);
  EXPECT_EQ(ended.output, Value("kept"));
  EXPECT_EQ(ended.generation, 3);
  EXPECT_EQ(ended.steps.size(), 2u);
  EXPECT_THAT(ended.signals, IsEmpty()) << "a signal sent again is known also in the next generation";
  EXPECT_THAT(keys, ElementsAre(run.str() + "/first", run.str() + "@2/first", run.str() + "@3/first"));
}

TEST_F(ExecutionTest, AFoldFromTheLastBeginningIsThatOfTheWholeJournal) {
  engine_.add("t", [&](Context& run, const Value& round) -> Flow {
    co_await run.step("first", [] {});
    if (round.as_int64() < 3) co_return co_await run.continue_as_new<Value>(round.as_int64() + 1);
    co_await run.sleep("second", 1h);
    co_return nullptr;
  });
  const auto run = engine_.start("t", 1);
  engine_.play([&] { return has_step(run, "second"); });
  const auto whole = fold_all(engine_.journal(run));
  const auto part = fold_all(SmallEngine::last_generation(engine_.journal(run)));
  EXPECT_EQ(part.generation, whole.generation);
  EXPECT_EQ(part.started_at, whole.started_at);
  EXPECT_EQ(part.began_at, whole.began_at);
  EXPECT_EQ(part.last_seq, whole.last_seq);
  EXPECT_EQ(part.input, whole.input);
  EXPECT_EQ(part.steps.size(), whole.steps.size());
}

TEST_F(ExecutionTest, ACancelledRunDoesNotBeginAgain) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", [&] { engine_.cancel(run.id()); });
    co_return co_await run.continue_as_new<Value>(0);
  });
  EXPECT_EQ(finish("t").status, RunStatus::cancelled);
}

TEST_F(ExecutionTest, ARunDoesNotBeginAgainWhileAChildIsAwaited) {
  engine_.add("child", [](Context&, const Value&) -> Flow { co_return nullptr; });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    (void)run.start_child<void>("child", "child", 0);
    co_return co_await run.continue_as_new<Value>(0);
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_THAT(ended.failure->message, HasSubstr("cannot begin again"));
}

// ---- undoing

TEST_F(ExecutionTest, ACrashWhileUndoingDoesNotMakeTheUndosFailureThatOfTheRun) {
  int calls = 0;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step(
        "first", Retry{}, [] { throw lasting_error(); }, undo("undo", [&calls] {
          if (++calls < 3) throw passing_error();
        }));
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return calls == 2; });
  engine_.crash();
  const auto ended = finish(run);
  EXPECT_EQ(ended.failure->code, "LASTING");
  EXPECT_EQ(ended.find("first")->undo_failure->code, "PASSING");
}

}  // namespace
}  // namespace slipway::durable
