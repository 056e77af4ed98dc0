#include "google/circuit.h"

#include <algorithm>

#include "base/error.h"

namespace slipway::google {

namespace {
constexpr int kSlices = 10;  // how finely the window moves on
}

CircuitBreaker::CircuitBreaker(std::string endpoint, CircuitSettings settings, const base::Clock& clock)
    : endpoint_(std::move(endpoint)), settings_(settings), clock_(clock) {}

CircuitBreaker::Permit::~Permit() {
  if (breaker_) breaker_->finish(epoch_, Outcome::none);
}
void CircuitBreaker::Permit::succeeded() {
  if (breaker_) std::exchange(breaker_, nullptr)->finish(epoch_, Outcome::success);
}
void CircuitBreaker::Permit::failed() {
  if (breaker_) std::exchange(breaker_, nullptr)->finish(epoch_, Outcome::failure);
}

CircuitBreaker::Permit CircuitBreaker::enter() {
  const std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic();
  if (state_ == CircuitState::open && now >= open_until_) {
    state_ = CircuitState::half_open;
    ++epoch_;
    is_probed_ = false;
  }
  if (state_ == CircuitState::open) refuse(open_until_ - now);
  if (state_ == CircuitState::half_open && std::exchange(is_probed_, true)) refuse(settings_.open_first);
  return Permit(this, epoch_);
}

void CircuitBreaker::refuse(base::Duration after) const {
  throw base::Error(base::ErrorClass::transient, "CIRCUIT_OPEN",
                    endpoint_ + " has failed too often lately; it is left alone for a while",
                    json::Object{{"endpoint", endpoint_}})
      .with_retry_after(after)
      .with_no_call_made();
}

CircuitState CircuitBreaker::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void CircuitBreaker::finish(std::uint64_t epoch, Outcome outcome) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return;
  const auto now = clock_.monotonic();
  if (state_ == CircuitState::half_open) {
    is_probed_ = false;
    if (outcome == Outcome::failure) open(now);
    if (outcome == Outcome::success) close();
  } else if (outcome != Outcome::none) {
    count(outcome, now);
    if (outcome == Outcome::failure && is_broken()) open(now);
  }
}

void CircuitBreaker::open(base::Instant now) {
  state_ = CircuitState::open;
  ++epoch_;
  open_for_ = open_for_.count() == 0 ? settings_.open_first : std::min(open_for_ * 2, settings_.open_max);
  open_until_ = now + open_for_;
}

void CircuitBreaker::close() {
  state_ = CircuitState::closed;
  ++epoch_;
  open_for_ = base::Duration(0);
  slices_.clear();
}

void CircuitBreaker::count(Outcome outcome, base::Instant now) {
  std::erase_if(slices_, [&](const Slice& slice) { return slice.begins + settings_.window <= now; });
  if (slices_.empty() || slices_.back().begins + settings_.window / kSlices <= now) slices_.push_back({now});
  ++slices_.back().calls;
  if (outcome == Outcome::failure) ++slices_.back().failures;
}

bool CircuitBreaker::is_broken() const {
  std::int64_t calls = 0, failures = 0;
  for (const auto& slice : slices_) {
    calls += slice.calls;
    failures += slice.failures;
  }
  return calls >= settings_.calls_min && double(failures) > settings_.failures_max * double(calls);
}

}  // namespace slipway::google
