// Who the caller is; and API keys, for admins.

#include "fleet/identity.h"
#include "api/commit.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kNameMax = 100;  // characters

struct MeView {
  base::UserId user_id;
  std::string name;
  fleet::Role role = fleet::Role::member;
  std::string version;
};
SLIPWAY_JSON_SNAKE(MeView, user_id, name, role, version)
inline const json::Rules& json_rules(const MeView*) {
  static const json::Rules rules{{.member = "version", .description = "Of the hub"}};
  return rules;
}

struct CreateKey {
  std::string name;
  std::optional<std::string> user_id;  // absent: a new user of that name
  std::optional<fleet::Role> role;     // of a new user
};
SLIPWAY_JSON_SNAKE(CreateKey, name, user_id, role)
inline const json::Rules& json_rules(const CreateKey*) {
  static const json::Rules rules{
      {.member = "name",
       .description = "What it is for; of a new user also the name",
       .min_length = 1,
       .max_length = kNameMax,
       .example = R"("ci")"},
      {.member = "user_id", .description = "Whose it is; a new user, if not given", .max_length = kNameMax},
      {.member = "role", .description = "Of a new user; member, if not given. Not together with user_id"}};
  return rules;
}

struct CreatedKey {
  base::KeyId id;
  std::string name;
  base::UserId user_id;
  std::string user_name;
  fleet::Role role = fleet::Role::member;
  base::Instant created_at;
  std::string key;
};
SLIPWAY_JSON_SNAKE(CreatedKey, id, name, user_id, user_name, role, created_at, key)
inline const json::Rules& json_rules(const CreatedKey*) {
  static const json::Rules rules{{.member = "key", .description = "The key itself, shown this once"}};
  return rules;
}

struct DeletedKey {
  base::KeyId id;
};
SLIPWAY_JSON_SNAKE(DeletedKey, id)

Answer me(Call& call) {
  parse_query<NoQuery>(call);
  const auto& caller = *call.caller;
  co_return call.success(200, json::to_value(MeView{caller.user, caller.name, caller.role, call.hub.version}));
}

Answer list_keys(Call& call) {
  const auto paging = paging_of(parse_query<CursorQuery>(call));
  const std::string after = read_cursor(call, paging.cursor);
  std::vector<fleet::ApiKey> keys;
  Page page{.page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    keys = fleet::list_keys(tx, after, paging.limit + 1);
    page.total = fleet::count_keys(tx);
  });
  page.has_more = std::int64_t(keys.size()) > paging.limit;
  if (page.has_more) {
    keys.pop_back();
    page.next_cursor = make_cursor(call, keys.back().id.str());
  }
  json::Array items;
  for (const auto& key : keys) items.push_back(json::to_value(key));
  co_return list(call.meta(), std::move(items), page);
}

Answer create_key(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<CreateKey>(call);
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
    const CreatedKey created{key.id, key.name, key.user_id, key.user_name, key.role, key.created_at, secret.reveal()};
    return Deed{.answer = call.success(201, json::to_value(created)),
                .action = "api-key.create",
                .resource_type = "api-key",
                .resource_id = key.id.str(),
                .details = json::Object{{"user", key.user_id.str()}}};
  });
  co_return std::move(committed.answer);
}

Answer delete_key(Call& call) {
  parse_query<NoQuery>(call);
  const base::KeyId id(call.parameters.at(0));
  if (id.str() == call.caller->key_id)
    throw base::Error(base::ErrorClass::conflict, "CONFLICT", "a key cannot delete itself: use another one");
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    if (!fleet::remove_key(tx, id)) throw base::not_found("API key", id.str());
    return Deed{.answer = call.success(200, json::to_value(DeletedKey{id})),
                .action = "api-key.delete",
                .resource_type = "api-key",
                .resource_id = id.str()};
  });
  call.hub.key_cache.forget_all();
  co_return std::move(committed.answer);
}

}  // namespace

void add_identity_routes(Router& router) {
  router.add(net::Method::get, "/v1/me", Permission::member, me,
             {.id = "getMe", .tag = "Identity", .summary = "Whose the key is", .answer = one<MeView>()});
  router.add(net::Method::get, "/v1/api-keys", Permission::admin, list_keys,
             {.id = "listApiKeys",
              .tag = "Identity",
              .summary = "All keys, oldest first; never the keys themselves",
              .query = query_of<CursorQuery>(),
              .answer = page_of<fleet::ApiKey>()});
  router.add(net::Method::post, "/v1/api-keys", Permission::admin, create_key,
             {.id = "createApiKey",
              .tag = "Identity",
              .summary = "Makes a key for a user, or for a new one",
              .body = body_of<CreateKey>(),
              .answer = one<CreatedKey>(201)});
  router.add(net::Method::del, "/v1/api-keys/:id", Permission::admin, delete_key,
             {.id = "deleteApiKey",
              .tag = "Identity",
              .summary = "Takes a key away: it opens nothing from now on",
              .answer = one<DeletedKey>()});
}

}  // namespace slipway::api
