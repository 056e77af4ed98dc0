#pragma once
// How long to wait before something is tried again: doubled each time, with jitter, so that many who failed together do
// not come back together.

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "base/time.h"

namespace slipway::runner {

class BackOff {
 public:
  BackOff(base::Random& random, base::Duration first, base::Duration most)
      : random_(random), first_(first), most_(most), next_(first) {}

  void reset() { next_ = first_; }
  // What the other side asks for is kept, up to the most: a lease may hang on our being heard.
  base::Duration after(const base::Error& error) {
    const auto ours = after();
    return std::max(ours, std::min(error.retry_after().value_or(ours), most_));
  }
  // Half of it is fixed.
  base::Duration after() {
    const auto whole = next_;
    next_ = std::min(next_ * 2, most_);
    return whole / 2 + base::Duration(std::int64_t(random_.below(std::uint64_t(whole.count()) / 2 + 1)));
  }

 private:
  base::Random& random_;
  base::Duration first_, most_, next_;
};

}  // namespace slipway::runner
