#pragma once
// The feed of changes that live streams read (HUB-9): written in the transaction of the change, so that it cannot
// disagree with the records.

#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

struct Change {
  std::int64_t seq = 0;
  std::string type;  // workspace.created, workspace.updated, workspace.deleted
  std::string resource_id;
  base::Instant at;
  json::Value data;  // the record as it became
};
SLIPWAY_JSON_SNAKE(Change, seq, type, resource_id, at, data)

void record_change(store::Transaction& tx, const base::UserId& owner, std::string_view type,
                   const std::string& resource_id, base::Instant at, const json::Value& data);
// Changes after `seq`, oldest first, at most `limit`.
std::vector<Change> changes_after(store::Transaction& tx, const Scope& scope, std::int64_t seq, std::int64_t limit);
struct OwnedChange {
  std::string owner_id;
  Change change;
};
// Everyone's, for the one reader that hands them out by scope.
std::vector<OwnedChange> all_changes_after(store::Transaction& tx, std::int64_t seq, std::int64_t limit);
// The newest change's number, 0 when there is none.
std::int64_t last_change(store::Transaction& tx);
// How far back a stream can resume. Removes older ones, at most kRemovedAtOnce; gives how many.
std::int64_t trim_changes(store::Transaction& tx, base::Instant before);

}  // namespace slipway::fleet
