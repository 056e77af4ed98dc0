#include "fleet/identity.h"

#include "base/digest.h"
#include "base/enum_name.h"
#include "base/random.h"

namespace slipway::fleet {
namespace {

#define KEY_COLUMNS                                                               \
  "SELECT k.id, k.name, k.user_id, u.name, u.role, k.created_at FROM api_keys k " \
  "JOIN users u ON u.id = k.user_id "

ApiKey to_key(const store::Row& row) {
  return {base::KeyId(row.text(0)),          row.text(1),   base::UserId(row.text(2)), row.text(3),
          base::value_of<Role>(row.text(4)), row.instant(5)};
}

}  // namespace

base::Secret make_key() { return base::Secret(std::string(kKeyPrefix) + base::random_token(32)); }

std::string hash_of(const base::Secret& secret) { return base::sha256_hex(secret.reveal()); }

void insert_user(store::Transaction& tx, const User& user) {
  tx.execute("INSERT INTO users (id, name, role, created_at) VALUES ($1, $2, $3, $4)",
             {user.id.str(), user.name, base::name_of(user.role), user.created_at});
}

std::optional<User> find_user(store::Transaction& tx, const base::UserId& id) {
  const auto rows = tx.query("SELECT id, name, role, created_at FROM users WHERE id = $1", {id.str()});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows.front();
  return User{base::UserId(row.text(0)), row.text(1), base::value_of<Role>(row.text(2)), row.instant(3)};
}

std::optional<User> find_admin(store::Transaction& tx, const std::string& name) {
  const auto rows = tx.query("SELECT id FROM users WHERE role = 'admin' AND name = $1 ORDER BY id LIMIT 1", {name});
  if (rows.empty()) return std::nullopt;
  return find_user(tx, base::UserId(rows.front().text(0)));
}

void insert_key(store::Transaction& tx, const ApiKey& key, const std::string& hash) {
  tx.execute("INSERT INTO api_keys (id, user_id, name, hash, created_at) VALUES ($1, $2, $3, $4, $5)",
             {key.id.str(), key.user_id.str(), key.name, hash, key.created_at});
}

std::optional<ApiKey> find_key_by_hash(store::Transaction& tx, const std::string& hash) {
  const auto rows = tx.query(KEY_COLUMNS "WHERE k.hash = $1", {hash});
  if (rows.empty()) return std::nullopt;
  return to_key(rows.front());
}

std::optional<ApiKey> find_key(store::Transaction& tx, const base::KeyId& id) {
  const auto rows = tx.query(KEY_COLUMNS "WHERE k.id = $1", {id.str()});
  if (rows.empty()) return std::nullopt;
  return to_key(rows.front());
}

std::vector<ApiKey> list_keys(store::Transaction& tx, const std::string& after, std::int64_t limit) {
  std::vector<ApiKey> keys;
  for (const auto& row : tx.query(KEY_COLUMNS "WHERE k.id > $1 ORDER BY k.id LIMIT $2", {after, limit}))
    keys.push_back(to_key(row));
  return keys;
}

std::int64_t count_keys(store::Transaction& tx) { return tx.query("SELECT COUNT(*) FROM api_keys").front().integer(0); }

bool remove_key(store::Transaction& tx, const base::KeyId& id) {
  return tx.execute("DELETE FROM api_keys WHERE id = $1", {id.str()}) > 0;
}

}  // namespace slipway::fleet
