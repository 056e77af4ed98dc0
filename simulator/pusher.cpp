#include "simulator/pusher.h"

#include <array>

namespace slipway::simulator {

namespace {

constexpr std::chrono::milliseconds kLookEvery{20};
constexpr std::size_t kInFlightMax = 100;
constexpr std::chrono::seconds kRetryAfter{1};  // where Google's back-off begins, too
// What counts as an acknowledgement.
constexpr std::array kGoodStatus{102, 200, 201, 202, 204};

std::string text_of(const json::Value& object, std::string_view member) {
  const json::Value* value = object.is_object() ? object.get_object().if_contains(member) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : "";
}

std::string endpoint_of(const json::Object& subscription) {
  const json::Value* config = subscription.if_contains("pushConfig");
  return config ? text_of(*config, "pushEndpoint") : "";
}

}  // namespace

Pusher::Pusher(net::IoContext& io, World& world, net::HttpClient& client)
    : io_(io), world_(world), client_(client), deliveries_(io, [](std::exception_ptr) {}) {}

net::Awaitable<void> Pusher::run() {
  const std::string project = "projects/" + world_.options.project;
  while (true) {
    for (const auto& name : world_.pubsub.subscriptions(project)) {
      if (endpoint_of(world_.pubsub.subscription(name)).empty()) continue;
      for (auto& received : world_.pubsub.pull(name, kInFlightMax - in_flight_, world_.now())) {
        ++in_flight_;
        deliveries_.spawn(deliver(name, std::move(received)));
      }
    }
    co_await net::sleep_for(kLookEvery);
  }
}

net::Awaitable<void> Pusher::deliver(std::string subscription, Received received) {
  bool taken = false;
  try {
    const auto response = co_await client_.fetch(io_, make_request(subscription, received));
    taken = std::ranges::find(kGoodStatus, response.status) != kGoodStatus.end();
  } catch (const base::Error&) {  // nobody there: again later
  }
  --in_flight_;
  try {
    if (taken) {
      world_.pubsub.acknowledge(subscription, {received.ack_id}, world_.now());
    } else {
      world_.pubsub.modify_deadline(subscription, {received.ack_id}, kRetryAfter, world_.now());
    }
    world_.changed();
  } catch (const Failure&) {  // the subscription went meanwhile
  }
}

net::ClientRequest Pusher::make_request(const std::string& subscription, const Received& received) const {
  const json::Object fields = world_.pubsub.subscription(subscription);
  json::Object message = to_wire(*received.message);
  // Google sends both spellings.
  message["message_id"] = message["messageId"];
  message["publish_time"] = message["publishTime"];
  json::Object body{{"message", std::move(message)}, {"subscription", subscription}};
  if (received.attempt > 0) body["deliveryAttempt"] = received.attempt;
  net::ClientRequest request{.method = net::Method::post,
                             .url = endpoint_of(fields),
                             .headers = {{"Content-Type", "application/json"}, {"User-Agent", "APIs-Google"}},
                             .body = json::print_value(body),
                             .timeout = std::chrono::seconds(fields.at("ackDeadlineSeconds").as_int64()),
                             .direct = true};
  const json::Value& config = fields.at("pushConfig");
  if (const json::Value* oidc = config.get_object().if_contains("oidcToken")) {
    const std::string audience = text_of(*oidc, "audience");
    request.headers.set("Authorization", "Bearer " + world_.identity.identity_token(
                                                         text_of(*oidc, "serviceAccountEmail"),
                                                         audience.empty() ? request.url : audience, world_.now()));
  }
  return request;
}

}  // namespace slipway::simulator
