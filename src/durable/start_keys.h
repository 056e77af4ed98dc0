#pragma once
// The SQL of keys under which a second start is the same run as the first: deduplication and debouncing (queue.h).

#include <optional>

#include "durable/execution.h"
#include "durable/queue.h"
#include "store/store.h"

namespace slipway::durable::queues {

// The run that the ticket's key means already, after doing to it what this start asks for: a debounced one gets the new
// input and waits anew. Else null, and the key means `record`, which is to be inserted in the same transaction.
// Of starts under one key at a time, the second waits for the first one's transaction.
std::optional<RunId> take_key(store::Transaction& tx, const RunRecord& record);

}  // namespace slipway::durable::queues
