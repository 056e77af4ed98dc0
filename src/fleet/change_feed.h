#pragma once
// The feed of changes that live streams, webhooks and rollups read (HUB-9, WF-44): written in the transaction of the
// change, so that it cannot disagree with the records.
//
// Rows are numbered when they are written, and seen when they are committed: on PostgreSQL, where replicas write side
// by side, a lower number may be seen after a higher one. So nobody may read past what is *settled*: a number up to
// which nothing can be added any more. Each hub has one FeedReader that finds it; all other readers stop there.

#include <set>
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
  std::string type;  // workspace.created, workspace.updated, workspace.deleted; those of runs: run_changes.h
  std::string resource_id;
  base::Instant at;
  json::Value data;  // the workspace as it became, or the run (RunChange)
};
SLIPWAY_JSON_SNAKE(Change, seq, type, resource_id, at, data)

void record_change(store::Transaction& tx, const base::UserId& owner, std::string_view type,
                   const std::string& resource_id, base::Instant at, const json::Value& data);

// Changes after `after` and up to `until`, oldest first, at most `limit`. `until` is to be settled.
std::vector<Change> changes_between(store::Transaction& tx, const Scope& scope, std::int64_t after, std::int64_t until,
                                    std::int64_t limit);
struct OwnedChange {
  std::string owner_id;
  Change change;
};
// The same, everyone's: for readers that hand them out by scope.
std::vector<OwnedChange> all_changes_between(store::Transaction& tx, std::int64_t after, std::int64_t until,
                                             std::int64_t limit);

// The same without a bound, for a reader who has made sure otherwise that nothing is added below what he has read.
std::vector<OwnedChange> all_changes_after(store::Transaction& tx, std::int64_t seq, std::int64_t limit);
// The newest change's number, settled or not; 0 when there is none.
std::int64_t last_change(store::Transaction& tx);

// Reads on as far as is settled, a page at a time, from the newest change of when it began. It remembers what it waits
// for between reads; for one reader at a time.
class FeedReader {
 public:
  // Each call in a read of its own: what it finds out rests on the order of snapshots. Empty while it begins. Gives
  // each change once, also if the read fails afterwards: then what it returned is still to be used.
  std::vector<OwnedChange> read(store::Transaction& tx, std::int64_t limit);
  // All up to this number was read, or was there when it began; and nothing can be added.
  std::int64_t settled() const { return settled_; }
  // False until the first change after the beginning would be read.
  bool has_begun() const { return has_begun_; }
  // The last read stopped at a number that somebody may still commit: it is worth to look again very soon.
  bool is_waiting() const { return is_waiting_; }

 private:
  using Writers = std::set<std::string>;
  void begin(store::Transaction& tx);
  void wait_for_writers(store::Transaction& tx, std::int64_t newest);
  static Writers writers(store::Transaction& tx);

  bool has_begun_ = false;
  bool is_waiting_ = false;
  std::int64_t settled_ = 0;
  // Those who were writing when all up to `asked_until_` had been numbered. Once they have ended, so is all of that
  // seen, or never will be: by the reads after that.
  Writers writers_;
  std::int64_t asked_until_ = 0;
  std::int64_t cleared_until_ = 0;
};

// Throws UNSUPPORTED_DATABASE (user) when the database cannot tell who is writing, which a FeedReader asks: a server
// that speaks PostgreSQL's language without its pg_locks. To be called once, at the start.
void require_feed_support(store::Transaction& tx);

// The oldest change that is kept, 0 when there is none. Those before it are gone: a reader who needs them starts anew.
std::int64_t first_change(store::Transaction& tx);
// Removes the oldest that rollups and webhooks have passed: from before `before`, and those beyond kChangesMax, whether
// webhooks have passed them or not. At most kRemovedAtOnce; gives how many.
inline constexpr std::int64_t kChangesMax = 2'000'000;  // about a gigabyte
std::int64_t trim_changes(store::Transaction& tx, base::Instant before);

}  // namespace slipway::fleet
