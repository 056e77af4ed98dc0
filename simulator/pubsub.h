#pragma once
// A small Pub/Sub without HTTP and clock: topics, subscriptions, deliveries with deadlines, redelivery, order by key,
// dead letters.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "simulator/status.h"

namespace slipway::simulator {

struct Message {
  std::string id;
  std::string data;  // base64, as it came
  std::map<std::string, std::string> attributes;
  std::string ordering_key;
  base::Instant publish_time{};
};
SLIPWAY_JSON_SNAKE(Message, id, data, attributes, ordering_key, publish_time)

struct Received {
  std::string ack_id;
  std::shared_ptr<const Message> message;
  std::int64_t attempt = 0;
};

// A message that a subscription has not let go of.
struct KeptDelivery {
  std::string subscription;
  Message message;
  std::int64_t attempt = 0;
  std::int64_t repeats = 0;
};
SLIPWAY_JSON_SNAKE(KeptDelivery, subscription, message, attempt, repeats)

// For saving. Leases are not kept: what was out is delivered again.
struct PubSubState {
  std::map<std::string, json::Value> topics;  // by name, as the client gave them
  std::map<std::string, json::Value> subscriptions;
  std::vector<KeptDelivery> deliveries;  // in order
  std::int64_t next_message_id = 1;
};
SLIPWAY_JSON_SNAKE(PubSubState, topics, subscriptions, deliveries, next_message_id)

// Not thread-safe. Calls throw Failure and then have changed nothing.
class PubSub {
 public:
  // Each message is delivered at least once and up to `deliveries_max` times although it is acknowledged, as dice say.
  PubSub(base::Random& random, std::int64_t deliveries_max) : random_(random), deliveries_max_(deliveries_max) {}

  json::Object create_topic(const std::string& name, const json::Value& body);
  json::Object topic(const std::string& name) const;
  void delete_topic(const std::string& name);
  json::Object create_subscription(const std::string& name, const json::Value& body);
  json::Object subscription(const std::string& name) const;
  void delete_subscription(const std::string& name);
  void set_push_config(const std::string& name, const json::Value& push_config);
  // Names in order, of those below `parent` ("projects/p").
  std::vector<std::string> topics(const std::string& parent) const;
  std::vector<std::string> subscriptions(const std::string& parent) const;
  std::vector<std::string> subscriptions_of(const std::string& topic) const;

  // The ids of the messages.
  std::vector<std::string> publish(const std::string& topic, const json::Value& body, base::Instant now);
  std::vector<Received> pull(const std::string& subscription, std::size_t most, base::Instant now);
  // When something can be pulled at the earliest without a new message; empty: never.
  std::optional<base::Instant> next_delivery(const std::string& subscription) const;
  void acknowledge(const std::string& subscription, const std::vector<std::string>& ack_ids, base::Instant now);
  // 0 seconds: give back.
  void modify_deadline(const std::string& subscription, const std::vector<std::string>& ack_ids,
                       std::chrono::seconds deadline, base::Instant now);

  // What waits or is out, of one subscription.
  std::size_t backlog(const std::string& subscription) const;
  PubSubState state() const;
  void restore(const PubSubState& state);

 private:
  struct Delivery {
    std::shared_ptr<const Message> message;
    std::int64_t attempt = 0;
    std::int64_t repeats = 0;  // to come although acknowledged
    base::Instant available_at{};
  };
  struct Subscription {
    json::Object fields;
    std::map<std::uint64_t, Delivery> deliveries;
    std::set<std::pair<base::Instant, std::uint64_t>> ready;           // by when it may be delivered (again)
    std::map<std::string, std::deque<std::uint64_t>> waiting_for_key;  // behind the first of their key
    std::set<std::string> keys_out;
  };

  Subscription& find(const std::string& name);
  const Subscription& find(const std::string& name) const;
  Delivery& enqueue(Subscription& subscription, std::shared_ptr<const Message> message, base::Instant now);
  bool dead_letter(Subscription& subscription, const std::string& name, std::uint64_t number, base::Instant now);
  void remove(Subscription& subscription, std::uint64_t number, base::Instant now);
  void postpone(Subscription& subscription, std::uint64_t number, base::Instant until);
  std::optional<std::pair<std::uint64_t, std::int64_t>> parse_ack_id(const std::string& ack_id) const;

  base::Random& random_;
  std::int64_t deliveries_max_;
  std::map<std::string, json::Object> topics_;
  std::map<std::string, Subscription> subscriptions_;
  std::int64_t next_message_id_ = 1;
  std::uint64_t next_delivery_ = 1;
};

// {"data":…,"messageId":…,"publishTime":…}
json::Object to_wire(const Message& message);

}  // namespace slipway::simulator
