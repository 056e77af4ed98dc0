#pragma once
// Randomness, injected like the clock.

#include <cstdint>
#include <random>
#include <span>
#include <string>

namespace slipway::base {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  // Uniform in [0, bound); bound > 0. The bias of the modulo is below 2^-32 for the bounds that we use.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // Uniform in [0, 1).
  double fraction() { return double(next() >> 11) * 0x1.0p-53; }
};

// The kernel's generator, fit for secrets. Thread-safe.
class SystemRandom final : public Random {
 public:
  std::uint64_t next() override;
};

// The same numbers for the same seed: tests and simulation. Not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

// `bytes` random bytes from the kernel, as unpadded base64url: tokens and keys.
std::string random_token(std::size_t bytes);

}  // namespace slipway::base
