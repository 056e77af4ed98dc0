#include "simulator/pubsub.h"

#include <algorithm>
#include <charconv>

#include "base/digest.h"
#include "simulator/resource.h"

namespace slipway::simulator {

namespace {

constexpr std::int64_t kDeadlineSecondsMin = 10;
constexpr std::int64_t kDeadlineSecondsMax = 600;
constexpr std::size_t kMessagesMax = 1000;          // of one publish
constexpr std::size_t kPublishBytesMax = 10 << 20;  // of one publish
constexpr std::string_view kDeletedTopic = "_deleted-topic_";

// Facts: pubsub/v1 discovery document, Topic.name.
void check_resource_id(std::string_view name, std::string_view what) {
  const std::string_view id = own_id(name);
  const bool starts_well = !id.empty() && ((id[0] >= 'a' && id[0] <= 'z') || (id[0] >= 'A' && id[0] <= 'Z'));
  const bool clean = std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~%+").find(c) != std::string_view::npos;
  });
  if (id.size() < 3 || id.size() > 255 || !starts_well || !clean || id.starts_with("goog"))
    throw Failure(Code::invalid_argument, "Invalid [" + std::string(what) + "] name: (name=" + std::string(name) + ")");
}

const json::Value* find_member(const json::Value& body, std::string_view camel) {
  return body.is_object() ? body.get_object().if_contains(camel) : nullptr;
}

std::string text_of(const json::Value* value, std::string_view field) {
  if (!value) return "";
  if (!value->is_string()) throw invalid_argument(field, "expected a string");
  return std::string(value->get_string());
}

std::string_view topic_of(const json::Object& subscription) { return subscription.at("topic").as_string(); }

std::int64_t policy_number(const json::Object& fields, std::string_view policy, std::string_view member,
                           std::int64_t otherwise) {
  const json::Value* found = fields.if_contains(policy);
  const json::Value* value = found ? find_member(*found, member) : nullptr;
  return value && value->is_int64() ? value->get_int64() : otherwise;
}

Message read_message(const json::Value& value) {
  Message message;
  message.data = text_of(find_member(value, "data"), "messages.data");
  message.ordering_key = text_of(find_member(value, "orderingKey"), "messages.ordering_key");
  if (const json::Value* attributes = find_member(value, "attributes"); attributes && attributes->is_object()) {
    for (const auto& [key, text] : attributes->get_object())
      message.attributes[key] = text_of(&text, "messages.attributes");
  }
  if (!message.data.empty() && !base::from_base64(message.data))
    throw invalid_argument("messages.data", "Base64 decoding failed");
  if (message.data.empty() && message.attributes.empty())
    throw Failure(Code::invalid_argument,
                  "One or more messages in the publish request is empty. Each message must contain either non-empty "
                  "data, or at least one attribute.");
  return message;
}

// "10s" and such; nothing else is written by clients.
base::Duration backoff_of(const json::Object& fields) {
  const json::Value* policy = fields.if_contains("retryPolicy");
  if (!policy) return base::Duration(0);
  const std::string text = text_of(find_member(*policy, "minimumBackoff"), "retry_policy.minimum_backoff");
  return text.empty() ? base::Duration(std::chrono::seconds(10)) : base::Duration(std::int64_t(std::stod(text) * 1000));
}

template <class Map>
std::vector<std::string> names_below(const Map& map, const std::string& parent, std::string_view collection) {
  const std::string prefix = parent + "/" + std::string(collection) + "/";
  std::vector<std::string> names;
  for (auto it = map.lower_bound(prefix); it != map.end() && it->first.starts_with(prefix); ++it)
    names.push_back(it->first);
  return names;
}

}  // namespace

// ---- topics and subscriptions

json::Object PubSub::create_topic(const std::string& name, const json::Value& body) {
  check_resource_id(name, "topics");
  if (topics_.contains(name)) throw already_exists(name);
  json::Object fields = body.is_object() ? body.get_object() : json::Object{};
  fields["name"] = name;
  return topics_[name] = std::move(fields);
}

json::Object PubSub::topic(const std::string& name) const {
  const auto found = topics_.find(name);
  if (found == topics_.end()) throw Failure(Code::not_found, "Resource not found (resource=" + name + ").");
  return found->second;
}

