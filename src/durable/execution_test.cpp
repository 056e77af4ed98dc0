// What workflows can do beyond a sequence of steps, one behaviour each. Crashes here come where a test puts them; the
// simulation puts them everywhere.

#include "durable/execution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "durable/context.h"
#include "durable/testing/small_engine.h"

namespace slipway::durable {
namespace {

using base::ErrorClass;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SmallEngine;
using namespace std::chrono_literals;
using json::Value;
using Flow = durable::Run<Value>;  // a test has a Run of its own

base::Error lasting_error() { return base::Error(ErrorClass::user, "LASTING", "it will not pass"); }
base::Error passing_error() { return base::Error(ErrorClass::transient, "PASSING", "it will pass"); }

class ExecutionTest : public ::testing::Test {
 protected:
  RunState finish(const RunId& run) {
    engine_.play();
    return engine_.state(run);
  }
  RunState finish(const std::string& type) { return finish(engine_.start(type)); }
  std::size_t count(const RunId& run, EventType type) {
    return std::size_t(std::ranges::count(engine_.journal(run), type, &Event::type));
  }
  bool has_step(const RunId& run, std::string_view key) { return engine_.state(run).find(key) != nullptr; }

  SmallEngine engine_;
  std::vector<std::string> said_;
};

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

// ---- children

TEST_F(ExecutionTest, AChildsOutputComesToItsParentAndItsFailureIsThrownThere) {
  engine_.add("good", [](Context& run, const Value& input) -> Flow {
    co_await run.sleep("first", 1h);
    co_return Value(input.as_int64() * 2);
  });
  engine_.add("bad", [](Context& run, const Value&) -> Flow {
    co_await run.step("first", [] { throw lasting_error(); });
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto doubled = co_await run.child<std::int64_t>("double", "good", 21);
    try {
      co_await run.child<void>("fail", "bad", 1);
    } catch (const base::Error& error) {
      said_.push_back(error.code());
    }
    co_return doubled;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "double"); });
  EXPECT_EQ(engine_.wish(run), Wish::input);
  engine_.crash();
  EXPECT_EQ(finish(run).output, Value(42));
  EXPECT_THAT(said_, ElementsAre("LASTING"));
  EXPECT_EQ(count(run, EventType::child_started), 2u);
}

TEST_F(ExecutionTest, AChildThatWasStartedRunsBesideItsParentAndIsAwaitedLater) {
  engine_.add("child", [this](Context& run, const Value&) -> Flow {
    co_await run.step("first", [this] { said_.push_back("child"); });
    co_return Value(7);
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    auto child = run.start_child<std::int64_t>("child", "child", 0);
    co_await run.sleep("first", 1h);
    said_.push_back("parent");
    const auto first = co_await child;
    const auto again = co_await child;
    co_return first + again;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "child") && engine_.state(run).find("child")->is_recorded(); });
  engine_.crash();
  EXPECT_EQ(finish(run).output, Value(14));
  EXPECT_THAT(said_, ElementsAre("child", "parent"));
}

TEST_F(ExecutionTest, ACancelGoesDownToTheChildrenAndTheParentUndoesAfterThem) {
  engine_.add("child", [this](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("child undone"); }));
    co_await run.sleep("second", 24h);
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("parent undone"); }));
    (void)run.start_child<void>("aside", "child", 0);
    co_await run.child<void>("child", "child", 0);
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "child") && has_step(engine_.child_of(run, "child"), "second"); });
  engine_.cancel(run);
  const auto ended = finish(run);
  EXPECT_EQ(ended.status, RunStatus::cancelled);
  EXPECT_EQ(ended.find("child")->status, StepStatus::cancelled);
  EXPECT_EQ(engine_.state(engine_.child_of(run, "child")).status, RunStatus::cancelled);
  EXPECT_THAT(said_, ElementsAre("child undone", "child undone", "parent undone"));
}

TEST_F(ExecutionTest, AFailedParentCancelsItsChildrenAndACrashInBetweenChangesNothing) {
  engine_.add("child", [this](Context& run, const Value&) -> Flow {
    co_await run.step(
        "first", Retry{}, [] {}, undo("undo", [this] {
          said_.push_back("child undone");
          throw passing_error();
        }));
    co_await run.sleep("second", 24h);
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("parent undone"); }));
    (void)run.start_child<void>("child", "child", 0);
    co_await run.sleep("second", 1min);
    co_await run.step("third", [] { throw lasting_error(); });
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return said_.size() == 1; });
  engine_.crash();
  const auto ended = finish(run);
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_EQ(ended.failure->code, "LASTING");
  EXPECT_EQ(said_.back(), "parent undone");
  EXPECT_TRUE(engine_.state(engine_.child_of(run, "child")).needs_attention);
}

