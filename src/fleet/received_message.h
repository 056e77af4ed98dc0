#pragma once
// Messages of a Pub/Sub subscription and what was made of each (WP-1). The row is written in the transaction that
// inserts the run, so a message that comes again finds it and starts nothing.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/json.h"
#include "fleet/scope.h"
#include "store/store.h"

namespace slipway::fleet {

struct MessageKind {
  static constexpr std::string_view prefix = "msg_", name = "message";
};
using MessageId = base::Id<MessageKind>;  // ours; the topic's own is `message_id`

enum class MessageOutcome {
  accepted,  // it has a run
  refused,   // it could never work
};
BOOST_DESCRIBE_ENUM(MessageOutcome, accepted, refused)

// Why one was refused, or that of another one would be: a label of metrics, so there are few.
struct Refusal {
  std::string reason;       // not_json, unknown_tier …
  std::string explanation;  // for people: which field, and what was expected
};

struct ReceivedMessage {
  MessageId id;
  std::string subscription;  // projects/…/subscriptions/…
  std::string message_id;    // unique within the topic
  std::optional<base::Instant> published_at;
  base::Instant received_at;  // first
  base::Instant last_received_at;
  std::int64_t deliveries = 1;
  MessageOutcome outcome = MessageOutcome::accepted;
  std::optional<base::RunId> run_id;
  std::optional<Refusal> refusal;  // stays when it is accepted later
  // Of one that was refused; absent in lists.
  std::optional<std::string> data;
  std::map<std::string, std::string> attributes;
  std::string ordering_key;
  std::optional<base::RunId> dead_letter_run_id;      // of message.dead-letter
  std::optional<std::string> dead_letter_message_id;  // once it is published there
  std::optional<base::Instant> replayed_at;
  std::optional<std::string> replayed_by;
};

// Pub/Sub keeps a message for 31 days at most: as long may one come again.
inline constexpr base::Duration kMessagesKept = std::chrono::days(31);

// Inserts it, or counts a delivery of the one that has its subscription and message id. True if it is new: then its
// run, and whatever else follows from it, belongs into the same transaction. Of two at a time, the second one waits.
bool insert_or_count(store::Transaction& tx, const ReceivedMessage& message);
// For pages that are read without a scope of owners: messages are an admin's.
std::optional<ReceivedMessage> find_message(store::Transaction& tx, const MessageId& id);
std::optional<ReceivedMessage> find_message(store::Transaction& tx, std::string_view subscription,
                                            std::string_view message_id);
// Who means to change it waits for others who do.
ReceivedMessage get_message_for_update(store::Transaction& tx, const MessageId& id);

struct MessageFilter {
  std::optional<MessageOutcome> outcome;
  std::optional<std::string> subscription;
  std::optional<base::Instant> since;  // received at this time or later
  std::string before;                  // cursor: ids smaller than this
  std::int64_t limit = 50;
};
// Newest first, without their data.
std::vector<ReceivedMessage> list_messages(store::Transaction& tx, const MessageFilter& filter);
struct MessageCount {
  std::int64_t count = 0;
  bool is_capped = false;  // there are more
};
// Without the cursor, and up to a bound, so that a long history costs nothing.
MessageCount count_messages(store::Transaction& tx, const MessageFilter& filter);

// A refused one has its run after all. Throws INVALID_STATE_TRANSITION when it has one already.
void accept_replayed(store::Transaction& tx, const MessageId& id, const base::RunId& run, const std::string& by,
                     base::Instant now);
void set_dead_letter(store::Transaction& tx, const MessageId& id, const std::string& dead_letter_message_id);

// Removes those that cannot come again: at most kRemovedAtOnce; how many.
std::int64_t forget_messages(store::Transaction& tx, base::Instant now);

}  // namespace slipway::fleet
