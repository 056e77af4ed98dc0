#pragma once
// Pub/Sub v1 over REST: https://cloud.google.com/pubsub/docs/reference/rest, `pubsub.googleapis.com`.

#include "google/api_client.h"
#include "google/pubsub.h"

namespace slipway::google {

struct SubscriptionSpec {
  std::string topic;
  base::Duration ack_deadline{60'000};      // 10 s to 600 s
  base::Duration retention{604'800'000};    // of what is not acknowledged: 10 min to 31 days
  bool ordered = false;                     // messages with the same ordering key come in their order
  std::optional<base::Duration> retry_min;  // before something that was given back comes again; 0 to 600 s
  std::optional<base::Duration> retry_max;
};

class PubsubClient final : public Pubsub {
 public:
  // `endpoint` as in Endpoints::pubsub. `api` must outlive this.
  PubsubClient(ApiClient& api, std::string endpoint) : api_(api), endpoint_(std::move(endpoint)) {}

  std::vector<std::string> publish(const std::string& topic, std::span<const PubsubMessage> messages,
                                   std::stop_token stop = {}) override;
  std::vector<PulledMessage> pull(const std::string& subscription, std::size_t messages_max, PullWait wait,
                                  std::stop_token stop = {}) override;
  void acknowledge(const std::string& subscription, std::span<const std::string> ack_ids,
                   std::stop_token stop = {}) override;
  void modify_ack_deadline(const std::string& subscription, std::span<const std::string> ack_ids,
                           base::Duration deadline, std::stop_token stop = {}) override;

  // ---- for setting up; true if it was made, false if it was there already
  bool create_topic(const std::string& topic, std::stop_token stop = {});
  bool has_topic(const std::string& topic, std::stop_token stop = {});
  // It never expires by being unused.
  bool create_subscription(const std::string& subscription, const SubscriptionSpec& spec, std::stop_token stop = {});
  // Its topic; nothing when there is no such subscription.
  std::optional<std::string> find_subscription_topic(const std::string& subscription, std::stop_token stop = {});

 private:
  ApiRequest request(net::Method method, std::string name, const std::string& resource, std::string_view verb,
                     std::stop_token stop) const;
  json::Value post(std::string name, const std::string& resource, std::string_view verb, json::Value body,
                   std::stop_token stop);
  bool create(std::string name, const std::string& resource, json::Value body, std::stop_token stop);

  ApiClient& api_;
  const std::string endpoint_;
};

}  // namespace slipway::google
