#include "workflows/message_dead_letter.h"

#include "fleet/alert.h"

namespace slipway::workflows {
namespace {

// Pub/Sub takes 100 attributes with values of 1 KB; ours come first.
constexpr std::size_t kAttributesMax = 100, kValueMax = 1'024;

std::string cut(std::string text) {
  if (text.size() <= kValueMax) return text;
  std::size_t end = kValueMax;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // between two characters
  return text.substr(0, end);
}

// As long as a message may wait in a topic: then nobody looks for it there.
durable::Retry patient() {
  return {.attempts_max = 10'000,
          .first_delay = base::Duration(1'000),
          .delay_max = base::Duration(3'600'000),
          .time_max = fleet::kMessagesKept,
          .endpoint = "pubsub"};
}

}  // namespace

google::PubsubMessage dead_letter_of(const fleet::ReceivedMessage& message) {
  google::PubsubMessage letter{.data = message.data.value_or(""), .attributes = {}, .ordering_key = {}};
  letter.attributes = {{"CloudPubSubDeadLetterSourceSubscription", message.subscription},
                       {"CloudPubSubDeadLetterSourceDeliveryCount", std::to_string(message.deliveries)},
                       {"slipwayMessage", message.id.str()},
                       {"slipwaySourceMessageId", message.message_id}};
  if (message.published_at)
    letter.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = base::format_rfc3339(*message.published_at);
  if (message.refusal) {
    letter.attributes["slipwayReason"] = message.refusal->reason;
    letter.attributes["slipwayExplanation"] = message.refusal->explanation;
  }
  for (auto& [name, value] : letter.attributes) value = cut(std::move(value));
  for (const auto& [name, value] : message.attributes)
    if (letter.attributes.size() < kAttributesMax) letter.attributes.emplace(name, value);
  return letter;
}

durable::Run<DeadLetter> MessageDeadLetter::operator()(durable::Context& run, DeadLetterRequest request) const {
  auto letter = co_await run.step("publish", patient(), [&](durable::Attempt& attempt) {
    std::optional<fleet::ReceivedMessage> message;
    database_.read_and_wait([&](store::Transaction& tx) { message = fleet::find_message(tx, request.message); });
    if (!message) return DeadLetter{};
    return DeadLetter{publisher_.publish(request.topic, dead_letter_of(*message), attempt.stop())};
  });
  co_await run.transaction("record", [&](store::Transaction& tx) {
    if (!letter.message_id.empty()) fleet::set_dead_letter(tx, request.message, letter.message_id);
  });
  co_return letter;
}

void MessageDeadLetter::on_failure(store::Transaction& tx, const DeadLetterRequest& request,
                                   const durable::BadEnd& end) const {
  fleet::raise_alert(tx,
                     {.kind = std::string(kDeadLetterAlert),
                      .resource_type = "topic",
                      .resource_id = request.topic,
                      .run_id = end.run.str(),
                      .message = "A refused message could not be sent to the dead-letter topic: " +
                                 end.failure.message + " Do the run again when that is mended.",
                      .details = json::Object{{"message", request.message.str()}, {"code", end.failure.code}}},
                     end.at);
}

}  // namespace slipway::workflows
