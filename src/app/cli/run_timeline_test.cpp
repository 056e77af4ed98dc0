// The timeline as text, as a person sees it.

#include "app/cli/run_timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const base::Instant kStart = *base::parse_rfc3339("2025-01-12T10:00:00Z");

base::Instant at(std::int64_t ms) { return kStart + base::Duration(ms); }

StepView step(std::string name, std::string status, std::optional<std::int64_t> from, std::optional<std::int64_t> to) {
  StepView step{.name = std::move(name), .status = std::move(status)};
  if (from) step.started_at = at(*from);
  if (to) step.completed_at = at(*to);
  if (from && to) step.duration_ms = base::Duration(*to - *from);
  return step;
}

RunView sample() {
  RunView run{.id = "run_1", .type = "t", .status = "running", .started_at = kStart};
  run.steps = {step("validate", "completed", 0, 250), step("create", "completed", 250, 5'000),
               step("ready", "waiting", 5'000, {}), step("finish", "pending", {}, {})};
  run.steps[2].attempts = 3;
  run.steps[2].next_attempt_at = at(12'000);
  return run;
}

TEST(Timeline, EachStepIsABarAtItsPlaceInTime) {
  EXPECT_THAT(timeline_lines(sample(), at(10'000), 0, {.columns = 67, .unicode = true}),
              ElementsAre("              0s               10.0s",         //
                          "  ✓ validate  ▏▌                   ▕  250ms",  //
                          "  ✓ create    ▏██████████          ▕  4.7s",   //
                          "  ⠋ ready     ▏          ▒▒▒▒▒▒▒▒▒▒▕  5.0s     attempt 3, next in …",
                          "  · finish    ▏····················▕"));
}

TEST(Timeline, ATerminalWithoutUnicodeGetsWhatEveryOneHas) {
  EXPECT_THAT(timeline_lines(sample(), at(10'000), 0, {.columns = 67, .unicode = false}),
              ElementsAre("              0s               10.0s",         //
                          "  + validate  |#                   |  250ms",  //
                          "  + create    |##########          |  4.7s",   //
                          "  | ready     |          ----------|  5.0s     attempt 3, next in ~",
                          "  . finish    |....................|"));
}

TEST(Timeline, NoLineIsWiderThanTheTerminal) {
  auto run = sample();
  run.steps[1].name = std::string(200, 'n');
  run.steps[1].error = ErrorView{.code = "BROKEN", .message = std::string(500, 'm'), .step = {}};
  for (const std::size_t columns : {40, 80, 200})
    for (const auto& line : timeline_lines(run, at(10'000), 0, {.columns = columns + 24, .unicode = true}))
      EXPECT_LE(display_width(line), columns + 24);
}

TEST(Timeline, WhatWasTakenOverTookNoTimeAndSaysSo) {
  auto run = sample();
  run.steps[0].taken_over = true;
  const auto lines = timeline_lines(run, at(10'000), 0, {.columns = 100, .unicode = true});
  EXPECT_THAT(lines[1], HasSubstr("taken over"));
  EXPECT_THAT(lines[1], Not(HasSubstr("ms")));
}

TEST(Timeline, ARunThatHasJustBegunIsDrawnToo) {
  RunView run{.id = "run_1", .type = "t", .status = "running", .started_at = kStart};
  run.steps = {step("validate", "running", 0, {})};
  EXPECT_EQ(timeline_lines(run, kStart, 0, {.columns = 60, .unicode = true}).size(), 2u);
}

TEST(RunCommands, RetrySendsTheStepAndSaysWhatBecomesOfIt) {
  Bench bench;
  bench.hub.data("POST /v1/workflows/runs/run_1/retry",
                 R"({"run":{"id":"run_2","type":"t","status":"running"},"retryOf":"run_1",
                     "takenOver":["validate","create"],"startsAt":"ready","statusUrl":"/v1/workflows/runs/run_2"})");
  EXPECT_EQ(bench.run({"runs", "retry", "run_1", "--from-step", "ready"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/workflows/runs/run_1/retry").body, R"({"fromStep":"ready"})");
  EXPECT_EQ(bench.out, "Run run_2 does it again from ready on.\nTaken over: validate, create\n");
}

TEST(RunCommands, ARetryThatIsWaitedForEndsAsItsRunEnds) {
  Bench bench;
  bench.hub.data("POST /v1/workflows/runs/run_1/retry",
                 R"({"run":{"id":"run_2","type":"t","status":"running"},"retryOf":"run_1","takenOver":[]})");
  bench.hub.data("GET /v1/workflows/runs/run_2", R"({"id":"run_2","type":"t","status":"failed","steps":[]})");
  EXPECT_EQ(bench.run({"runs", "retry", "run_1", "--wait"}), kFailed);
  EXPECT_THAT(bench.out, HasSubstr("t failed"));
}

TEST(RunCommands, ATreeShowsWhatARunStartedAndTheirs) {
  Bench bench;
  bench.hub.data("GET /v1/workflows/runs/run_1", R"({"id":"run_1","type":"t","status":"completed","steps":[]})");
  bench.hub.data("GET /v1/workflows/runs/run_1/children?sort=startedAt&limit=200",
                 R"([{"id":"run_2","type":"child","status":"completed","durationMs":1500}])");
  bench.hub.data("GET /v1/workflows/runs/run_2/children?sort=startedAt&limit=200",
                 R"([{"id":"run_3","type":"grandchild","status":"failed"}])");
  bench.hub.data("GET /v1/workflows/runs/run_3/children?sort=startedAt&limit=200", "[]");
  EXPECT_EQ(bench.run({"runs", "show", "run_1", "--tree"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("  run_2  child  completed  1.5s\n    run_3  grandchild  failed\n"));
}

}  // namespace
}  // namespace slipway::app::cli
