#pragma once
// Who did what to what, from where. Written in the transaction of the deed; never changed.

#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "store/store.h"

namespace slipway::fleet {

struct AuditEntry {
  std::int64_t seq = 0;
  base::Instant at;
  std::string actor_id;
  std::string action;  // workspace.create, api-key.delete …
  std::string resource_type;
  std::string resource_id;
  std::string request_id;
  std::string remote;
  json::Value details;
};
SLIPWAY_JSON_SNAKE(AuditEntry, seq, at, actor_id, action, resource_type, resource_id, request_id, remote, details)

void audit(store::Transaction& tx, const AuditEntry& entry);
// Newest first; entries with `seq` smaller than `before` when it is given.
std::vector<AuditEntry> list_audit(store::Transaction& tx, std::optional<std::int64_t> before, std::int64_t limit);
std::int64_t count_audit(store::Transaction& tx);

}  // namespace slipway::fleet
