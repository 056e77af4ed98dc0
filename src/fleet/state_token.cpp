#include "fleet/state_token.h"

#include <charconv>

#include "base/digest.h"

namespace slipway::fleet {
namespace {

constexpr std::string_view kPrefix = "sls_";

std::string token_text(const Sealer& sealer, const base::JobId& job, std::int64_t fence) {
  const auto number = std::to_string(fence);
  const auto secret = sealer.derive("state of job " + job.str() + " fence " + number);
  return std::string(kPrefix) + number + "_" + base::hex(secret.reveal());
}

}  // namespace

base::Secret make_state_token(const Sealer& sealer, const base::JobId& job, std::int64_t fence) {
  return base::Secret(token_text(sealer, job, fence));
}

std::optional<std::int64_t> state_token_fence(const Sealer& sealer, const base::JobId& job, std::string_view token) {
  if (!token.starts_with(kPrefix)) return std::nullopt;
  std::int64_t fence = 0;
  const auto number = token.substr(kPrefix.size());
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), fence);
  if (error != std::errc() || end == number.data() + number.size() || *end != '_') return std::nullopt;
  if (!base::equal_in_constant_time(token_text(sealer, job, fence), token)) return std::nullopt;
  return fence;
}

}  // namespace slipway::fleet
