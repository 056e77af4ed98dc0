#include "durable/retry.h"

#include <algorithm>
#include <cmath>

namespace slipway::durable {

std::optional<base::Duration> Retry::delay(std::int64_t attempts, base::Duration since_first, const base::Error& error,
                                           base::Random& random) const {
  using base::ErrorClass;
  const bool quota = error.error_class() == ErrorClass::quota;
  if (error.error_class() != ErrorClass::transient && error.error_class() != ErrorClass::throttled && !quota)
    return std::nullopt;
  if (attempts_max <= 1 || (quota && !waits_for_quota)) return std::nullopt;
  if (!quota && (attempts >= attempts_max || since_first >= time_max)) return std::nullopt;

  const double cap = double((quota ? quota_delay_max : delay_max).count());
  const double exact = std::min(cap, double(first_delay.count()) * std::pow(factor, double(attempts - 1)));
  auto delay = base::Duration(std::int64_t(exact * (0.5 + 0.5 * random.fraction())));
  if (const auto least = error.retry_after()) delay = std::max(delay, *least);
  return delay;
}

}  // namespace slipway::durable
