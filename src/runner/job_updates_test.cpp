// A job and its hub while it runs: heartbeats and logs (RUN-8, RUN-10).

#include "runner/testing/played_job.h"

namespace slipway::runner {
namespace {

// ---- heartbeats and logs

// RUN-8
TEST_F(AJob, AnUpdateGoesOutEveryIntervalAndNoMore) {
  start_session();
  pass(seconds(2));
  const auto before = hub_.count("update");
  pass(seconds(50));
  EXPECT_EQ(hub_.count("update") - before, 10u);
  EXPECT_EQ(hub_.bounds.back(), seconds(30));
}

// Reference, 'cancel while logging steadily': there, log flushes put the heartbeat off, and their answers are ignored.
TEST_F(AJob, ACancelIsHeardWhileLinesStreamSteadily) {
  start_session();
  hub_.cancelled = true;
  for (int i = 0; i < 4; ++i) {
    log("steady");
    pass(milliseconds(300));
  }
  EXPECT_EQ(played_.told.back(), "cancel");
}

// Reference, 'log debounce and 100-line rule'
TEST_F(AJob, LinesFasterThanTheDebounceAreFlushedAllTheSame) {
  start_session();
  pass(seconds(1));
  for (int i = 0; i < 20; ++i) {
    log("fast");
    pass(milliseconds(100));
  }
  EXPECT_GE(std::ranges::count(hub_.outputs(), "fast"), 15);
}

TEST_F(AJob, AHundredLinesDoNotWait) {
  start_session();
  pass(seconds(1));
  for (int i = 0; i < 100; ++i) log("line");
  pass(milliseconds(20));
  EXPECT_EQ(std::ranges::count(hub_.outputs(), "line"), 100);
}

// Reference, 'slow UpdateJob': there, it blocks the log queue, fail, and forced stop.
TEST_F(AJob, AHubThatDoesNotAnswerHoldsUpNothing) {
  start_session();
  hub_.hold_updates = true;
  log("first");
  pass(seconds(6));
  const auto calls = hub_.count("update");
  EXPECT_GE(calls, 2u) << "another update goes out beside the one without an answer";
  runner_->cancel();
  EXPECT_EQ(played_.told.back(), "cancel");
  say(PlanComplete{.error = provisioner::Problem{.code = "CANCELLED"}});
  hub_.hold_updates = false;
  pass(seconds(10));
  expect_proper_end();
  EXPECT_EQ(std::ranges::count(hub_.outputs(), "first"), 1);
}

TEST_F(AJob, AFailedFlushLosesAndDoublesNothing) {
  start_session();
  hub_.update_failure = kAway;
  for (int i = 0; i < 5; ++i) log("kept " + std::to_string(i));
  pass(seconds(3));
  EXPECT_EQ(std::ranges::count(hub_.outputs(), "kept 0"), 0);
  hub_.update_failure.reset();
  pass(seconds(10));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(std::ranges::count(hub_.outputs(), "kept " + std::to_string(i)), 1);
}

TEST_F(AJob, AStormOfLinesMakesTheProvisionerWait) {
  options_.logs.lines_max = 500;
  start_session();
  hub_.update_failure = kAway;
  for (int i = 0; i < 600; ++i) played_.events.on_message(provisioner::Log{.output = "x"});
  pass(seconds(1));
  EXPECT_TRUE(played_.paused);
  hub_.update_failure.reset();
  pass(seconds(10));
  EXPECT_FALSE(played_.paused);
  EXPECT_EQ(std::ranges::count(hub_.outputs(), "x"), 600);
}

}  // namespace
}  // namespace slipway::runner
