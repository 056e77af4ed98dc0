#pragma once
// Users and their API keys. A key is shown once, when it is made; only its hash is kept. Keys have 256 random bits, so
// a plain SHA-256 is enough: there is nothing to guess.

#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "base/secret.h"
#include "store/store.h"

namespace slipway::fleet {

enum class Role { member, admin };
BOOST_DESCRIBE_ENUM(Role, member, admin)

struct User {
  base::UserId id;
  std::string name;
  Role role = Role::member;
  base::Instant created_at;
};
SLIPWAY_JSON_SNAKE(User, id, name, role, created_at)

struct ApiKey {
  base::KeyId id;
  std::string name;
  base::UserId user_id;
  std::string user_name;
  Role role = Role::member;
  base::Instant created_at;
};
SLIPWAY_JSON_SNAKE(ApiKey, id, name, user_id, user_name, role, created_at)

inline constexpr std::string_view kKeyPrefix = "slk_";

base::Secret make_key();  // slk_ and 43 characters
std::string hash_of(const base::Secret& secret);

void insert_user(store::Transaction& tx, const User& user);
std::optional<User> find_user(store::Transaction& tx, const base::UserId& id);
// The oldest admin of that name.
std::optional<User> find_admin(store::Transaction& tx, const std::string& name);
void insert_key(store::Transaction& tx, const ApiKey& key, const std::string& hash);
std::optional<ApiKey> find_key_by_hash(store::Transaction& tx, const std::string& hash);
std::optional<ApiKey> find_key(store::Transaction& tx, const base::KeyId& id);
// By age, those after `after` (a key's id, or empty), at most `limit`.
std::vector<ApiKey> list_keys(store::Transaction& tx, const std::string& after, std::int64_t limit);
std::int64_t count_keys(store::Transaction& tx);
// Whether there was one.
bool remove_key(store::Transaction& tx, const base::KeyId& id);

}  // namespace slipway::fleet
