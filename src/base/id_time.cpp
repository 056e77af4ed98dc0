#include "base/id_time.h"

#include <algorithm>

namespace slipway::base {

std::string id_beginning(std::string_view prefix, Instant at) {
  constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  constexpr std::size_t kTimeLength = 10;
  constexpr std::int64_t kLatest = (std::int64_t(1) << 48) - 1;
  auto time = std::uint64_t(std::clamp<std::int64_t>(to_unix_ms(at), 0, kLatest));
  std::string text(kTimeLength, '0');
  for (std::size_t i = kTimeLength; i-- > 0; time >>= 5) text[i] = kCrockford[time & 31];
  return std::string(prefix) + text;
}

}  // namespace slipway::base
