#pragma once
// Groups of users, each with a daily budget in credits (RUN-11). Everybody is in `everyone`, once there is such a
// group. For admins.

#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "store/store.h"

namespace slipway::fleet {

inline constexpr std::string_view kEveryone = "everyone";
inline constexpr std::int64_t kBudgetMax =
    1'000'000'000;  // credits a day: sums of many stay far from the limit of 64 bits
inline constexpr std::size_t kGroupMembersMax = 10'000;

struct Group {
  std::string name;
  std::int64_t daily_budget = 0;
  std::vector<base::UserId> members;  // sorted; of `everyone` none are kept
  std::int64_t version = 1;
  base::Instant created_at;
  base::Instant updated_at;
};
SLIPWAY_JSON_CAMEL(Group, name, daily_budget, members, version, created_at, updated_at)

// Makes it, or sets all of it. Throws VALIDATION_ERROR for a bad name, a budget out of bounds, a user who is not there,
// and members of `everyone`.
Group put_group(store::Transaction& tx, const std::string& name, std::int64_t daily_budget,
                std::vector<base::UserId> members, base::Instant now);
std::optional<Group> find_group(store::Transaction& tx, const std::string& name);
std::vector<Group> list_groups(store::Transaction& tx);  // by name
bool remove_group(store::Transaction& tx, const std::string& name);

}  // namespace slipway::fleet
