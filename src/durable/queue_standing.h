#pragma once
// What a run waits for and where in line it stands: one answer for `slipway why`, the API's runs and its queues.

#include <optional>
#include <string>

#include "durable/queue_line.h"
#include "store/store.h"

namespace slipway::durable::queues {

struct Standing {
  std::string queue;
  std::string key;
  std::int64_t priority = 0;
  Instant since;
  std::int64_t ahead = 0;  // how many would go before it if nobody else came; runs of a lower class not counted
  WaitReason reason = WaitReason::next;
  std::optional<Instant> until;  // when its time comes, or the rate gives the next place
  std::string explanation;       // for people, a clause: "as many as may (3) of 'builds' are at work"
};
// Null for a run that waits in no queue.
std::optional<Standing> standing_of(store::Transaction& tx, const base::RunId& run, Instant now);

}  // namespace slipway::durable::queues
