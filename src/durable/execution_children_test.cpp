// Runs that start other runs, one behaviour each.

#include "durable/execution.h"
#include "durable/testing/execution_fixture.h"

namespace slipway::durable {
namespace {

using json::Value;
using ::testing::ElementsAre;
using testing::ExecutionTest;
using testing::Flow;
using testing::lasting_error;
using testing::passing_error;
using namespace std::chrono_literals;

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

}  // namespace
}  // namespace slipway::durable