TEST_F(ExecutionTest, ChildrenThatWereLetGoOutliveTheirParent) {
  engine_.add("child", [](Context& run, const Value&) -> Flow {
    co_await run.sleep("first", 24h);
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    auto detached = run.start_child<void>("detached", "child", 0);
    detached.detach();
    (void)run.start_child<void>("abandoned", "child", 0, {.on_parent_stop = OnParentStop::abandon});
    co_await run.child<void>("awaited", "child", 0, {.on_parent_stop = OnParentStop::abandon});
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "awaited"); });
  engine_.cancel(run);
  engine_.play([&] { return engine_.state(run).is_final(); });
  EXPECT_EQ(engine_.state(run).status, RunStatus::cancelled);
  engine_.play();
  for (const auto* step : {"detached", "abandoned", "awaited"})
    EXPECT_EQ(engine_.state(engine_.child_of(run, step)).status, RunStatus::completed) << step;
}

TEST_F(ExecutionTest, AParentEndsAfterItsChildrenAndDoesNotSwallowTheirFailure) {
  engine_.add("child", [](Context& run, const Value& fails) -> Flow {
    co_await run.sleep("first", 1h);
    if (fails.as_bool()) co_await run.step("second", [] { throw lasting_error(); });
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value& fails) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("undone"); }));
    (void)run.start_child<void>("child", "child", fails.as_bool());
    co_return Value("out");
  });
  const auto good = engine_.start("t", false);
  engine_.play([&] { return has_step(good, "child"); });
  EXPECT_FALSE(engine_.state(good).is_final());
  engine_.crash();
  EXPECT_EQ(finish(good).output, Value("out"));
  const auto bad = finish(engine_.start("t", true));
  EXPECT_EQ(bad.status, RunStatus::failed);
  EXPECT_EQ(bad.failed_step, "child");
  EXPECT_THAT(said_, ElementsAre("undone"));
}

TEST_F(ExecutionTest, AChildThatSomebodyElseCancelledFailsItsParentAndCancelsItNot) {
  engine_.add("child", [](Context& run, const Value&) -> Flow {
    co_await run.signal<void>("never");
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.child<void>("child", "child", 0);
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play();
  engine_.cancel(engine_.child_of(run, "child"));
  const auto ended = finish(run);
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_EQ(ended.failure->code, "CHILD_CANCELLED");
}

// ---- fan-outs

std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

TEST_F(ExecutionTest, ItemsRunSideBySideUpToTheWidthAndEachHasItsResult) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto squares = co_await run.for_each("square", numbers(50), wide(8), Retry{}, [](std::int64_t i) {
      if (i == 13) throw lasting_error();
      return i * i;
    });
    std::int64_t sum = 0;
    for (const auto& square : squares) sum += square.value_or(0);
    said_.push_back(squares[13].error().code());
    co_return sum;
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.output, Value(40'425 - 169));
  EXPECT_THAT(said_, ElementsAre("LASTING"));
  EXPECT_EQ(engine_.most_attempts_under_way, 8u);
  EXPECT_EQ(ended.find("square")->items, 50u);
  EXPECT_EQ(ended.find("square[13]")->status, StepStatus::failed);
  EXPECT_EQ(ended.find("square[49]")->result, Value(2'401));
}

TEST_F(ExecutionTest, AfterACrashOnlyItemsThatWereNotRecordedRunAgain) {
  std::map<std::string, int> calls;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto results =
        co_await run.for_each("item", numbers(20), wide(4), Retry{}, [&](std::int64_t i, Attempt& attempt) {
          ++calls[attempt.idempotency_key()];
          return i;
        });
    std::int64_t sum = 0;
    for (const auto& result : results) sum += *result;
    co_return sum;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return calls.size() == 10; });
  const auto before = engine_.state(run);
  engine_.crash();
  EXPECT_EQ(finish(run).output, Value(190));
  EXPECT_EQ(calls.size(), 20u);
  for (const auto& step : before.steps)
    if (step.is_recorded()) EXPECT_EQ(calls[run.str() + "/" + step.key], 1) << step.key;
  EXPECT_EQ(count(run, EventType::step_completed), 21u);
}

TEST_F(ExecutionTest, WithFailFastNothingFurtherBeginsAndTheFirstFailureIsThrownAfterTheOthersEnded) {
  std::vector<std::int64_t> begun;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.for_each(
        "item", numbers(20), wide(4).fail_fast(), Retry{},
        [&](std::int64_t i) {
          begun.push_back(i);
          if (i == 1) throw lasting_error();
        },
        undo("undo", [this](std::int64_t i) { said_.push_back(std::to_string(i)); }));
    co_return nullptr;
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.status, RunStatus::failed);
  EXPECT_EQ(ended.failure->code, "LASTING");
  EXPECT_LE(begun.size(), 5u);
  EXPECT_EQ(said_.size(), begun.size()) << "what was begun is undone";
  EXPECT_EQ(ended.find("item")->status, StepStatus::failed);
}

TEST_F(ExecutionTest, ItemsUnderWayWhenACrashInterruptsAFailFastAreUndoneAndNotRunAgain) {
  int calls = 0;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.for_each(
        "item", numbers(20), wide(4).fail_fast(), Retry{},
        [&](std::int64_t i) {
          ++calls;
          if (i == 1) throw lasting_error();
          engine_.hang();
        },
        undo("undo", [this](std::int64_t i) { said_.push_back(std::to_string(i)); }));
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "item[1]"); });
  EXPECT_FALSE(engine_.state(run).is_final());
  const int before = calls;
  engine_.crash();
  EXPECT_EQ(finish(run).failure->code, "LASTING");
  EXPECT_EQ(calls, before);
  EXPECT_THAT(said_, ::testing::IsSupersetOf({"0", "1", "2", "3"}));
}

