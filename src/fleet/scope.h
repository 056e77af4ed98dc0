#pragma once
// Whose records a query may touch. Every query of the fleet takes one, so that none can be written without deciding it.

#include <cstdint>
#include <optional>
#include <string>

#include "base/id.h"

namespace slipway::fleet {

// How many old rows one write removes: longer would hold up the writes of users.
inline constexpr std::int64_t kRemovedAtOnce = 1'000;

class Scope {
 public:
  // Only what belongs to this user.
  static Scope owner(base::UserId user) { return Scope(std::move(user)); }
  // Everything. `why` is for the reader of the call: who has the right, or which part of the hub acts by itself.
  static Scope everything([[maybe_unused]] std::string_view why) { return Scope({}); }

  bool is_everything() const { return !owner_; }
  // For SQL of the form `($1 IS NULL OR owner_id = $1)`.
  std::optional<std::string> owner_id() const {
    return owner_ ? std::optional<std::string>(owner_->str()) : std::nullopt;
  }

 private:
  explicit Scope(std::optional<base::UserId> owner) : owner_(std::move(owner)) {}
  std::optional<base::UserId> owner_;
};

}  // namespace slipway::fleet
