#pragma once
// Durations counted in buckets whose width grows with them: quantiles of any number of values, mergeable, in little
// space. Up to 255 ms each millisecond has a bucket of its own; beyond that each power of two has 128 of them, so that
// a quantile is off by 0.4 % at most. Plain data.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace slipway::fleet {

class DurationHistogram {
 public:
  // A negative duration, of a clock that was set back, counts as 0.
  void add(base::Duration duration, std::int64_t times = 1);
  void merge(const DurationHistogram& other);
  std::int64_t count() const { return count_; }
  // The value at rank ceil(q * count), as the middle of its bucket; empty when there is none. 0 < q <= 1.
  std::optional<base::Duration> quantile(double q) const;

  // Those that are not empty, in their order: "12:3,340:1".
  std::string print() const;
  // The reverse. Throws INTERNAL_ERROR for a text that was not printed here.
  static DurationHistogram parse(std::string_view text);

  bool operator==(const DurationHistogram&) const = default;

 private:
  struct Bucket {
    std::int64_t index, times;
    bool operator==(const Bucket&) const = default;
  };
  std::vector<Bucket> buckets_;  // those that are not empty, by index: merging is what a summary's time goes into
  std::int64_t count_ = 0;
};

}  // namespace slipway::fleet