void PubSub::delete_topic(const std::string& name) {
  topic(name);
  topics_.erase(name);
  for (auto& [unused, subscription] : subscriptions_) {
    if (topic_of(subscription.fields) == name) subscription.fields["topic"] = kDeletedTopic;
  }
}

json::Object PubSub::create_subscription(const std::string& name, const json::Value& body) {
  check_resource_id(name, "subscriptions");
  if (subscriptions_.contains(name)) throw already_exists(name);
  if (!body.is_object()) throw invalid_argument("subscription", "expected an object");
  topic(text_of(find_member(body, "topic"), "topic"));
  json::Object fields = body.get_object();
  fields["name"] = name;
  json::Value& deadline = fields["ackDeadlineSeconds"];
  if (!deadline.is_int64() || deadline.get_int64() == 0) deadline = kDeadlineSecondsMin;
  if (deadline.get_int64() < kDeadlineSecondsMin || deadline.get_int64() > kDeadlineSecondsMax)
    throw invalid_argument("ack_deadline_seconds", "must be between 10 and 600");
  if (fields.contains("filter") && fields.at("filter") != "")
    throw Failure(Code::unimplemented, "Filters are not simulated.");
  if (!fields.contains("pushConfig")) fields["pushConfig"] = json::Object{};
  if (!fields.contains("messageRetentionDuration")) fields["messageRetentionDuration"] = "604800s";
  fields["state"] = "ACTIVE";
  subscriptions_[name].fields = fields;
  return fields;
}

PubSub::Subscription& PubSub::find(const std::string& name) {
  const auto found = subscriptions_.find(name);
  if (found == subscriptions_.end()) throw Failure(Code::not_found, "Resource not found (resource=" + name + ").");
  return found->second;
}

const PubSub::Subscription& PubSub::find(const std::string& name) const {
  return const_cast<PubSub*>(this)->find(name);
}

json::Object PubSub::subscription(const std::string& name) const { return find(name).fields; }

void PubSub::delete_subscription(const std::string& name) {
  find(name);
  subscriptions_.erase(name);
}

void PubSub::set_push_config(const std::string& name, const json::Value& push_config) {
  find(name).fields["pushConfig"] = push_config;
}

std::vector<std::string> PubSub::topics(const std::string& parent) const {
  return names_below(topics_, parent, "topics");
}

std::vector<std::string> PubSub::subscriptions(const std::string& parent) const {
  return names_below(subscriptions_, parent, "subscriptions");
}

std::vector<std::string> PubSub::subscriptions_of(const std::string& topic) const {
  std::vector<std::string> names;
  for (const auto& [name, subscription] : subscriptions_) {
    if (topic_of(subscription.fields) == topic) names.push_back(name);
  }
  return names;
}

// ---- messages

std::vector<std::string> PubSub::publish(const std::string& name, const json::Value& body, base::Instant now) {
  topic(name);
  const json::Value* given = find_member(body, "messages");
  if (!given || !given->is_array() || given->get_array().empty())
    throw Failure(Code::invalid_argument,
                  "The value for message_count is too small. You passed 0 in the request, but "
                  "the minimum value is 1.");
  if (given->get_array().size() > kMessagesMax)
    throw Failure(Code::invalid_argument, "The value for message_count is too large. The maximum value is 1000.");
  std::vector<Message> messages;
  std::size_t bytes = 0;
  for (const auto& value : given->get_array()) {
    messages.push_back(read_message(value));
    bytes += messages.back().data.size();
    if (messages.back().ordering_key != messages.front().ordering_key)
      throw Failure(Code::invalid_argument,
                    "In a single publish request, all messages must have no ordering key or "
                    "they must all have the same ordering key.");
  }
  if (bytes > kPublishBytesMax) throw Failure(Code::invalid_argument, "The request is larger than 10 MB.");
  std::vector<std::string> ids;
  for (auto& message : messages) {
    message.id = std::to_string(next_message_id_++);
    message.publish_time = now;
    ids.push_back(message.id);
    const auto shared = std::make_shared<const Message>(std::move(message));
    for (auto& [unused, subscription] : subscriptions_) {
      if (topic_of(subscription.fields) == name) enqueue(subscription, shared, now);
    }
  }
  return ids;
}

