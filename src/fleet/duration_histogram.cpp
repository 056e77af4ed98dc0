#include "fleet/duration_histogram.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace slipway::fleet {
namespace {

constexpr int kPrecisionBits = 7;  // 2^7 buckets for each power of two

std::int64_t index_of(std::int64_t ms) {
  const int shift = std::max(0, int(std::bit_width(std::uint64_t(ms))) - kPrecisionBits - 1);
  return (std::int64_t(shift) << kPrecisionBits) + (ms >> shift);
}

std::int64_t middle_of(std::int64_t index) {
  constexpr std::int64_t kExact = std::int64_t(2) << kPrecisionBits;
  if (index < kExact) return index;
  const auto shift = (index >> kPrecisionBits) - 1;
  const auto lowest = (index - (shift << kPrecisionBits)) << shift;
  return lowest + ((std::int64_t(1) << shift) - 1) / 2;
}

std::int64_t take_number(std::string_view& text, char end) {
  std::int64_t value = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || value < 0) throw base::internal_error("a histogram cannot be read");
  text.remove_prefix(std::size_t(stop - text.data()));
  if (!text.empty()) {
    if (text.front() != end) throw base::internal_error("a histogram cannot be read");
    text.remove_prefix(1);
  }
  return value;
}

}  // namespace

void DurationHistogram::add(base::Duration duration, std::int64_t times) {
  const auto index = index_of(std::max<std::int64_t>(0, duration.count()));
  auto place = std::ranges::lower_bound(buckets_, index, {}, &Bucket::index);
  if (place == buckets_.end() || place->index != index) place = buckets_.insert(place, {index, 0});
  place->times += times;
  count_ += times;
}

void DurationHistogram::merge(const DurationHistogram& other) {
  std::vector<Bucket> merged;
  merged.reserve(buckets_.size() + other.buckets_.size());
  auto ours = buckets_.begin();
  for (const auto& theirs : other.buckets_) {
    while (ours != buckets_.end() && ours->index < theirs.index) merged.push_back(*ours++);
    merged.push_back(theirs);
    if (ours != buckets_.end() && ours->index == theirs.index) merged.back().times += (ours++)->times;
  }
  merged.insert(merged.end(), ours, buckets_.end());
  buckets_ = std::move(merged);
  count_ += other.count_;
}

std::optional<base::Duration> DurationHistogram::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  auto left = std::clamp<std::int64_t>(std::int64_t(std::ceil(q * double(count_))), 1, count_);
  for (const auto& [index, times] : buckets_) {
    left -= times;
    if (left <= 0) return base::Duration(middle_of(index));
  }
  return base::Duration(middle_of(buckets_.back().index));
}

std::string DurationHistogram::print() const {
  std::string text;
  for (const auto& [index, times] : buckets_) {
    if (!text.empty()) text += ',';
    text += std::to_string(index) + ':' + std::to_string(times);
  }
  return text;
}

DurationHistogram DurationHistogram::parse(std::string_view text) {
  DurationHistogram histogram;
  while (!text.empty()) {
    const auto index = take_number(text, ':');
    const auto times = take_number(text, ',');
    if (!histogram.buckets_.empty() && histogram.buckets_.back().index >= index)
      throw base::internal_error("a histogram cannot be read");
    histogram.buckets_.push_back({index, times});
    histogram.count_ += times;
  }
  return histogram;
}

}  // namespace slipway::fleet