TEST_F(ExecutionTest, AnItemsUndoMayTakeItsResult) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.for_each(
        "item", numbers(3), wide(3), Retry{},
        [](std::int64_t i) {
          if (i == 1) throw lasting_error();
          return std::string(std::size_t(i + 1), 'x');
        },
        undo("undo", [this](std::int64_t i, const std::string& made) { said_.push_back(std::to_string(i) + made); }));
    co_await run.step("then", [] { throw lasting_error(); });
    co_return nullptr;
  });
  EXPECT_EQ(finish("t").status, RunStatus::failed);
  EXPECT_THAT(said_, ::testing::UnorderedElementsAre("0x", "2xxx"));
}

TEST_F(ExecutionTest, ACancelEndsAFanOutAndItsItemsAreUndone) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.for_each(
        "item", numbers(10), wide(2), Retry{.attempts_max = 1'000'000, .time_max = 10h},
        [&](std::int64_t i) {
          if (i == 3) throw passing_error();
          if (i == 4) engine_.hang();
        },
        undo("undo", [this](std::int64_t i) { said_.push_back(std::to_string(i)); }));
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "item[3]") && engine_.attempts_under_way() == 1; });
  engine_.cancel(run);
  engine_.play([&] { return engine_.state(run).cancel_requested_at.has_value(); });
  engine_.release();
  const auto ended = finish(run);
  EXPECT_EQ(ended.status, RunStatus::cancelled);
  EXPECT_EQ(ended.find("item")->status, StepStatus::cancelled);
  EXPECT_EQ(ended.find("item[4]")->ended_as, StepStatus::completed) << "what finished in its grace keeps its result";
  EXPECT_THAT(said_, ElementsAre("4", "3", "2", "1", "0"));
}

TEST_F(ExecutionTest, AFanOutOverAnotherListParksTheRun) {
  const auto body = [](std::int64_t items) {
    return [items](Context& run, const Value&) -> Flow {
      co_await run.for_each("item", numbers(items), wide(2), Retry{}, [](std::int64_t) {});
      co_await run.sleep("then", 1h);
      co_return nullptr;
    };
  };
  engine_.add("t", body(5));
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "then"); });
  engine_.add("t", body(4));
  engine_.crash();
  engine_.play();
  EXPECT_EQ(engine_.wish(run), Wish::parked);
  EXPECT_THAT(engine_.park_reason(run), HasSubstr("had 5 items"));
  engine_.add("t", body(5));
  engine_.crash();
  EXPECT_EQ(finish(run).status, RunStatus::completed);
}

