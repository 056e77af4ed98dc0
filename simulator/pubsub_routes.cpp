// Pub/Sub v1: pubsub.googleapis.com.

#include "base/digest.h"
#include "simulator/router.h"

namespace slipway::simulator {

namespace {

constexpr std::string_view kService = "pubsub";
constexpr std::size_t kPageMax = 1000;
constexpr std::size_t kPullMax = 1000;

const std::string kTopic = "/v1/projects/{project}/topics";
const std::string kSubscription = "/v1/projects/{project}/subscriptions";

std::vector<std::string> read_ack_ids(const json::Value& body) {
  std::vector<std::string> ids;
  const json::Value* given = body.get_object().if_contains("ackIds");
  if (given && given->is_array()) {
    for (const auto& id : given->get_array()) {
      if (id.is_string()) ids.emplace_back(id.get_string());
    }
  }
  if (ids.empty()) throw Failure(Code::invalid_argument, "No ack ids specified.");
  return ids;
}

std::int64_t read_number(const json::Value& body, std::string_view member, std::int64_t otherwise) {
  const json::Value* value = body.get_object().if_contains(member);
  return value && value->is_int64() ? value->get_int64() : otherwise;
}

// What is published is an effect on the world outside: the ledger has each message, readable.
Answer publish(Call& call, const std::string& topic, const json::Value& body) {
  const std::vector<std::string> ids = call.world.pubsub.publish(topic, body, call.now);
  const json::Array& messages = body.get_object().at("messages").get_array();
  json::Array wire_ids;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const json::Object& message = messages[i].get_object();
    json::Object details;
    if (const json::Value* data = message.if_contains("data"))
      details["data"] = base::from_base64(std::string_view(data->get_string())).value_or("");
    if (const json::Value* attributes = message.if_contains("attributes")) details["attributes"] = *attributes;
    call.world.record({.at = call.now,
                       .effect = "topic.publish",
                       .resource = topic,
                       .uid = ids[i],
                       .request = std::int64_t(call.number),
                       .answer_lost = call.fault && loses_answer(call.fault->kind),
                       .details = std::move(details)});
    wire_ids.emplace_back(ids[i]);
  }
  return {.body = json::Object{{"messageIds", std::move(wire_ids)}}};
}

// For people at a terminal: the body is the message.
Answer publish_plain(Call& call) {
  const std::string topic = "projects/" + call.world.options.project + "/topics/" + call.query("topic");
  const json::Object message{{"data", base::base64(call.request.body)}};
  return publish(call, topic, json::Object{{"messages", json::Array{message}}});
}

std::optional<Answer> pull(Call& call, bool enough) {
  const json::Value body = call.body();
  const std::int64_t most = read_number(body, "maxMessages", 0);
  if (most <= 0)
    throw Failure(Code::invalid_argument, "The value for max_messages is too small. You passed " +
                                              std::to_string(most) + " in the request, but the minimum value is 1.");
  const json::Value* at_once = body.get_object().if_contains("returnImmediately");
  enough = enough || (at_once && at_once->is_bool() && at_once->get_bool());
  const auto received = call.world.pubsub.pull(call.name(), std::min(std::size_t(most), kPullMax), call.world.now());
  if (received.empty() && !enough) return {};
  json::Array messages;
  for (const auto& one : received) {
    json::Object wire{{"ackId", one.ack_id}, {"message", to_wire(*one.message)}};
    if (one.attempt > 0) wire["deliveryAttempt"] = one.attempt;
    messages.push_back(std::move(wire));
  }
  json::Object answer;
  if (!messages.empty()) answer["receivedMessages"] = std::move(messages);
  return Answer{.body = std::move(answer)};
}

Answer list_names(const Call& call, const std::vector<std::string>& names, std::string_view member,
                  const std::function<json::Value(const std::string&)>& show) {
  const Page page = read_page(call, kPageMax, kPageMax);
  json::Array items;
  std::string next;
  for (const auto& name : names) {
    if (name <= page.after) continue;
    if (items.size() == page.size) {
      next = page_token(std::string(names[items.size() - 1]));
      break;
    }
    items.push_back(show(name));
  }
  json::Object body;
  if (!items.empty()) body[member] = std::move(items);
  if (!next.empty()) body["nextPageToken"] = next;
  return {.body = std::move(body)};
}

struct PubSubRoutes {
  Router& router;
  void add(std::string method, std::string pattern, const std::string& call, Route::Handler handler) {
    router.add({.method = std::move(method),
                .pattern = std::move(pattern),
                .service = std::string(kService),
                .call = call,
                .handler = std::move(handler)});
  }
};

void add_topic_routes(PubSubRoutes routes) {
  routes.add("PUT", kTopic + "/{topic}", "topics.create", [](Call& call) -> Answer {
    call.world.changed();
    return {.body = call.world.pubsub.create_topic(call.name(), call.body())};
  });
  routes.add("GET", kTopic + "/{topic}", "topics.get",
             [](Call& call) -> Answer { return {.body = call.world.pubsub.topic(call.name())}; });
  routes.add("DELETE", kTopic + "/{topic}", "topics.delete", [](Call& call) -> Answer {
    call.world.pubsub.delete_topic(call.name());
    call.world.changed();
    return {};
  });
  routes.add("GET", kTopic, "topics.list", [](Call& call) {
    const PubSub& pubsub = call.world.pubsub;
    return list_names(call, pubsub.topics(call.name(2)), "topics",
                      [&](const std::string& name) { return json::Value(pubsub.topic(name)); });
  });
  routes.add("GET", kTopic + "/{topic}/subscriptions", "topics.subscriptions", [](Call& call) {
    const PubSub& pubsub = call.world.pubsub;
    pubsub.topic(call.name(4));
    return list_names(call, pubsub.subscriptions_of(call.name(4)), "subscriptions",
                      [](const std::string& name) { return json::Value(name); });
  });
  routes.add("POST", kTopic + "/{topic}:publish", "pubsub.publish",
             [](Call& call) { return publish(call, call.name(), call.body()); });
  routes.router.add({.method = "POST",
                     .pattern = "/simulator/publish",
                     .service = "simulator",
                     .call = "simulator.publish",
                     .access = Access::open,
                     .handler = publish_plain});
}

void add_subscription_routes(PubSubRoutes routes) {
  routes.add("PUT", kSubscription + "/{subscription}", "subscriptions.create", [](Call& call) -> Answer {
    call.world.changed();
    return {.body = call.world.pubsub.create_subscription(call.name(), call.body())};
  });
  routes.add("GET", kSubscription + "/{subscription}", "subscriptions.get",
             [](Call& call) -> Answer { return {.body = call.world.pubsub.subscription(call.name())}; });
  routes.add("DELETE", kSubscription + "/{subscription}", "subscriptions.delete", [](Call& call) -> Answer {
    call.world.pubsub.delete_subscription(call.name());
    call.world.changed();
    return {};
  });
  routes.add("GET", kSubscription, "subscriptions.list", [](Call& call) {
    const PubSub& pubsub = call.world.pubsub;
    return list_names(call, pubsub.subscriptions(call.name(2)), "subscriptions",
                      [&](const std::string& name) { return json::Value(pubsub.subscription(name)); });
  });
  routes.add("POST", kSubscription + "/{subscription}:modifyPushConfig", "subscriptions.modifyPushConfig",
             [](Call& call) -> Answer {
               const json::Value body = call.body();
               const json::Value* config = body.get_object().if_contains("pushConfig");
               call.world.pubsub.set_push_config(call.name(), config ? *config : json::Value(json::Object{}));
               call.world.changed();
               return {};
             });
}

void add_delivery_routes(PubSubRoutes routes) {
  routes.router.add({.method = "POST",
                     .pattern = kSubscription + "/{subscription}:pull",
                     .service = std::string(kService),
                     .call = "pubsub.pull",
                     .waiting = pull});
  routes.add("POST", kSubscription + "/{subscription}:acknowledge", "pubsub.acknowledge", [](Call& call) -> Answer {
    call.world.pubsub.acknowledge(call.name(), read_ack_ids(call.body()), call.now);
    call.world.changed();
    return {};
  });
  routes.add("POST", kSubscription + "/{subscription}:modifyAckDeadline", "pubsub.modifyAckDeadline",
             [](Call& call) -> Answer {
               const json::Value body = call.body();
               const std::chrono::seconds deadline(read_number(body, "ackDeadlineSeconds", 0));
               call.world.pubsub.modify_deadline(call.name(), read_ack_ids(body), deadline, call.now);
               return {};
             });
}

}  // namespace

void add_pubsub_routes(Router& router) {
  const PubSubRoutes routes{router};
  add_topic_routes(routes);
  add_subscription_routes(routes);
  add_delivery_routes(routes);
}

}  // namespace slipway::simulator
