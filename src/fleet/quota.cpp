#include "fleet/quota.h"

#include <algorithm>

#include "fleet/group.h"

namespace slipway::fleet {
namespace {

// From here on no other commit of this owner runs before this transaction has ended, on whichever replica; and what
// those before it have written is seen.
void lock_owner(store::Transaction& tx, const UserId& owner) {
  tx.execute(
      "INSERT INTO quota_owners (owner_id, commits) VALUES ($1, 1) "
      "ON CONFLICT (owner_id) DO UPDATE SET commits = quota_owners.commits + 1",
      {owner.str()});
}

std::int64_t consumed_by(store::Transaction& tx, const UserId& owner) {
  // A sum of BIGINTs is a NUMERIC on PostgreSQL.
  return tx
      .query("SELECT CAST(COALESCE(SUM(daily_cost), 0) AS BIGINT) FROM built_workspaces WHERE owner_id = $1",
             {owner.str()})
      .front()
      .integer(0);
}

struct Budget {
  std::optional<std::int64_t> total;
  std::vector<std::string> groups;
};

Budget budget_of(store::Transaction& tx, const UserId& owner) {
  if (tx.query("SELECT 1 FROM user_groups LIMIT 1").empty()) return {};
  Budget budget{.total = 0};
  for (const auto& row :
       tx.query("SELECT g.name, g.daily_budget FROM user_groups g WHERE g.name = $2 OR EXISTS (SELECT 1 FROM "
                "user_group_members m WHERE m.group_name = g.name AND m.user_id = $1) ORDER BY g.name",
                {owner.str(), kEveryone})) {
    budget.groups.push_back(row.text(0));
    *budget.total += row.integer(1);
  }
  return budget;
}

std::vector<QuotaShare> shares_of(store::Transaction& tx, const UserId& owner) {
  std::vector<QuotaShare> shares;
  for (const auto& row : tx.query("SELECT b.workspace_id, COALESCE(w.name, ''), COALESCE(t.name, ''), b.daily_cost "
                                  "FROM built_workspaces b LEFT JOIN workspaces w ON w.id = b.workspace_id "
                                  "LEFT JOIN templates t ON t.id = b.template_id "
                                  "WHERE b.owner_id = $1 ORDER BY b.daily_cost DESC, w.name LIMIT $2",
                                  {owner.str(), kQuotaSharesMax}))
    shares.push_back({WorkspaceId(row.text(0)), row.text(1), row.text(2), row.integer(3)});
  return shares;
}

std::int64_t cost_of(store::Transaction& tx, const UserId& owner, const std::optional<WorkspaceId>& workspace) {
  if (!workspace) return 0;
  const auto rows = tx.query("SELECT daily_cost FROM built_workspaces WHERE workspace_id = $1 AND owner_id = $2",
                             {workspace->str(), owner.str()});
  return rows.empty() ? 0 : rows.front().integer(0);
}

void set_cost(store::Transaction& tx, const WorkspaceId& workspace, std::int64_t daily_cost, Instant now) {
  tx.execute("UPDATE built_workspaces SET daily_cost = $2, updated_at = $3 WHERE workspace_id = $1",
             {workspace.str(), daily_cost, now});
}

}  // namespace

Quota quota_of(store::Transaction& tx, const UserId& owner) {
  auto budget = budget_of(tx, owner);
  return {.owner_id = owner,
          .consumed = consumed_by(tx, owner),
          .budget = budget.total,
          .workspaces =
              tx.query("SELECT COUNT(*) FROM built_workspaces WHERE owner_id = $1", {owner.str()}).front().integer(0),
          .groups = std::move(budget.groups),
          .shares = shares_of(tx, owner)};
}

QuotaCheck check_quota(store::Transaction& tx, const UserId& owner, const std::optional<WorkspaceId>& workspace,
                       std::int64_t daily_cost) {
  QuotaCheck check{.daily_cost = daily_cost, .previous_daily_cost = cost_of(tx, owner, workspace)};
  check.consumed = consumed_by(tx, owner) - check.previous_daily_cost + daily_cost;
  check.budget = budget_of(tx, owner).total;
  check.ok = !check.budget || check.consumed <= *check.budget || daily_cost <= check.previous_daily_cost;
  return check;
}

QuotaCommitted commit_quota(store::Transaction& tx, const Job& job, std::int64_t daily_cost, Instant now) {
  if (!job.workspace_id || !job.build_id)
    throw base::invalid_state("job " + job.id.str() + " builds no workspace: there is no quota to commit");
  if (daily_cost < 0 || daily_cost > kBudgetMax)
    throw base::validation_error("dailyCost", "must be from 0 to " + std::to_string(kBudgetMax));
  lock_owner(tx, job.owner_id);
  const auto check = check_quota(tx, job.owner_id, job.workspace_id, daily_cost);
  if (!check.ok)
    return {.ok = false, .consumed = check.consumed - daily_cost + check.previous_daily_cost, .budget = check.budget};
  tx.execute("UPDATE workspace_builds SET daily_cost = $2 WHERE id = $1", {job.build_id->str(), daily_cost});
  // What is to be taken away costs until it is.
  set_cost(tx, *job.workspace_id, std::max(daily_cost, check.previous_daily_cost), now);
  return {.ok = true, .consumed = check.consumed, .budget = check.budget};
}

std::int64_t held_cost(store::Transaction& tx, const WorkspaceId& workspace) {
  const auto rows = tx.query("SELECT daily_cost FROM built_workspaces WHERE workspace_id = $1", {workspace.str()});
  return rows.empty() ? 0 : rows.front().integer(0);
}

void settle_quota(store::Transaction& tx, const WorkspaceId& workspace, std::int64_t daily_cost, Instant now) {
  set_cost(tx, workspace, daily_cost, now);
}

}  // namespace slipway::fleet
