#pragma once
// Keys that were found a moment ago, so that not every request of a busy caller asks the store. For the loop's thread.

#include <optional>
#include <string>
#include <unordered_map>

#include "base/time.h"

namespace slipway::api {

template <class Key>
class KeyCache {
 public:
  // A key that was deleted through another replica works for so long at most; through this one, not at all.
  static constexpr base::Duration kKept = std::chrono::seconds(2);
  static constexpr std::size_t kMax = 10'000;  // then it starts over: bounds memory whatever callers come

  std::optional<Key> find(const std::string& hash, base::Instant now) const {
    const auto found = keys_.find(hash);
    if (found == keys_.end() || now - found->second.read_at > kKept || now < found->second.read_at) return std::nullopt;
    return found->second.key;
  }
  // `generation` as it was when the key was asked for: one that was read before a deletion is not kept after it.
  void keep(const std::string& hash, Key key, base::Instant now, std::uint64_t generation) {
    if (generation != generation_) return;
    if (keys_.size() >= kMax) keys_.clear();
    keys_.insert_or_assign(hash, Entry{std::move(key), now});
  }
  void forget_all() {
    keys_.clear();
    ++generation_;
  }
  std::uint64_t generation() const { return generation_; }

 private:
  struct Entry {
    Key key;
    base::Instant read_at;
  };
  std::unordered_map<std::string, Entry> keys_;
  std::uint64_t generation_ = 0;
};

}  // namespace slipway::api
