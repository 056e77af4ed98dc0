#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/digest.h"
#include "base/error.h"

namespace slipway::base {
namespace {

void fill(void* into, std::size_t size) {
  auto* at = static_cast<char*>(into);
  while (size > 0) {
    const auto got = ::getrandom(at, size, 0);
    if (got < 0 && errno == EINTR) continue;
    SLIPWAY_ASSERT(got > 0);
    at += got;
    size -= std::size_t(got);
  }
}

}  // namespace

std::uint64_t SystemRandom::next() {
  std::uint64_t value = 0;
  fill(&value, sizeof value);
  return value;
}

std::string random_token(std::size_t bytes) {
  std::string raw(bytes, '\0');
  fill(raw.data(), raw.size());
  return base64url(raw);
}

}  // namespace slipway::base
