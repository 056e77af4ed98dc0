#pragma once
// Provisioner daemons: who has registered, what each can take, and the keys that they show (RUN-2, RUN-4).

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "base/secret.h"
#include "fleet/job_messages.h"
#include "fleet/sealer.h"
#include "store/store.h"

namespace slipway::fleet {

using base::DaemonId;
using base::DaemonKeyId;
using base::Instant;

// ---- keys

// What a daemon shows. `tags`: all that a daemon with this key may have; absent: any.
struct DaemonKey {
  DaemonKeyId id;
  std::string name;
  std::optional<std::map<std::string, std::string>> tags;
  std::string created_by;
  Instant created_at;
  std::optional<Instant> used_at;
};
SLIPWAY_JSON_CAMEL(DaemonKey, id, name, tags, created_by, created_at, used_at)
const json::Rules& json_rules(const DaemonKey*);

inline constexpr std::string_view kDaemonKeyPrefix = "sld_";
// That of the daemon inside the hub stands in no table.
inline constexpr std::string_view kEmbeddedDaemonKeyId = "dky_embedded";

base::Secret make_daemon_key();  // sld_ and 43 characters
// The key of the daemon inside the hub: the same on every replica that has the same seal key.
base::Secret embedded_daemon_key(const Sealer& sealer);
DaemonKey embedded_daemon();

// Throws NAME_TAKEN (conflict).
void insert_daemon_key(store::Transaction& tx, const DaemonKey& key, const std::string& hash);
std::optional<DaemonKey> find_daemon_key(store::Transaction& tx, const std::string& hash);
std::vector<DaemonKey> list_daemon_keys(store::Transaction& tx);
// Throws NOT_FOUND. Daemons that had it are refused from then on; what they hold is taken back with its lease.
void remove_daemon_key(store::Transaction& tx, const DaemonKeyId& id);

// ---- daemons

enum class DaemonStatus {
  online,
  draining,  // finishes what it has and takes nothing new
  offline,   // not seen for kDaemonSilence, or it has said goodbye
};
BOOST_DESCRIBE_ENUM(DaemonStatus, online, draining, offline)

struct Daemon {
  DaemonId id;
  std::string name;
  DaemonKeyId key_id;
  std::string version;
  std::vector<std::string> provisioners;
  std::map<std::string, std::string> tags;
  std::int64_t runners = 1;
  std::int64_t busy = 0;  // jobs that it holds
  DaemonStatus status = DaemonStatus::online;
  Instant registered_at;
  Instant seen_at;
};
SLIPWAY_JSON_CAMEL(Daemon, id, name, key_id, version, provisioners, tags, runners, busy, status, registered_at, seen_at)
const json::Rules& json_rules(const Daemon*);

// Writing that one was seen costs a transaction: not more often than this.
inline constexpr base::Duration kDaemonSeenEvery = std::chrono::seconds(5);
// Waiting calls of one are noted while they wait; twice that is silence.
inline constexpr base::Duration kDaemonSilence = std::chrono::seconds(30);
inline constexpr base::Duration kDaemonsKept = std::chrono::hours(24);  // after that

// What the same process was before is replaced, and the jobs that it holds go with it; so is what has its name and is
// silent. Two that live may have one name. Throws DAEMON_TOO_OLD or HUB_TOO_OLD, which say what is to be updated;
// TAGS_NOT_ALLOWED; VALIDATION_ERROR.
Daemon register_daemon(store::Transaction& tx, const RegisterDaemon& request, const DaemonKey& key, const DaemonId& id,
                       Instant now);
// Throws DAEMON_UNKNOWN (conflict).
Daemon find_daemon(store::Transaction& tx, const DaemonId& id, const DaemonKeyId& key, Instant now);
// It called. One that drains does so for good: a call from before that comes late does not bring it back. Throws
// DAEMON_UNKNOWN (conflict): it has to register again.
Daemon see_daemon(store::Transaction& tx, const DaemonId& id, const DaemonKeyId& key, bool draining, Instant now);
// The same for a call that still waits.
void note_seen(store::Transaction& tx, const DaemonId& id, Instant now);
void set_gone(store::Transaction& tx, const DaemonId& id, const DaemonKeyId& key);
std::vector<Daemon> list_daemons(store::Transaction& tx, Instant now);
// Gives how many.
std::int64_t forget_daemons(store::Transaction& tx, Instant now);

// Whether a job that asks for `wanted` may be done by a daemon that has `tags` (RUN-4).
bool has_tags(const std::map<std::string, std::string>& tags, const std::map<std::string, std::string>& wanted);

}  // namespace slipway::fleet
