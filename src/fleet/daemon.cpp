#include "fleet/daemon.h"

#include <algorithm>

#include "base/digest.h"
#include "base/random.h"
#include "fleet/scope.h"

namespace slipway::fleet {
namespace {

using Tags = std::map<std::string, std::string>;

#define KEY_COLUMNS "id, name, tags, created_by, created_at, used_at"
#define DAEMON_COLUMNS                                                                                           \
  "d.id, d.name, d.key_id, d.version, d.provisioners, d.tags, d.runners, d.status, d.registered_at, d.seen_at, " \
  "(SELECT COUNT(*) FROM provisioner_jobs j WHERE j.daemon_id = d.id AND j.status = 'running') "                 \
  "FROM provisioner_daemons d "

constexpr std::size_t kNameMax = 100;  // characters
constexpr std::size_t kTagsMax = 50;
constexpr std::size_t kProvisionersMax = 50;
constexpr std::int64_t kRunnersMax = 1'000;  // of one process
constexpr std::size_t kInstanceMax = 100;    // characters

Tags to_tags(const std::string& text) { return json::parse<Tags>(text, json::Mode::lenient); }

DaemonKey to_key(const store::Row& row) {
  const auto tags = row.text_or_null(2);
  return {.id = DaemonKeyId(row.text(0)),
          .name = row.text(1),
          .tags = tags ? std::optional(to_tags(*tags)) : std::nullopt,
          .created_by = row.text(3),
          .created_at = row.instant(4),
          .used_at = row.instant_or_null(5)};
}

DaemonStatus status_of(const std::string& stored, Instant seen_at, Instant now) {
  if (stored == "gone" || seen_at + kDaemonSilence < now) return DaemonStatus::offline;
  return stored == "draining" ? DaemonStatus::draining : DaemonStatus::online;
}

Daemon to_daemon(const store::Row& row, Instant now) {
  return {.id = DaemonId(row.text(0)),
          .name = row.text(1),
          .key_id = DaemonKeyId(row.text(2)),
          .version = row.text(3),
          .provisioners = json::parse<std::vector<std::string>>(row.text(4), json::Mode::lenient),
          .tags = to_tags(row.text(5)),
          .runners = row.integer(6),
          .busy = row.integer(10),
          .status = status_of(row.text(7), row.instant(9), now),
          .registered_at = row.instant(8),
          .seen_at = row.instant(9)};
}

void check_version(std::int64_t api_version) {
  if (api_version < kDaemonApiVersion)
    throw base::Error(base::ErrorClass::user, "DAEMON_TOO_OLD",
                      "this hub speaks version " + std::to_string(kDaemonApiVersion) + " with daemons, the daemon " +
                          std::to_string(api_version) + ": update the daemon");
  if (api_version > kDaemonApiVersion)
    throw base::Error(base::ErrorClass::user, "HUB_TOO_OLD",
                      "the daemon speaks version " + std::to_string(api_version) + ", this hub " +
                          std::to_string(kDaemonApiVersion) + ": update the hub, or use an older daemon");
}

void check_shape(const RegisterDaemon& request) {
  if (request.name.empty() || request.name.size() > kNameMax)
    throw base::validation_error("name", "must have 1 to " + std::to_string(kNameMax) + " characters");
  if (request.provisioners.empty() || request.provisioners.size() > kProvisionersMax)
    throw base::validation_error("provisioners", "must name 1 to " + std::to_string(kProvisionersMax));
  if (request.tags.size() > kTagsMax) throw base::validation_error("tags", "are more than " + std::to_string(kTagsMax));
  if (request.runners < 1 || request.runners > kRunnersMax)
    throw base::validation_error("runners", "must be from 1 to " + std::to_string(kRunnersMax));
  if (request.instance.size() > kInstanceMax)
    throw base::validation_error("instance", "must have at most " + std::to_string(kInstanceMax) + " characters");
}

void check_tags(const Tags& tags, const DaemonKey& key) {
  if (!key.tags) return;
  for (const auto& [name, value] : tags) {
    const auto allowed = key.tags->find(name);
    if (allowed == key.tags->end() || allowed->second != value)
      throw base::Error(base::ErrorClass::user, "TAGS_NOT_ALLOWED",
                        "the key '" + key.name + "' does not allow the tag " + name + "=" + value,
                        json::Object{{"tag", name}, {"allowed", json::to_value(*key.tags)}});
  }
}

void replace_earlier(store::Transaction& tx, const RegisterDaemon& request, const DaemonKeyId& key, const DaemonId& id,
                     Instant now) {
  if (!request.instance.empty()) {
    tx.execute(
        "UPDATE provisioner_daemons SET status = 'gone' WHERE key_id = $1 AND instance = $2 AND id <> $3 "
        "AND status <> 'gone'",
        {key.str(), request.instance, id.str()});
    tx.execute(
        "UPDATE provisioner_jobs SET daemon_id = $3 WHERE status = 'running' AND daemon_key = $1 AND daemon_id IN "
        "(SELECT id FROM provisioner_daemons WHERE key_id = $1 AND instance = $2 AND id <> $3)",
        {key.str(), request.instance, id.str()});
  }
  tx.execute(
      "UPDATE provisioner_daemons SET status = 'gone' WHERE key_id = $1 AND name = $2 AND seen_at < $3 "
      "AND status <> 'gone'",
      {key.str(), request.name, now - kDaemonSilence});
}

}  // namespace

const json::Rules& json_rules(const DaemonKey*) {
  static const json::Rules rules{{.member = "tags", .description = "All that its daemons may have; absent: any"},
                                 {.member = "used_at", .description = "When a daemon registered with it last"}};
  return rules;
}

const json::Rules& json_rules(const Daemon*) {
  static const json::Rules rules{{.member = "provisioners", .description = "Types that it has"},
                                 {.member = "runners", .description = "How many jobs it does at once"},
                                 {.member = "busy", .description = "How many it holds now"},
                                 {.member = "seen_at", .description = "When it called last, or still waited"}};
  return rules;
}

// ---- keys

base::Secret make_daemon_key() { return base::Secret(std::string(kDaemonKeyPrefix) + base::random_token(32)); }

base::Secret embedded_daemon_key(const Sealer& sealer) {
  return base::Secret(std::string(kDaemonKeyPrefix) + "embedded_" +
                      base::base64url(sealer.derive("embedded provisioner daemon").reveal()));
}

DaemonKey embedded_daemon() {
  return {.id = DaemonKeyId(std::string(kEmbeddedDaemonKeyId)), .name = "embedded", .created_by = "hub"};
}

void insert_daemon_key(store::Transaction& tx, const DaemonKey& key, const std::string& hash) {
  if (!tx.query("SELECT 1 FROM daemon_keys WHERE name = $1", {key.name}).empty())
    throw base::Error(base::ErrorClass::conflict, "NAME_TAKEN", "there is a daemon key '" + key.name + "' already");
  tx.execute("INSERT INTO daemon_keys (id, name, hash, tags, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
             {key.id.str(), key.name, hash, key.tags ? std::optional(json::print(*key.tags)) : std::nullopt,
              key.created_by, key.created_at});
}

std::optional<DaemonKey> find_daemon_key(store::Transaction& tx, const std::string& hash) {
  const auto rows = tx.query("SELECT " KEY_COLUMNS " FROM daemon_keys WHERE hash = $1", {hash});
  if (rows.empty()) return std::nullopt;
  return to_key(rows.front());
}

std::vector<DaemonKey> list_daemon_keys(store::Transaction& tx) {
  std::vector<DaemonKey> keys;
  for (const auto& row : tx.query("SELECT " KEY_COLUMNS " FROM daemon_keys ORDER BY id")) keys.push_back(to_key(row));
  return keys;
}

void remove_daemon_key(store::Transaction& tx, const DaemonKeyId& id) {
  if (tx.execute("DELETE FROM daemon_keys WHERE id = $1", {id.str()}) == 0)
    throw base::not_found("daemon key", id.str());
  tx.execute("UPDATE provisioner_daemons SET status = 'gone' WHERE key_id = $1", {id.str()});
}

// ---- daemons

Daemon register_daemon(store::Transaction& tx, const RegisterDaemon& request, const DaemonKey& key, const DaemonId& id,
                       Instant now) {
  check_version(request.api_version);
  check_shape(request);
  check_tags(request.tags, key);
  auto provisioners = request.provisioners;
  std::ranges::sort(provisioners);
  provisioners.erase(std::ranges::unique(provisioners).begin(), provisioners.end());
  replace_earlier(tx, request, key.id, id, now);
  tx.execute(
      "INSERT INTO provisioner_daemons (id, name, key_id, version, api_version, provisioners, tags, runners, status, "
      "registered_at, seen_at, instance) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'online', $9, $9, $10)",
      {id.str(), request.name, key.id.str(), request.version, request.api_version, json::print(provisioners),
       json::print(request.tags), request.runners, now, request.instance});
  tx.execute("UPDATE daemon_keys SET used_at = $2 WHERE id = $1", {key.id.str(), now});
  return {.id = id,
          .name = request.name,
          .key_id = key.id,
          .version = request.version,
          .provisioners = provisioners,
          .tags = request.tags,
          .runners = request.runners,
          .registered_at = now,
          .seen_at = now};
}

Daemon find_daemon(store::Transaction& tx, const DaemonId& id, const DaemonKeyId& key, Instant now) {
  const auto rows = tx.query("SELECT " DAEMON_COLUMNS "WHERE d.id = $1 AND d.key_id = $2 AND d.status <> 'gone'",
                             {id.str(), key.str()});
  if (rows.empty())
    throw base::Error(base::ErrorClass::conflict, "DAEMON_UNKNOWN",
                      "the hub does not know this daemon any more: register again");
  return to_daemon(rows.front(), now);
}

Daemon see_daemon(store::Transaction& tx, const DaemonId& id, const DaemonKeyId& key, bool draining, Instant now) {
  auto daemon = find_daemon(tx, id, key, now);
  const bool drains_now = draining && daemon.status != DaemonStatus::draining;
  if (!drains_now && daemon.status != DaemonStatus::offline) {
    note_seen(tx, id, now);
    return daemon;
  }
  constexpr std::string_view kSeen = "UPDATE provisioner_daemons SET seen_at = $2 WHERE id = $1 AND status <> 'gone'";
  constexpr std::string_view kDrains =
      "UPDATE provisioner_daemons SET seen_at = $2, status = 'draining' WHERE id = $1 AND status <> 'gone'";
  tx.execute(draining ? kDrains : kSeen, {id.str(), now});
  return find_daemon(tx, id, key, now);
}

// Who is being seen by somebody else just now need not be waited for.
void note_seen(store::Transaction& tx, const DaemonId& id, Instant now) {
  if (tx.query("SELECT 1 FROM provisioner_daemons WHERE id = $1 AND seen_at <= $2", {id.str(), now - kDaemonSeenEvery})
          .empty())
    return;
  constexpr std::string_view kSee = "UPDATE provisioner_daemons SET seen_at = $2 WHERE id = $1";
  constexpr std::string_view kSeeUnlocked =
      "UPDATE provisioner_daemons SET seen_at = $2 WHERE id IN "
      "(SELECT id FROM provisioner_daemons WHERE id = $1 FOR UPDATE SKIP LOCKED)";
  tx.execute(tx.dialect() == store::Dialect::postgres ? kSeeUnlocked : kSee, {id.str(), now});
}

void set_gone(store::Transaction& tx, const DaemonId& id, const DaemonKeyId& key) {
  tx.execute("UPDATE provisioner_daemons SET status = 'gone' WHERE id = $1 AND key_id = $2", {id.str(), key.str()});
}

std::vector<Daemon> list_daemons(store::Transaction& tx, Instant now) {
  std::vector<Daemon> daemons;
  for (const auto& row : tx.query("SELECT " DAEMON_COLUMNS "WHERE d.status <> 'gone' ORDER BY d.name, d.id"))
    daemons.push_back(to_daemon(row, now));
  return daemons;
}

std::int64_t forget_daemons(store::Transaction& tx, Instant now) {
  return tx.execute(
      "DELETE FROM provisioner_daemons WHERE id IN "
      "(SELECT id FROM provisioner_daemons WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)",
      {now - kDaemonsKept, kRemovedAtOnce});
}

bool has_tags(const Tags& tags, const Tags& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& tag) {
    const auto found = tags.find(tag.first);
    return found != tags.end() && found->second == tag.second;
  });
}

}  // namespace slipway::fleet
