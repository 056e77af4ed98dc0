#pragma once
// The SQL of queues as operators see them: their limits, their pauses, and how full they are.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "durable/queue_line.h"
#include "store/store.h"

namespace slipway::durable::queues {

std::optional<QueueRow> find(store::Transaction& tx, std::string_view name);
// The same, and nobody else admits from the queue or changes it before this transaction ends. Starts may still enter.
std::optional<QueueRow> find_for_update(store::Transaction& tx, std::string_view name);
std::vector<QueueRow> list(store::Transaction& tx);  // by name

// Makes the queue or changes its limits. Those that are at work already are not affected.
void put(store::Transaction& tx, const std::string& name, const QueueLimits& limits, Instant now);
// Throws NOT_FOUND.
void set_pause(store::Transaction& tx, const std::string& name, const std::optional<Pause>& pause, Instant now);
// Who waits in it goes to the default queue, and so begins. Throws NOT_FOUND, and INVALID_STATE_TRANSITION for the
// default queue, which stays.
void remove(store::Transaction& tx, const std::string& name);

struct Counts {
  std::int64_t waiting = 0;
  std::int64_t admitted = 0;             // and not yet ended
  std::optional<Instant> waiting_since;  // of the one that has waited longest
};
Counts counts(store::Transaction& tx, std::string_view queue);
std::int64_t count_admitted(store::Transaction& tx, std::string_view queue);
std::int64_t count_admitted(store::Transaction& tx, std::string_view queue, std::string_view key);

struct KeyCounts {
  std::string key;
  std::int64_t waiting = 0;
  std::int64_t admitted = 0;
  std::optional<Instant> waiting_since;
};
// Those with the most waiting runs first.
std::vector<KeyCounts> keys(store::Transaction& tx, std::string_view queue, std::int64_t limit);

// What a look at all queues finds, with reads alone.
struct Glance {
  std::string name;
  bool may_admit = false;  // somebody waits, and there seems to be a place
};
std::vector<Glance> glance(store::Transaction& tx, Instant now);

}  // namespace slipway::durable::queues
