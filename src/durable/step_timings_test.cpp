#include "durable/step_timings.h"

#include <gtest/gtest.h>

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;

const Instant kStart = base::from_unix_ms(1'700'000'000'000);
const std::vector<std::string> kOutline{"validate", "create", "wait"};

TypeTimings history(std::size_t runs = 5) {
  return TypeTimings(runs, {.total = 100s, .steps = {{"validate", 10s}, {"create", 60s}, {"wait", 30s}}});
}

RunState running() {
  RunState state;
  state.started_at = state.began_at = kStart;
  return state;
}
void begin(RunState& state, const std::string& step, Duration at) { state.at(step).started_at = kStart + at; }
void end(RunState& state, const std::string& step, Duration at) { state.at(step).ended_at = kStart + at; }

// WF-9
TEST(Estimate, WeighsEachStepByWhatItTookInThePast) {
  auto state = running();
  begin(state, "validate", 0s);
  EXPECT_EQ(estimate(state, kOutline, history(), kStart).progress, 0);
  end(state, "validate", 10s);
  begin(state, "create", 10s);
  const auto now = kStart + 40s;
  const auto found = estimate(state, kOutline, history(), now);
  EXPECT_EQ(found.progress, 40);  // 10 s of validate and half of create
  EXPECT_EQ(found.completion, now + 60s);
}

TEST(Estimate, AStepThatTakesLongerThanUsualIsNeverDone) {
  auto state = running();
  begin(state, "validate", 0s);
  const auto found =
      estimate(state, {"validate"}, TypeTimings(3, {.total = 10s, .steps = {{"validate", 10s}}}), kStart + 10min);
  EXPECT_EQ(found.progress, 99);
  EXPECT_GT(*found.completion, kStart + 10min);
}

TEST(Estimate, ProgressNeverFallsWhileARunIsUnderWay) {
  auto state = running();
  std::int64_t last = 0;
  Duration at{0};
  for (const auto* step : {"validate", "surprise", "create", "wait"}) {
    begin(state, step, at);
    for (int i = 0; i < 50; ++i, at += 1s) {
      const auto progress = estimate(state, kOutline, history(), kStart + at).progress;
      EXPECT_GE(progress, last) << step << " at " << at.count();
      EXPECT_LT(progress, 100);
      last = progress;
    }
    end(state, step, at);
  }
}

TEST(Estimate, WithLittleHistoryNothingIsForeseenAndStepsWeighTheSame) {
  auto state = running();
  begin(state, "validate", 0s);
  end(state, "validate", 1s);
  const auto found = estimate(state, kOutline, history(2), kStart + 1s);
  EXPECT_EQ(found.progress, 33);
  EXPECT_EQ(found.completion, std::nullopt);
  EXPECT_EQ(usual_duration(history(2)), std::nullopt);
  EXPECT_EQ(usual_duration(history(3)), 100s);
}

TEST(Estimate, OfARunThatWaitsOrIsStoppedOrHasEnded) {
  auto state = running();
  state.status = RunStatus::pending;
  EXPECT_EQ(estimate(state, kOutline, history(), kStart).progress, 0);
  EXPECT_EQ(estimate(state, kOutline, history(), kStart).completion, std::nullopt);
  state.status = RunStatus::running;
  state.cancel_requested_at = kStart;
  EXPECT_EQ(estimate(state, kOutline, history(), kStart).completion, std::nullopt);
  state.status = RunStatus::cancelled;
  EXPECT_EQ(estimate(state, kOutline, history(), kStart).progress, 100);
}

TEST(RunTiming, LeavesOutItemsOfFanOutsAndTimeInAQueue) {
  auto state = running();
  state.began_at = kStart + 5s;
  state.status = RunStatus::completed;
  state.ended_at = kStart + 25s;
  for (const auto* step : {"each", "each[0]"}) {
    begin(state, step, 5s);
    end(state, step, 20s);
  }
  const auto timing = timing_of(state);
  EXPECT_EQ(timing.total, 20s);
  EXPECT_EQ(timing.steps, (std::map<std::string, Duration>{{"each", 15s}}));
}

}  // namespace
}  // namespace slipway::durable
