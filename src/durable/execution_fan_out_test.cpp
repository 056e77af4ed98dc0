// Many steps or children at once, one behaviour each.

#include "durable/execution.h"
#include "durable/testing/execution_fixture.h"

namespace slipway::durable {
namespace {

using json::Value;
using ::testing::ElementsAre;
using testing::ExecutionTest;
using testing::Flow;
using ::testing::HasSubstr;
using testing::lasting_error;
using testing::numbers;
using testing::passing_error;
using namespace std::chrono_literals;

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

}  // namespace
}  // namespace slipway::durable
