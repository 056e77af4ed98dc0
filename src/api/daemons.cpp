// Provisioner daemons, as those who run the hub see them, and the keys that daemons show.

#include "api/commit.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/daemon.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
using fleet::DaemonKey;

constexpr std::size_t kNameMax = 100;  // characters
constexpr std::size_t kTagsMax = 50;

struct DaemonsView {
  std::vector<fleet::Daemon> daemons;
};
SLIPWAY_JSON_CAMEL(DaemonsView, daemons)

struct DaemonKeysView {
  std::vector<DaemonKey> keys;
};
SLIPWAY_JSON_CAMEL(DaemonKeysView, keys)

struct CreateDaemonKey {
  std::string name;
  std::optional<std::map<std::string, std::string>> tags;
};
SLIPWAY_JSON_CAMEL(CreateDaemonKey, name, tags)
inline const json::Rules& json_rules(const CreateDaemonKey*) {
  static const json::Rules rules{{.member = "name",
                                  .description = "What it is for; no other has it",
                                  .min_length = 1,
                                  .max_length = kNameMax,
                                  .example = R"("office")"},
                                 {.member = "tags",
                                  .description = "All that a daemon with this key may have; left out: any",
                                  .max_items = kTagsMax}};
  return rules;
}

struct CreatedDaemonKey {
  base::DaemonKeyId id;
  std::string name;
  std::optional<std::map<std::string, std::string>> tags;
  base::Instant created_at;
  std::string key;
};
SLIPWAY_JSON_CAMEL(CreatedDaemonKey, id, name, tags, created_at, key)
inline const json::Rules& json_rules(const CreatedDaemonKey*) {
  static const json::Rules rules{{.member = "key", .description = "The key itself, shown this once"}};
  return rules;
}

struct DeletedDaemonKey {
  base::DaemonKeyId id;
};
SLIPWAY_JSON_CAMEL(DeletedDaemonKey, id)

Answer list_daemons(Call& call) {
  parse_query<NoQuery>(call);
  DaemonsView view;
  co_await read(call.hub,
                [&](store::Transaction& tx) { view.daemons = fleet::list_daemons(tx, call.hub.clock.now()); });
  co_return call.success(200, json::to_value(view));
}

Answer list_keys(Call& call) {
  parse_query<NoQuery>(call);
  DaemonKeysView view;
  co_await read(call.hub, [&](store::Transaction& tx) { view.keys = fleet::list_daemon_keys(tx); });
  co_return call.success(200, json::to_value(view));
}

Answer create_key(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<CreateDaemonKey>(call);
  const auto secret = fleet::make_daemon_key();
  const DaemonKey key{.id = call.hub.ids.make<base::DaemonKeyId>(),
                      .name = request.name,
                      .tags = request.tags,
                      .created_by = call.caller->user.str(),
                      .created_at = call.hub.clock.now()};
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::insert_daemon_key(tx, key, fleet::hash_of(secret));
    const CreatedDaemonKey created{key.id, key.name, key.tags, key.created_at, secret.reveal()};
    return Deed{.answer = call.success(201, json::to_value(created)),
                .action = "daemon-key.create",
                .resource_type = "daemon-key",
                .resource_id = key.id.str(),
                .details = json::Object{{"name", key.name}}};
  });
  co_return std::move(committed.answer);
}

Answer remove_key(Call& call) {
  parse_query<NoQuery>(call);
  const base::DaemonKeyId id(call.parameters.at(0));
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::remove_daemon_key(tx, id);
    return Deed{.answer = call.success(200, json::to_value(DeletedDaemonKey{id})),
                .action = "daemon-key.delete",
                .resource_type = "daemon-key",
                .resource_id = id.str()};
  });
  call.hub.daemon_key_cache.forget_all();
  co_return std::move(committed.answer);
}

}  // namespace

void add_daemon_routes(Router& router) {
  const std::string tag = "Daemons";
  router.add(net::Method::get, "/v1/daemons", Permission::member, list_daemons,
             {.id = "listDaemons",
              .tag = tag,
              .summary = "Provisioner daemons, what they can do and what they do",
              .answer = one<DaemonsView>()});
  router.add(net::Method::get, "/v1/daemon-keys", Permission::admin, list_keys,
             {.id = "listDaemonKeys",
              .tag = tag,
              .summary = "Keys of daemons, without the keys themselves",
              .answer = one<DaemonKeysView>()});
  router.add(net::Method::post, "/v1/daemon-keys", Permission::admin, create_key,
             {.id = "createDaemonKey",
              .tag = tag,
              .summary = "Makes a key for daemons; it is shown in this answer only",
              .body = body_of<CreateDaemonKey>(),
              .answer = one<CreatedDaemonKey>(201)});
  router.add(net::Method::del, "/v1/daemon-keys/:id", Permission::admin, remove_key,
             {.id = "deleteDaemonKey",
              .tag = tag,
              .summary = "Takes a key away: its daemons are refused from now on, and what they hold is given to others",
              .answer = one<DeletedDaemonKey>()});
}

}  // namespace slipway::api
