#pragma once
// Who did what to what, from where, and what came of it (WP-19). Written in the transaction of the deed; never changed,
// and so that a change can be seen: the entries are a chain of hashes (audit_chain.h).

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "store/store.h"

namespace slipway::fleet {

enum class AuditOutcome { success, failure, denied };
BOOST_DESCRIBE_ENUM(AuditOutcome, success, failure, denied)

struct AuditEntry {
  std::int64_t seq = 0;  // its place in the chain, from 1 without gaps: given when it is written
  base::Instant at;
  std::string actor_id;  // a user's id, or kHubActor, kPubsubActor
  std::string action;    // workspace.create, api-key.delete …
  std::string resource_type;
  std::string resource_id;
  AuditOutcome outcome = AuditOutcome::success;
  std::string request_id;  // of the request, or the id of the run that did it
  std::string remote;      // the peer's address, or the subscription
  json::Value details = json::Object{};
  std::string prev_hash;  // these two are given when it is written
  std::string hash;
};
SLIPWAY_JSON_SNAKE(AuditEntry, seq, at, actor_id, action, resource_type, resource_id, outcome, request_id, remote,
                   details, prev_hash, hash)
inline const json::Rules& json_rules(const AuditEntry*) {
  static const json::Rules rules{
      {.member = "seq", .description = "Its place in the chain, from 1 without gaps"},
      {.member = "actor_id", .description = "A user's id, `hub`, or `pubsub`"},
      {.member = "action", .description = "What was done", .example = R"("workspace.create")"},
      {.member = "request_id", .description = "Of the request, or the id of the run that did it"},
      {.member = "remote", .description = "Where it came from: an address, or a subscription"},
      {.member = "prev_hash", .description = "The hash of the entry before"},
      {.member = "hash", .description = "SHA-256, in hex, of the entry's text: see the guide to the audit log"}};
  return rules;
}

inline constexpr std::string_view kHubActor = "hub";        // what the hub does by itself
inline constexpr std::string_view kPubsubActor = "pubsub";  // what a message asked for; `remote` is its subscription

// The one way to write: the entry is stored with the transaction, at the end of its group, which has to be the ending
// of AuditChain (audit_chain.h).
void audit(store::Transaction& tx, AuditEntry entry);

// For the steps of a run: an entry that leads to it. The caller adds what was done.
//   auto entry = fleet::audit_of_run(run.id(), now, fleet::kPubsubActor, subscription);
AuditEntry audit_of_run(const base::RunId& run, base::Instant at, std::string_view actor, std::string remote = {});

struct AuditFilter {
  std::optional<std::string> actor_id;
  std::optional<std::string> action;  // or how it begins
  std::optional<std::string> resource_type;
  std::optional<std::string> resource_id;
  std::optional<AuditOutcome> outcome;
  std::optional<base::Instant> since;
  std::optional<base::Instant> until;  // before this
};
// Newest first; entries with `seq` smaller than `before` when it is given.
std::vector<AuditEntry> list_audit(store::Transaction& tx, const AuditFilter& filter,
                                   std::optional<std::int64_t> before, std::int64_t limit);
std::int64_t count_audit(store::Transaction& tx, const AuditFilter& filter);
std::optional<AuditEntry> find_audit(store::Transaction& tx, std::int64_t seq);

}  // namespace slipway::fleet
