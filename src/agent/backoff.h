#pragma once
// How long to wait before calling again: at first so little that a restarting hub is bridged unnoticed, then more, each
// time with jitter, so that a thousand agents do not call at once.

#include <algorithm>
#include <chrono>

#include "base/random.h"
#include "base/time.h"

namespace slipway::agent {

class Backoff {
 public:
  // After a second of trying, every half second or so; that stays so for half a minute, which covers a restart.
  static constexpr base::Duration kFirst = std::chrono::milliseconds(25);
  static constexpr base::Duration kPatient = std::chrono::milliseconds(500);
  static constexpr base::Duration kPatience = std::chrono::seconds(30);
  static constexpr base::Duration kLongest = std::chrono::seconds(15);

  explicit Backoff(base::Random& random) : random_(random) {}

  void reset() { base_ = kFirst, waited_ = base::Duration(0); }
  void wait_longest() { base_ = kLongest, waited_ = kPatience; }

  base::Duration next() {
    const auto wait = base::Duration(std::int64_t(double(base_.count()) * (0.5 + 0.5 * random_.fraction())));
    waited_ += wait;
    base_ = std::min(base_ * 2, waited_ < kPatience ? kPatient : kLongest);
    return wait;
  }

 private:
  base::Random& random_;
  base::Duration base_ = kFirst;
  base::Duration waited_{0};
};

}  // namespace slipway::agent
