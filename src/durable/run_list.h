#pragma once
// Lists of runs by any filter (WF-1), each page read from an index however many runs there are, and their totals.

#include <optional>
#include <string>
#include <vector>

#include "durable/journal.h"

namespace slipway::durable::journal {

// By the start. Ids are made with the run and grow with time, so it is their order, and no two are alike in it.
enum class RunOrder { newest_first, oldest_first };

// What is left out matches all.
struct Filter {
  std::vector<std::string> types;  // any of these
  std::vector<RunStatus> statuses;
  std::optional<std::string> resource_type, resource_id, triggered_by;
  std::optional<std::string> owner_id;  // empty: everyone's, for an admin
  std::optional<std::string> parent_id, retry_of;
  std::optional<bool> needs_attention;
  // On the start, `until` excluded. A hub whose clock was set back by more than an hour while it worked may have runs
  // of that time left out.
  std::optional<Instant> since, until;
  RunOrder order = RunOrder::newest_first;
  std::string after;  // cursor: the last id of the page before; empty for the first
  std::int64_t offset = 0;
  std::int64_t limit = 50;
};
std::vector<Row> list(store::Transaction& tx, const Filter& filter);

// Up to this many are counted one by one. More would make a page of a long history dearer than one of a short.
inline constexpr std::int64_t kCountedMax = 1'000;
struct Total {
  std::int64_t count = 0;
  bool is_estimate = false;
};
// Of the whole list, whatever `after`, `offset` and `limit` say.
Total total(store::Transaction& tx, const Filter& filter);

}  // namespace slipway::durable::journal