TEST_F(ExecutionTest, AFanOutOverNothingIsDoneAtOnceAndOneOverThousandsStaysQuick) {
  engine_.add("t", [&](Context& run, const Value& items) -> Flow {
    const auto done =
        co_await run.for_each("item", numbers(items.as_int64()), wide(100), Retry{}, [](std::int64_t i) { return i; });
    co_return std::int64_t(done.size());
  });
  EXPECT_EQ(finish(engine_.start("t", 0)).output, Value(0));
  const auto many = engine_.start("t", 5'000);
  engine_.play([&] { return engine_.journal(many).size() > 2'500; });
  engine_.crash();
  EXPECT_EQ(finish(many).output, Value(5'000));
}

TEST_F(ExecutionTest, ChildrenRunSideBySideAndAFailureIsOneOfTheResults) {
  engine_.add("child", [](Context& run, const Value& input) -> Flow {
    co_await run.sleep("first", 1min);
    if (input.as_int64() == 2) co_await run.step("second", [] { throw lasting_error(); });
    co_return Value(input.as_int64() * 10);
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    const auto all = co_await run.children<std::int64_t>("child", "child", numbers(6), wide(3));
    std::int64_t sum = 0;
    for (const auto& one : all) sum += one.value_or(1);
    co_return sum;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "child[4]"); });
  engine_.crash();
  EXPECT_EQ(finish(run).output, Value(131));
  EXPECT_EQ(count(run, EventType::child_started), 6u);
}

TEST_F(ExecutionTest, ACancelWaitsForAllChildrenOfAFanOut) {
  engine_.add("child", [this](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("child"); }));
    co_await run.sleep("second", 1min);
    co_return nullptr;
  });
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("parent"); }));
    co_await run.children<void>("child", "child", numbers(6), wide(2));
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return has_step(run, "child[1]") && has_step(engine_.child_of(run, "child[1]"), "second"); });
  engine_.cancel(run);
  engine_.play([&] { return engine_.state(run).cancel_requested_at.has_value(); });
  engine_.crash();
  EXPECT_EQ(finish(run).status, RunStatus::cancelled);
  EXPECT_THAT(said_, ElementsAre("child", "child", "parent"));
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

// ---- time-outs and heartbeats

TEST_F(ExecutionTest, AnAttemptThatTakesTooLongIsToldToStopLeftBehindAndTriedAgain) {
  std::vector<std::stop_token> tokens;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_return co_await run.step("first", Retry{.attempt_timeout = 10s}, [&](Attempt& attempt) {
      tokens.push_back(attempt.stop());
      if (attempt.number() < 3) engine_.hang();
      return attempt.number();
    });
  });
  const auto run = engine_.start("t");
  const auto began = engine_.now();
  engine_.play([&] { return tokens.size() == 2; });
  EXPECT_TRUE(tokens[0].stop_requested());
  EXPECT_EQ(engine_.state(run).find("first")->failure->code, "TIMED_OUT");
  engine_.release();  // what was left behind returns after all, and is nobody's
  EXPECT_EQ(finish(run).output, Value(2)) << "the second attempt returned when it was released";
  EXPECT_GE(engine_.now() - began, 11s);
}

TEST_F(ExecutionTest, AnAttemptThatHearsTheStopAndReturnsKeepsItsResultAndOneThatThrowsHasTimedOut) {
  engine_.add("t", [&](Context& run, const Value& fails) -> Flow {
    co_return co_await run.step("first", Retry{.attempts_max = 1, .attempt_timeout = 10s}, [&, fails] {
      engine_.hang();
      if (fails.as_bool()) throw lasting_error();
      return std::string("kept");
    });
  });
  for (const bool fails : {false, true}) {
    const auto run = engine_.start("t", fails);
    const auto began = engine_.now();
    engine_.play([&] { return engine_.now() - began == 10s && engine_.wish(run) == Wish::wake; });
    engine_.release();
    const auto ended = finish(run);
    if (fails) {
      EXPECT_EQ(ended.failure->code, "TIMED_OUT");
    } else {
      EXPECT_EQ(ended.output, Value("kept"));
    }
  }
}

TEST_F(ExecutionTest, AStepThatTimesOutForGoodFailsAndWhatMayHaveBeenDoneIsUndone) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step(
        "first", Retry{.attempts_max = 2, .attempt_timeout = 10s}, [this] { engine_.hang(); },
        undo("undo", [this] { said_.push_back("undone"); }));
    co_return nullptr;
  });
  const auto ended = finish("t");
  EXPECT_EQ(ended.failure->code, "TIMED_OUT");
  EXPECT_EQ(ended.find("first")->attempts, 2);
  EXPECT_THAT(said_, ElementsAre("undone"));
}

