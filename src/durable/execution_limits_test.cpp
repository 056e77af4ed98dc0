// Time-outs, heartbeats and the budget of retries, one behaviour each.

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

// WP-16: a token that cannot be had fails all who wait for it, and the endpoint has not seen one of them.
TEST_F(ExecutionTest, OnlyCallsThatWereMadeStandInTheLineOfTheirEndpointsRetries) {
  engine_.add("t", [&](Context& run, const Value& makes_calls) -> Flow {
    co_return co_await run.step("call", retry::cloud("api"), [makes_calls](Attempt& attempt) {
      if (attempt.number() == 1 && makes_calls.as_bool()) throw passing_error();
      if (attempt.number() == 1) throw passing_error().with_no_call_made();
      return true;
    });
  });
  const auto took_all = [&](bool makes_calls) {
    const auto began = engine_.now();
    for (int i = 0; i < 100; ++i) engine_.start("t", makes_calls);
    engine_.play();
    return engine_.now() - began;
  };
  EXPECT_LT(took_all(false), 1s);
  EXPECT_GT(took_all(true), 30s) << "the burst goes at once, the others two a second";
}

}  // namespace
}  // namespace slipway::durable
