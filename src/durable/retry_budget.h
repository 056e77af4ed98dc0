#pragma once
// How many retries an endpoint may see from this hub, all runs together: a backend that is slow or broken gets fewer
// calls, not more, however many runs fail on it at once.

#include <string>
#include <unordered_map>

#include "base/time.h"

namespace slipway::durable {

struct RetryBudgetOptions {
  double burst = 20;               // retries that may be made at once, after a while without any
  double per_second = 2;           // and steadily
  double earned_by_success = 0.2;  // a backend that mostly answers may be tried again more often
};

// For one thread.
class RetryBudgets {
 public:
  explicit RetryBudgets(RetryBudgetOptions options = {}) : options_(options) {}

  // Takes one retry from the endpoint's budget, and says how long it must wait at least: nothing while there is any
  // left, and else its place in a line that moves at the steady rate.
  base::Duration reserve(const std::string& endpoint, base::Instant now);
  void on_success(const std::string& endpoint, base::Instant now);

 private:
  struct Budget {
    double left = 0;  // below 0: reserved ahead
    base::Instant at;
  };
  Budget& refilled(const std::string& endpoint, base::Instant now);

  const RetryBudgetOptions options_;
  std::unordered_map<std::string, Budget> budgets_;
};

}  // namespace slipway::durable
