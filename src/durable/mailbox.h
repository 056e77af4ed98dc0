#pragma once
// The SQL of the mailbox: what was said to runs and not yet taken in by them (input.h).

#include <optional>
#include <vector>

#include "durable/input.h"
#include "durable/run_state.h"
#include "store/store.h"

namespace slipway::durable::mailbox {

// Puts it where the run will find it. One that waits there under the same key already is the same input. Whether the
// run is there and has not ended is for the caller to know: what reaches an ended run is removed unread.
void send(store::Transaction& tx, const Input& input);
void remove(store::Transaction& tx, const std::vector<std::int64_t>& inputs);

// Who asked for this run's cancel, if the wish still waits there.
std::optional<std::string> waiting_cancel(store::Transaction& tx, const base::RunId& run);

// An input and where its run is.
struct Letter {
  Input input;
  std::optional<base::ReplicaId> replica;  // who advances the run
  bool run_ended = false;
};
// Letters to runs of this replica, of nobody, and of the past, in their order, at most `limit`. Parked runs and
// those that wait in a queue keep theirs.
std::vector<Letter> letters_for(store::Transaction& tx, const base::ReplicaId& replica, std::int64_t limit);

}  // namespace slipway::durable::mailbox