PubSub::Delivery& PubSub::enqueue(Subscription& subscription, std::shared_ptr<const Message> message,
                                  base::Instant now) {
  const std::uint64_t number = next_delivery_++;
  const std::string& key = message->ordering_key;
  const json::Value* ordered = subscription.fields.if_contains("enableMessageOrdering");
  const bool in_order = !key.empty() && ordered && ordered->is_bool() && ordered->get_bool();
  const std::int64_t repeats = deliveries_max_ > 1 ? std::int64_t(random_.below(std::uint64_t(deliveries_max_))) : 0;
  if (in_order && !subscription.keys_out.insert(key).second) {
    subscription.waiting_for_key[key].push_back(number);
  } else {
    subscription.ready.emplace(now, number);
  }
  return subscription.deliveries[number] = {std::move(message), 0, repeats, now};
}

std::vector<Received> PubSub::pull(const std::string& name, std::size_t most, base::Instant now) {
  Subscription& subscription = find(name);
  const auto deadline = std::chrono::seconds(subscription.fields.at("ackDeadlineSeconds").get_int64());
  const bool tells_attempts = subscription.fields.contains("deadLetterPolicy");
  std::vector<Received> received;
  while (received.size() < most && !subscription.ready.empty() && subscription.ready.begin()->first <= now) {
    const std::uint64_t number = subscription.ready.begin()->second;
    if (dead_letter(subscription, name, number, now)) continue;
    Delivery& delivery = subscription.deliveries.at(number);
    ++delivery.attempt;
    postpone(subscription, number, now + deadline);
    received.push_back({base::base64url(std::to_string(number) + ":" + std::to_string(delivery.attempt)),
                        delivery.message, tells_attempts ? delivery.attempt : 0});
  }
  return received;
}

// A message that was tried often enough goes to the topic for dead ones.
bool PubSub::dead_letter(Subscription& subscription, const std::string& name, std::uint64_t number, base::Instant now) {
  const json::Value* policy = subscription.fields.if_contains("deadLetterPolicy");
  if (!policy) return false;
  const std::int64_t most = policy_number(subscription.fields, "deadLetterPolicy", "maxDeliveryAttempts", 5);
  const Delivery& delivery = subscription.deliveries.at(number);
  if (delivery.attempt < std::max<std::int64_t>(most, 5)) return false;
  const std::string topic = text_of(find_member(*policy, "deadLetterTopic"), "dead_letter_topic");
  if (!topics_.contains(topic)) return false;
  json::Object attributes;
  for (const auto& [key, value] : delivery.message->attributes) attributes[key] = value;
  attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = std::to_string(delivery.attempt);
  attributes["CloudPubSubDeadLetterSourceSubscription"] = std::string(own_id(name));
  attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] = segment(name, "projects");
  const json::Object message{{"data", delivery.message->data}, {"attributes", std::move(attributes)}};
  remove(subscription, number, now);
  publish(topic, json::Object{{"messages", json::Array{message}}}, now);
  return true;
}

std::optional<base::Instant> PubSub::next_delivery(const std::string& name) const {
  const Subscription& subscription = find(name);
  if (subscription.ready.empty()) return {};
  return subscription.ready.begin()->first;
}

void PubSub::postpone(Subscription& subscription, std::uint64_t number, base::Instant until) {
  Delivery& delivery = subscription.deliveries.at(number);
  subscription.ready.erase({delivery.available_at, number});
  delivery.available_at = until;
  subscription.ready.emplace(until, number);
}

void PubSub::remove(Subscription& subscription, std::uint64_t number, base::Instant now) {
  const auto found = subscription.deliveries.find(number);
  const std::string key = found->second.message->ordering_key;
  subscription.ready.erase({found->second.available_at, number});
  subscription.deliveries.erase(found);
  if (key.empty() || !subscription.keys_out.contains(key)) return;
  const auto waiting = subscription.waiting_for_key.find(key);
  if (waiting == subscription.waiting_for_key.end()) {
    subscription.keys_out.erase(key);
    return;
  }
  Delivery& next = subscription.deliveries.at(waiting->second.front());
  next.available_at = now;
  subscription.ready.emplace(now, waiting->second.front());
  waiting->second.pop_front();
  if (waiting->second.empty()) subscription.waiting_for_key.erase(waiting);
}

