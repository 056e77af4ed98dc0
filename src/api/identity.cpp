// Who the caller is; API keys and the audit log, for admins.

#include <charconv>

#include "api/commit.h"
#include "api/routes.h"
#include "fleet/identity.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kNameMax = 100;

struct CreateKey {
  std::string name;
  std::optional<std::string> user_id;  // absent: a new user of that name
  std::optional<fleet::Role> role;     // of a new user
};
SLIPWAY_JSON_SNAKE(CreateKey, name, user_id, role)

Answer me(Call& call) {
  expect_query(call, {});
  const auto& caller = *call.caller;
  co_return call.success(200, json::Object{{"user_id", caller.user.str()},
                                           {"name", caller.name},
                                           {"role", json::to_value(caller.role)},
                                           {"version", call.hub.version}});
}

Answer list_keys(Call& call) {
  expect_query(call, {});
  std::vector<fleet::ApiKey> keys;
  co_await read(call.hub, [&](store::Transaction& tx) { keys = fleet::list_keys(tx); });
  json::Array items;
  for (const auto& key : keys) items.push_back(json::to_value(key));
  const auto count = std::int64_t(keys.size());
  co_return list(call.meta(), std::move(items), {.total = count, .page_size = count});
}

Answer create_key(Call& call) {
  expect_query(call, {});
  const auto request = parse_body<CreateKey>(call);
  if (request.name.empty() || request.name.size() > kNameMax)
    throw base::validation_error("name", "must have 1 to " + std::to_string(kNameMax) + " bytes");
  if (request.user_id && request.role)
    throw base::validation_error("role", "is that of the user; leave it out when user_id is given");
  const auto secret = fleet::make_key();
  const auto now = call.hub.clock.now();
  fleet::ApiKey key{.id = call.hub.ids.make<base::KeyId>(),
                    .name = request.name,
                    .user_id = request.user_id ? base::UserId(*request.user_id) : call.hub.ids.make<base::UserId>(),
                    .user_name = request.name,
                    .role = request.role.value_or(fleet::Role::member),
                    .created_at = now};
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    if (request.user_id) {
      const auto user = fleet::find_user(tx, key.user_id);
      if (!user) throw base::validation_error("user_id", "there is no user '" + *request.user_id + "'");
      key.user_name = user->name;
      key.role = user->role;
    } else {
      fleet::insert_user(tx, {key.user_id, key.user_name, key.role, now});
    }
    fleet::insert_key(tx, key, fleet::hash_of(secret));
    auto data = json::to_value(key).as_object();
    data["key"] = secret.reveal();
    return Deed{.answer = call.success(201, data),
                .action = "api-key.create",
                .resource_type = "api-key",
                .resource_id = key.id.str(),
                .details = json::Object{{"user", key.user_id.str()}}};
  });
  co_return std::move(committed.answer);
}

Answer delete_key(Call& call) {
  expect_query(call, {});
  const base::KeyId id(call.parameters.at(0));
  if (id.str() == call.caller->key_id)
    throw base::Error(base::ErrorClass::conflict, "CONFLICT", "a key cannot delete itself: use another one");
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    if (!fleet::remove_key(tx, id)) throw base::not_found("API key", id.str());
    return Deed{.answer = call.success(200, json::Object{{"id", id.str()}}),
                .action = "api-key.delete",
                .resource_type = "api-key",
                .resource_id = id.str()};
  });
  call.hub.key_cache.forget_all();
  co_return std::move(committed.answer);
}

Answer list_audit(Call& call) {
  expect_query(call, {"limit", "cursor"});
  const auto paging = read_paging(call);
  std::optional<std::int64_t> before;
  if (!paging.cursor.empty()) {
    std::int64_t seq = 0;
    const auto [end, failure] = std::from_chars(paging.cursor.data(), paging.cursor.data() + paging.cursor.size(), seq);
    if (failure != std::errc() || end != paging.cursor.data() + paging.cursor.size())
      throw base::validation_error("cursor", "is none of ours");
    before = seq;
  }
  std::vector<fleet::AuditEntry> entries;
  Page page{.page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    entries = fleet::list_audit(tx, before, paging.limit + 1);
    page.total = fleet::count_audit(tx);
  });
  page.has_more = std::int64_t(entries.size()) > paging.limit;
  if (page.has_more) {
    entries.pop_back();
    page.next_cursor = std::to_string(entries.back().seq);
  }
  json::Array items;
  for (const auto& entry : entries) items.push_back(json::to_value(entry));
  co_return list(call.meta(), std::move(items), page);
}

}  // namespace

void add_identity_routes(Router& router) {
  router.add(net::Method::get, "/v1/me", Permission::member, me);
  router.add(net::Method::get, "/v1/api-keys", Permission::admin, list_keys);
  router.add(net::Method::post, "/v1/api-keys", Permission::admin, create_key);
  router.add(net::Method::del, "/v1/api-keys/:id", Permission::admin, delete_key);
  router.add(net::Method::get, "/v1/audit", Permission::admin, list_audit);
}

}  // namespace slipway::api
