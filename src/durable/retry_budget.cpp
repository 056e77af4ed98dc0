#include "durable/retry_budget.h"

#include <algorithm>

namespace slipway::durable {

RetryBudgets::Budget& RetryBudgets::refilled(const std::string& endpoint, base::Instant now) {
  const auto [found, is_new] = budgets_.try_emplace(endpoint, Budget{options_.burst, now});
  Budget& budget = found->second;
  if (now > budget.at) {
    const double seconds = double((now - budget.at).count()) / 1'000.0;
    budget.left = std::min(options_.burst, budget.left + seconds * options_.per_second);
  }
  budget.at = now;  // also when the clock was set back: what was earned is kept
  return budget;
}

base::Duration RetryBudgets::reserve(const std::string& endpoint, base::Instant now) {
  Budget& budget = refilled(endpoint, now);
  budget.left -= 1;
  if (budget.left >= 0) return base::Duration(0);
  return base::Duration(std::int64_t(-budget.left / options_.per_second * 1'000.0));
}

void RetryBudgets::on_success(const std::string& endpoint, base::Instant now) {
  if (!budgets_.contains(endpoint)) return;  // full
  Budget& budget = refilled(endpoint, now);
  budget.left = std::min(options_.burst, budget.left + options_.earned_by_success);
}

}  // namespace slipway::durable
