#pragma once
// A circuit breaker for each endpoint (WP-16): when most calls of a host fail for reasons that pass, further ones are
// refused at once for a while, so that one broken cloud does not hold all workers. Then single calls probe it.

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace slipway::google {

struct CircuitSettings {
  base::Duration window{30'000};     // what is counted
  std::int64_t calls_min = 10;       // in the window, before it may open: a few failures say nothing
  double failures_max = 0.5;         // more than this part of them opens it
  base::Duration open_first{2'000};  // how long it stays open; doubles with each probe that fails
  base::Duration open_max{60'000};
};

enum class CircuitState { closed, half_open, open };
BOOST_DESCRIBE_ENUM(CircuitState, closed, half_open, open)

// Thread-safe.
class CircuitBreaker {
 public:
  CircuitBreaker(std::string endpoint, CircuitSettings settings, const base::Clock& clock);

  // One call's leave. What it does not tell before it goes counts for neither side.
  class Permit {
   public:
    Permit(Permit&& other) noexcept : breaker_(std::exchange(other.breaker_, nullptr)), epoch_(other.epoch_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit();
    void succeeded();
    void failed();

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker* breaker, std::uint64_t epoch) : breaker_(breaker), epoch_(epoch) {}
    CircuitBreaker* breaker_;
    std::uint64_t epoch_;
  };
  // Throws CIRCUIT_OPEN (transient, with retry_after, no call made) while it is open, or half open and probed by
  // another.
  [[nodiscard]] Permit enter();
  CircuitState state() const;

 private:
  enum class Outcome { success, failure, none };
  void finish(std::uint64_t epoch, Outcome outcome);
  // With the mutex held.
  [[noreturn]] void refuse(base::Duration after) const;
  void open(base::Instant now);
  void close();
  void count(Outcome outcome, base::Instant now);
  bool is_broken() const;

  const std::string endpoint_;
  const CircuitSettings settings_;
  const base::Clock& clock_;

  mutable std::mutex mutex_;
  CircuitState state_ = CircuitState::closed;
  std::uint64_t epoch_ = 0;  // of the state: what was begun in an earlier one is not counted in this
  base::Instant open_until_{};
  base::Duration open_for_{0};
  bool is_probed_ = false;
  struct Slice {
    base::Instant begins;
    std::int64_t calls = 0, failures = 0;
  };
  std::vector<Slice> slices_;  // of the window, oldest first
};

}  // namespace slipway::google
