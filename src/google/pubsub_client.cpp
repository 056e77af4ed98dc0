#include "google/pubsub_client.h"

#include "net/http.h"

namespace slipway::google {
namespace {

// Longer than the service holds a pull that finds nothing.
constexpr base::Duration kPullTimeout{120'000};
constexpr base::Duration kCallTimeout{30'000};

// Each part by itself: a '/' separates them.
std::string encoded_path(const std::string& resource) {
  std::string path = "/v1";
  for (std::size_t begin = 0; begin <= resource.size();) {
    const auto end = std::min(resource.find('/', begin), resource.size());
    path += "/" + net::percent_encode(resource.substr(begin, end - begin));
    begin = end + 1;
  }
  return path;
}

json::Array to_array(std::span<const std::string> texts) {
  json::Array array;
  array.reserve(texts.size());
  for (const auto& text : texts) array.emplace_back(text);
  return array;
}

std::string in_seconds(base::Duration duration) {  // google.protobuf.Duration
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count()) + "s";
}

// One that cannot be read is handed on as it stands, to be refused there: it must not hold up those beside it.
PubsubMessage read_or_keep(const json::Value& value) {
  try {
    return read_pubsub_message(value);
  } catch (const base::Error&) {
    PubsubMessage message{.data = json::print_value(value)};
    const auto* id = value.is_object() ? value.get_object().if_contains("messageId") : nullptr;
    if (id != nullptr && id->is_string()) message.id = std::string(id->get_string());
    return message;
  }
}

PulledMessage read_pulled(const json::Value& value) {
  const auto& object = value.as_object();
  PulledMessage pulled{.ack_id = json::from_value<std::string>(object.at("ackId")),
                       .message = read_or_keep(object.at("message"))};
  const auto* attempt = object.if_contains("deliveryAttempt");
  if (attempt != nullptr && attempt->is_int64()) pulled.delivery_attempt = attempt->get_int64();
  return pulled;
}

base::Error malformed(std::string message) {
  return {base::ErrorClass::transient, "MALFORMED_ANSWER", "Pub/Sub " + std::move(message)};
}

}  // namespace

ApiRequest PubsubClient::request(net::Method method, std::string name, const std::string& resource,
                                 std::string_view verb, std::stop_token stop) const {
  return {.service = "pubsub",
          .name = std::move(name),
          .method = method,
          .endpoint = endpoint_,
          .path = encoded_path(resource) + std::string(verb),
          .query = {},
          .body = {},
          .timeout = kCallTimeout,
          .stop = std::move(stop)};
}

json::Value PubsubClient::post(std::string name, const std::string& resource, std::string_view verb, json::Value body,
                               std::stop_token stop) {
  auto sent = request(net::Method::post, std::move(name), resource, verb, std::move(stop));
  sent.body = std::move(body);
  if (verb == ":pull") sent.timeout = kPullTimeout;
  return api_.call(sent);
}

std::vector<std::string> PubsubClient::publish(const std::string& topic, std::span<const PubsubMessage> messages,
                                               std::stop_token stop) {
  json::Array array;
  array.reserve(messages.size());
  for (const auto& message : messages) array.push_back(write_pubsub_message(message));
  const auto answer =
      post("topics.publish", topic, ":publish", json::Object{{"messages", std::move(array)}}, std::move(stop));
  const auto* ids = answer.is_object() ? answer.as_object().if_contains("messageIds") : nullptr;
  if (ids == nullptr || !ids->is_array() || ids->as_array().size() != messages.size())
    throw malformed("answered a publish of " + std::to_string(messages.size()) + " messages without as many ids");
  return json::from_value<std::vector<std::string>>(*ids, json::Mode::lenient);
}

std::vector<PulledMessage> PubsubClient::pull(const std::string& subscription, std::size_t messages_max, PullWait wait,
                                              std::stop_token stop) {
  json::Object body{{"maxMessages", std::int64_t(messages_max)}};
  if (wait == PullWait::none) body["returnImmediately"] = true;
  const auto answer = post("subscriptions.pull", subscription, ":pull", std::move(body), std::move(stop));
  std::vector<PulledMessage> pulled;
  const auto* received = answer.is_object() ? answer.as_object().if_contains("receivedMessages") : nullptr;
  if (received == nullptr) return pulled;
  if (!received->is_array()) throw malformed("answered a pull with messages that are no array");
  pulled.reserve(received->as_array().size());
  try {
    for (const auto& value : received->as_array()) pulled.push_back(read_pulled(value));
  } catch (const std::exception& failure) {
    throw malformed(std::string("answered a pull with a message that cannot be read: ") + failure.what());
  }
  return pulled;
}

void PubsubClient::acknowledge(const std::string& subscription, std::span<const std::string> ack_ids,
                               std::stop_token stop) {
  post("subscriptions.acknowledge", subscription, ":acknowledge", json::Object{{"ackIds", to_array(ack_ids)}},
       std::move(stop));
}

void PubsubClient::modify_ack_deadline(const std::string& subscription, std::span<const std::string> ack_ids,
                                       base::Duration deadline, std::stop_token stop) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(deadline).count();
  post("subscriptions.modifyAckDeadline", subscription, ":modifyAckDeadline",
       json::Object{{"ackIds", to_array(ack_ids)}, {"ackDeadlineSeconds", seconds}}, std::move(stop));
}

bool PubsubClient::create(std::string name, const std::string& resource, json::Value body, std::stop_token stop) {
  auto sent = request(net::Method::put, std::move(name), resource, "", std::move(stop));
  sent.body = std::move(body);
  try {
    api_.call(sent);
    return true;
  } catch (const base::Error& error) {
    if (error.code() != "ALREADY_EXISTS") throw;
    return false;
  }
}

bool PubsubClient::create_topic(const std::string& topic, std::stop_token stop) {
  return create("topics.create", topic, json::Object{}, std::move(stop));
}

bool PubsubClient::has_topic(const std::string& topic, std::stop_token stop) {
  return api_.find(request(net::Method::get, "topics.get", topic, "", std::move(stop))).has_value();
}

bool PubsubClient::create_subscription(const std::string& subscription, const SubscriptionSpec& spec,
                                       std::stop_token stop) {
  json::Object body{{"topic", spec.topic},
                    {"ackDeadlineSeconds", std::chrono::duration_cast<std::chrono::seconds>(spec.ack_deadline).count()},
                    {"messageRetentionDuration", in_seconds(spec.retention)},
                    {"expirationPolicy", json::Object{}}};
  if (spec.ordered) body["enableMessageOrdering"] = true;
  json::Object retry;
  if (spec.retry_min) retry["minimumBackoff"] = in_seconds(*spec.retry_min);
  if (spec.retry_max) retry["maximumBackoff"] = in_seconds(*spec.retry_max);
  if (!retry.empty()) body["retryPolicy"] = std::move(retry);
  return create("subscriptions.create", subscription, std::move(body), std::move(stop));
}

std::optional<std::string> PubsubClient::find_subscription_topic(const std::string& subscription,
                                                                 std::stop_token stop) {
  const auto found = api_.find(request(net::Method::get, "subscriptions.get", subscription, "", std::move(stop)));
  if (!found || !found->is_object()) return std::nullopt;
  const auto* topic = found->as_object().if_contains("topic");
  return topic != nullptr && topic->is_string() ? std::optional(std::string(topic->get_string())) : "";
}

}  // namespace slipway::google
