// What comes by Pub/Sub: the order in a message's data, and the message itself as it is pushed.

#include <algorithm>

#include "fuzz.h"
#include "google/pubsub.h"
#include "net/http.h"
#include "workflows/message_judgement.h"

SLIPWAY_FUZZ(input) {
  using namespace slipway;
  static const fleet::Tiers tiers;
  const auto order = workflows::judge_order(input, tiers);
  if (order) {
    fuzz::must(tiers.find(order->tier) != nullptr, "an order's tier is known");
    const auto again = workflows::judge_order(json::print(*order), tiers);
    fuzz::must(again && again->user_id == order->user_id && again->user_email == order->user_email,
               "an order survives being printed and read");
  } else {
    fuzz::must(std::ranges::find(workflows::kRefusalReasons, order.error().reason) != workflows::kRefusalReasons.end(),
               "a refusal's reason is known");
    fuzz::must(
        net::is_valid_utf8(order.error().explanation) && order.error().explanation.find('\0') == std::string::npos,
        "a refusal can be stored and shown");
  }

  google::PubsubMessage message;
  if (fuzz::refused([&] { message = google::read_pubsub_message(json::parse_value(input)); })) return;
  const auto again = google::read_pubsub_message(google::write_pubsub_message(message));
  fuzz::must(again.data == message.data && again.attributes == message.attributes &&
                 again.ordering_key == message.ordering_key,
             "a message survives being written and read");
}
