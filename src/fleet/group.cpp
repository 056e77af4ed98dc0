#include "fleet/group.h"

#include <algorithm>

#include "fleet/workspace.h"

namespace slipway::fleet {
namespace {

#define GROUP_COLUMNS "SELECT name, daily_budget, version, created_at, updated_at FROM user_groups "

Group to_group(store::Transaction& tx, const store::Row& row) {
  Group group{.name = row.text(0),
              .daily_budget = row.integer(1),
              .version = row.integer(2),
              .created_at = row.instant(3),
              .updated_at = row.instant(4)};
  for (const auto& member :
       tx.query("SELECT user_id FROM user_group_members WHERE group_name = $1 ORDER BY user_id", {group.name}))
    group.members.emplace_back(member.text(0));
  return group;
}

void check(store::Transaction& tx, const std::string& name, std::int64_t daily_budget,
           const std::vector<base::UserId>& members) {
  validate_name("name", name);
  if (daily_budget < 0 || daily_budget > kBudgetMax)
    throw base::validation_error("dailyBudget", "must be from 0 to " + std::to_string(kBudgetMax));
  if (name == kEveryone && !members.empty())
    throw base::validation_error("members", "everybody is in '" + name + "': it takes none");
  if (members.size() > kGroupMembersMax)
    throw base::validation_error("members", "are more than " + std::to_string(kGroupMembersMax));
  for (std::size_t i = 0; i < members.size(); ++i)
    if (tx.query("SELECT 1 FROM users WHERE id = $1", {members[i].str()}).empty())
      throw base::validation_error("members/" + std::to_string(i), "there is no user '" + members[i].str() + "'");
}

}  // namespace

Group put_group(store::Transaction& tx, const std::string& name, std::int64_t daily_budget,
                std::vector<base::UserId> members, base::Instant now) {
  std::ranges::sort(members);
  members.erase(std::ranges::unique(members).begin(), members.end());
  check(tx, name, daily_budget, members);
  tx.execute(
      "INSERT INTO user_groups (name, daily_budget, version, created_at, updated_at) VALUES ($1, $2, 1, $3, $3) "
      "ON CONFLICT (name) DO UPDATE SET daily_budget = excluded.daily_budget, version = user_groups.version + 1, "
      "updated_at = excluded.updated_at",
      {name, daily_budget, now});
  tx.execute("DELETE FROM user_group_members WHERE group_name = $1", {name});
  std::vector<store::Parameter> rows;
  for (const auto& member : members) {
    rows.emplace_back(name);
    rows.emplace_back(member.str());
  }
  if (!rows.empty()) tx.execute_many("INSERT INTO user_group_members (group_name, user_id) VALUES ($1, $2)", 2, rows);
  return *find_group(tx, name);
}

std::optional<Group> find_group(store::Transaction& tx, const std::string& name) {
  const auto rows = tx.query(GROUP_COLUMNS "WHERE name = $1", {name});
  if (rows.empty()) return std::nullopt;
  return to_group(tx, rows.front());
}

std::vector<Group> list_groups(store::Transaction& tx) {
  std::vector<Group> groups;
  for (const auto& row : tx.query(GROUP_COLUMNS "ORDER BY name")) groups.push_back(to_group(tx, row));
  return groups;
}

bool remove_group(store::Transaction& tx, const std::string& name) {
  tx.execute("DELETE FROM user_group_members WHERE group_name = $1", {name});
  return tx.execute("DELETE FROM user_groups WHERE name = $1", {name}) > 0;
}

}  // namespace slipway::fleet
