#pragma once
// What a user's workspaces may cost a day (RUN-11), in credits. The budget is the sum over the groups that the user is
// in (group.h); while there is no group at all there is no limit.

#include <optional>
#include <string>
#include <vector>

#include "fleet/job.h"

namespace slipway::fleet {

// What one of them takes of it.
struct QuotaShare {
  WorkspaceId workspace_id;
  std::string name;
  std::string template_name;
  std::int64_t daily_cost = 0;
};
SLIPWAY_JSON_CAMEL(QuotaShare, workspace_id, name, template_name, daily_cost)

inline constexpr std::int64_t kQuotaSharesMax = 100;  // told of: a person has few, and the rest is in `consumed`

struct Quota {
  UserId owner_id;
  std::int64_t consumed = 0;           // by all of the owner's workspaces
  std::optional<std::int64_t> budget;  // absent: no limit
  std::int64_t workspaces = 0;         // that are built from templates
  std::vector<std::string> groups;     // that the budget is the sum of
  std::vector<QuotaShare> shares;      // the dearest first, at most kQuotaSharesMax
};
SLIPWAY_JSON_CAMEL(Quota, owner_id, consumed, budget, workspaces, groups, shares)

Quota quota_of(store::Transaction& tx, const UserId& owner);

struct QuotaCheck {
  bool ok = true;
  std::int64_t daily_cost = 0;           // of the build that is asked about
  std::int64_t previous_daily_cost = 0;  // what its workspace costs now
  std::int64_t consumed = 0;             // by all of the owner's workspaces after that build
  std::optional<std::int64_t> budget;
};
SLIPWAY_JSON_CAMEL(QuotaCheck, ok, daily_cost, previous_daily_cost, consumed, budget)

// Whether a build of that cost would pass now. `workspace`: which it is for; absent for a new one.
QuotaCheck check_quota(store::Transaction& tx, const UserId& owner, const std::optional<WorkspaceId>& workspace,
                       std::int64_t daily_cost);

// Asks for the cost of a build; if it passes, its workspace holds the greater of this and what it held before, until
// the build is done (settle_quota). One that costs no more than its workspace does now always passes. The commits of
// one owner are done one after another: none fails because of another. Repeating it changes nothing.
QuotaCommitted commit_quota(store::Transaction& tx, const Job& job, std::int64_t daily_cost, Instant now);
// What the workspace holds of its owner's budget; 0 for one that is gone.
std::int64_t held_cost(store::Transaction& tx, const WorkspaceId& workspace);
// The build is done: from now on its workspace costs what was made.
void settle_quota(store::Transaction& tx, const WorkspaceId& workspace, std::int64_t daily_cost, Instant now);

}  // namespace slipway::fleet