std::optional<std::pair<std::uint64_t, std::int64_t>> PubSub::parse_ack_id(const std::string& ack_id) const {
  const std::string text = base::from_base64url(ack_id).value_or("");
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return {};
  std::uint64_t number = 0;
  std::int64_t attempt = 0;
  const char* middle = text.data() + colon;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), middle, number).ptr != middle) return {};
  if (std::from_chars(middle + 1, end, attempt).ptr != end) return {};
  return std::pair{number, attempt};
}

void PubSub::acknowledge(const std::string& name, const std::vector<std::string>& ack_ids, base::Instant now) {
  Subscription& subscription = find(name);
  for (const auto& ack_id : ack_ids) {
    if (!parse_ack_id(ack_id))
      throw Failure(Code::invalid_argument,
                    "You have passed an invalid ack ID to the service (ack_id=" + ack_id + ").");
  }
  for (const auto& ack_id : ack_ids) {
    const std::uint64_t number = parse_ack_id(ack_id)->first;
    const auto found = subscription.deliveries.find(number);
    if (found == subscription.deliveries.end()) continue;  // acknowledged already
    if (found->second.repeats > 0) {
      --found->second.repeats;
      postpone(subscription, number, now + base::Duration(std::int64_t(random_.below(2000))));
    } else {
      remove(subscription, number, now);
    }
  }
}

void PubSub::modify_deadline(const std::string& name, const std::vector<std::string>& ack_ids,
                             std::chrono::seconds deadline, base::Instant now) {
  Subscription& subscription = find(name);
  if (deadline.count() < 0 || deadline.count() > kDeadlineSecondsMax)
    throw invalid_argument("ack_deadline_seconds", "must be between 0 and 600");
  for (const auto& ack_id : ack_ids) {
    const auto parsed = parse_ack_id(ack_id);
    if (!parsed)
      throw Failure(Code::invalid_argument,
                    "You have passed an invalid ack ID to the service (ack_id=" + ack_id + ").");
    const auto found = subscription.deliveries.find(parsed->first);
    if (found == subscription.deliveries.end() || found->second.attempt != parsed->second) continue;
    postpone(subscription, parsed->first,
             deadline.count() == 0 ? now + backoff_of(subscription.fields) : now + deadline);
  }
}

std::size_t PubSub::backlog(const std::string& name) const { return find(name).deliveries.size(); }

// ---- keeping

PubSubState PubSub::state() const {
  PubSubState state;
  for (const auto& [name, fields] : topics_) state.topics[name] = fields;
  for (const auto& [name, subscription] : subscriptions_) {
    state.subscriptions[name] = subscription.fields;
    for (const auto& [unused, delivery] : subscription.deliveries)
      state.deliveries.push_back({name, *delivery.message, delivery.attempt, delivery.repeats});
  }
  state.next_message_id = next_message_id_;
  return state;
}

void PubSub::restore(const PubSubState& state) {
  for (const auto& [name, fields] : state.topics) topics_[name] = fields.get_object();
  for (const auto& [name, fields] : state.subscriptions) subscriptions_[name].fields = fields.get_object();
  for (const auto& kept : state.deliveries) {
    const auto message = std::make_shared<const Message>(kept.message);
    Delivery& delivery = enqueue(subscriptions_[kept.subscription], message, message->publish_time);
    delivery.attempt = kept.attempt;
    delivery.repeats = kept.repeats;
  }
  next_message_id_ = state.next_message_id;
}

json::Object to_wire(const Message& message) {
  json::Object wire{{"messageId", message.id}, {"publishTime", wire_time(message.publish_time)}};
  if (!message.data.empty()) wire["data"] = message.data;
  if (!message.ordering_key.empty()) wire["orderingKey"] = message.ordering_key;
  if (!message.attributes.empty()) {
    json::Object attributes;
    for (const auto& [key, value] : message.attributes) attributes[key] = value;
    wire["attributes"] = std::move(attributes);
  }
  return wire;
}

}  // namespace slipway::simulator
