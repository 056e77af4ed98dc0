#pragma once
// Every effect that ever happened, in order; nothing is ever taken out. A test asserts on it what was done in truth,
// whatever the callers were told.

#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace slipway::simulator {

struct LedgerEntry {
  std::int64_t sequence = 0;
  base::Instant at{};
  std::string effect;        // workstation.create, workstation.create.done, topic.publish, …
  std::string resource;      // full name
  std::string uid;           // of the resource; of a message: its id
  std::string operation;     // the long-running one, if any
  std::int64_t request = 0;  // number of the request that did it; 0: time did
  bool answer_lost = false;  // a fault kept the answer from the caller
  json::Value details = nullptr;
};
SLIPWAY_JSON_SNAKE(LedgerEntry, sequence, at, effect, resource, uid, operation, request, answer_lost, details)

class Ledger {
 public:
  void append(LedgerEntry entry) {
    entry.sequence = std::int64_t(entries_.size()) + 1;
    entries_.push_back(std::move(entry));
  }
  const std::vector<LedgerEntry>& entries() const { return entries_; }
  void restore(std::vector<LedgerEntry> entries) { entries_ = std::move(entries); }

 private:
  std::vector<LedgerEntry> entries_;
};

}  // namespace slipway::simulator