TEST_F(ExecutionTest, AnUndoThatHangsIsTriedAgain) {
  int calls = 0;
  auto patient = retry::compensation();
  patient.attempt_timeout = 10s;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step(
        "first", Retry{}, [] {},
        Undo{"undo",
             [&calls, this] {
               if (++calls == 1) engine_.hang();
             },
             patient});
    co_await run.step("second", [] { throw lasting_error(); });
    co_return nullptr;
  });
  EXPECT_EQ(finish("t").find("first")->status, StepStatus::compensated);
  EXPECT_EQ(calls, 2);
}

TEST_F(ExecutionTest, ASilentAttemptIsGivenUpAndOneThatBeatsIsNot) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{.attempts_max = 1, .heartbeat_timeout = 10s},
                      [this](Attempt&) { engine_.hang(); });
    co_return nullptr;
  });
  const auto silent = finish("t");
  EXPECT_THAT(silent.failure->message, HasSubstr("no sign of life"));

  std::optional<Attempt> alive;
  engine_.add("alive", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{.attempts_max = 1, .heartbeat_timeout = 10s}, [&](Attempt& attempt) {
      alive = attempt;
      engine_.hang();
    });
    co_return nullptr;
  });
  const auto run = engine_.start("alive");
  const auto began = engine_.now();
  engine_.play([&] {
    if (alive) alive->heartbeat(std::int64_t((engine_.now() - began).count()));
    if (engine_.now() - began > 5min) engine_.release();
    return engine_.state(run).is_final();
  });
  EXPECT_EQ(engine_.state(run).status, RunStatus::completed);
  const auto beats = count(run, EventType::step_heartbeat);
  EXPECT_GT(beats, 10u);
  EXPECT_LT(beats, 100u) << "recorded now and then, not as often as it beats";
}

TEST_F(ExecutionTest, TheNextAttemptGoesOnWhereTheLastOneWasAlsoAfterACrash) {
  std::vector<std::int64_t> began_at;
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.step("first", Retry{}, [&](Attempt& attempt) {
      const auto from = attempt.last_heartbeat<std::int64_t>().value_or(0);
      began_at.push_back(from);
      attempt.heartbeat(from + 1);
      if (from == 0) throw passing_error();
      if (from == 1) engine_.hang();
    });
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return count(run, EventType::step_heartbeat) == 2; });
  engine_.crash();
  EXPECT_EQ(finish(run).status, RunStatus::completed);
  EXPECT_THAT(began_at, ElementsAre(0, 1, 2));
}

TEST_F(ExecutionTest, ARunThatTakesTooLongIsStoppedUndoneAndFailed) {
  const auto body = [this](Context& run, const Value& hangs) -> Flow {
    co_await run.step("first", Retry{}, [] {}, undo("undo", [this] { said_.push_back("undone"); }));
    if (hangs.as_bool()) co_await run.step("hang", [this] { engine_.hang(); });
    co_await run.signal<void>("never");
    co_return nullptr;
  };
  engine_.add("t", body).timeout = 1h;
  for (const bool hangs : {false, true}) {
    said_.clear();
    const auto run = engine_.start("t", hangs);
    const auto began = engine_.now();
    const auto ended = finish(run);
    EXPECT_EQ(ended.status, RunStatus::failed);
    EXPECT_EQ(ended.failure->code, "TIMED_OUT");
    EXPECT_THAT(said_, ElementsAre("undone"));
    EXPECT_GE(*ended.ended_at - began, 1h);
    EXPECT_LE(*ended.ended_at - began, 1h + 1s);
  }
}

TEST_F(ExecutionTest, ACancelledAttemptThatDoesNotStopIsLeftBehindWithItsSiblings) {
  engine_.add("t", [&](Context& run, const Value&) -> Flow {
    co_await run.for_each(
        "item", numbers(4), wide(2), Retry{}, [this](std::int64_t) { engine_.hang(); },
        undo("undo", [this](std::int64_t i) { said_.push_back(std::to_string(i)); }));
    co_return nullptr;
  });
  const auto run = engine_.start("t");
  engine_.play([&] { return engine_.attempts_under_way() == 2; });
  engine_.cancel(run);
  const auto ended = finish(run);
  EXPECT_EQ(ended.status, RunStatus::cancelled);
  EXPECT_THAT(said_, ElementsAre("1", "0"));
  engine_.release();
  engine_.play();
}

}  // namespace
}  // namespace slipway::durable
