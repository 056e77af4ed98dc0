#pragma once
// message.dead-letter: a message that was refused goes to the dead-letter topic (WP-1). Started in the transaction that
// records the refusal, so that no crash comes between.

#include "fleet/received_message.h"
#include "google/pubsub_publisher.h"
#include "workflows/services.h"

namespace slipway::workflows {

struct DeadLetterRequest {
  fleet::MessageId message;
  std::string topic;  // full name: where it was to go when it was refused
};
SLIPWAY_JSON_CAMEL(DeadLetterRequest, message, topic)

struct DeadLetter {
  std::string message_id;  // in the dead-letter topic; empty when the message has been forgotten meanwhile
};
SLIPWAY_JSON_CAMEL(DeadLetter, message_id)

// The message as it came, with attributes that tell of it as Pub/Sub's own dead letters have them, and the reason.
google::PubsubMessage dead_letter_of(const fleet::ReceivedMessage& message);

inline constexpr std::string_view kDeadLetterAlert = "message.dead-letter";

class MessageDeadLetter {
 public:
  static constexpr std::string_view kType = "message.dead-letter";
  static std::vector<std::string> outline() { return {"publish", "record"}; }
  MessageDeadLetter(store::Database& database, google::PubsubPublisher& publisher)
      : database_(database), publisher_(publisher) {}

  durable::Run<DeadLetter> operator()(durable::Context& run, DeadLetterRequest request) const;
  // The message stays refused and kept; the run can be done again.
  void on_failure(store::Transaction& tx, const DeadLetterRequest& request, const durable::BadEnd& end) const;

 private:
  store::Database& database_;
  google::PubsubPublisher& publisher_;
};

}  // namespace slipway::workflows
