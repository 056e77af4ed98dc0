#pragma once
// Answers kept under the caller's Idempotency-Key (WF-41), written in the transaction of the deed: a deed that is
// stored has its answer stored, and one that is not can be tried again.

#include <optional>
#include <string>

#include "base/time.h"
#include "store/store.h"

namespace slipway::fleet {

inline constexpr base::Duration kIdempotencyKept = std::chrono::hours(24);
inline constexpr std::size_t kIdempotencyKeyMax = 255;

struct StoredAnswer {
  std::string request_hash;  // of method, path and body
  std::int64_t status = 0;
  std::string headers;  // JSON object
  std::string body;
};

std::optional<StoredAnswer> find_answer(store::Transaction& tx, const std::string& caller, const std::string& key,
                                        base::Instant now);
// CONSTRAINT_VIOLATED when the key is taken.
void store_answer(store::Transaction& tx, const std::string& caller, const std::string& key, const StoredAnswer& answer,
                  base::Instant now);
// Removes answers past their time, at most kRemovedAtOnce; gives how many.
std::int64_t forget_old_answers(store::Transaction& tx, base::Instant now);

}  // namespace slipway::fleet
