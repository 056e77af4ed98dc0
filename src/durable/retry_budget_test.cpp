#include "durable/retry_budget.h"

#include <gtest/gtest.h>

namespace slipway::durable {
namespace {

using namespace std::chrono_literals;
const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);

TEST(RetryBudgets, ABurstIsFreeAndWhatComesAfterStandsInALineThatMovesSteadily) {
  RetryBudgets budgets({.burst = 3, .per_second = 2, .earned_by_success = 0});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(budgets.reserve("api", kNow), 0ms);
  EXPECT_EQ(budgets.reserve("api", kNow), 500ms);
  EXPECT_EQ(budgets.reserve("api", kNow), 1'000ms);
}

TEST(RetryBudgets, AThousandFailuresAtOnceBecomeTwoRetriesASecond) {
  RetryBudgets budgets({.burst = 20, .per_second = 2});
  base::Duration last{0};
  for (int i = 0; i < 1'000; ++i) last = budgets.reserve("api", kNow);
  EXPECT_EQ(last, 490s);
}

TEST(RetryBudgets, EndpointsDoNotPayForEachOther) {
  RetryBudgets budgets({.burst = 1, .per_second = 1});
  budgets.reserve("broken", kNow);
  EXPECT_GT(budgets.reserve("broken", kNow), 0ms);
  EXPECT_EQ(budgets.reserve("sound", kNow), 0ms);
}

TEST(RetryBudgets, TimeAndSuccessesRefillItUpToTheBurst) {
  RetryBudgets budgets({.burst = 2, .per_second = 1, .earned_by_success = 0.5});
  for (int i = 0; i < 2; ++i) budgets.reserve("api", kNow);
  budgets.on_success("api", kNow);
  budgets.on_success("api", kNow);
  EXPECT_EQ(budgets.reserve("api", kNow), 0ms);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(budgets.reserve("api", kNow + 1h), 0ms);
  EXPECT_GT(budgets.reserve("api", kNow + 1h), 0ms);
}

}  // namespace
}  // namespace slipway::durable
