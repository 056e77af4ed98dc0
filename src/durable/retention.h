#pragma once
// How long runs that have ended are kept, and their removal in batches so small that live ones do not feel it.
// What is asked and removed here is SQL only; who calls it paces it, and archives before it removes.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "durable/journal.h"
#include "store/store.h"

namespace slipway::durable {

struct RetentionRule {
  Duration keep = std::chrono::days(90);  // since the end
  std::int64_t newest_max = 100'000;      // of one type, however young
};

struct RetentionPolicy {
  RetentionRule rule;  // for types that have none of their own
  std::map<std::string, RetentionRule> of_type;

  const RetentionRule& of(const std::string& type) const {
    const auto found = of_type.find(type);
    return found == of_type.end() ? rule : found->second;
  }
};

namespace retention {

inline constexpr std::int64_t kBatch = 100;  // runs removed in one transaction

// The types of all runs that there are.
std::vector<std::string> types(store::Transaction& tx);
// Runs of this type whose end is not after the answer have outlived the rule; empty when none can have.
std::optional<Instant> outlived_until(store::Transaction& tx, const std::string& type, const RetentionRule& rule,
                                      Instant now);

// A run and its whole journal.
struct Expired {
  journal::Row row;
  std::vector<Event> events;
};
// The oldest ones of this type that ended until then, at most kBatch. A run whose journal cannot be read is among them,
// without events.
std::vector<Expired> oldest(store::Transaction& tx, const std::string& type, Instant until);
// Removes ended runs with all that belongs to them; those that are gone, or not ended, are passed over.
std::int64_t remove(store::Transaction& tx, const std::vector<RunId>& runs);

// One line of JSON for a run: {"run": {…}, "events": […]}.
std::string to_json_line(const Expired& run);

}  // namespace retention
}  // namespace slipway::durable
