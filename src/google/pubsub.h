#pragma once
// What Pub/Sub does for a publisher and a puller, apart from how it is reached: pubsub_client.h over REST, a fake in
// tests. Names are full: projects/p/topics/t, projects/p/subscriptions/s.

#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace slipway::google {

struct PubsubMessage {
  std::string data;  // any bytes
  std::map<std::string, std::string> attributes;
  std::string ordering_key;
  std::string id;  // set by Pub/Sub, unique within the topic
  std::optional<base::Instant> published_at;
};

struct PulledMessage {
  std::string ack_id;  // of this delivery
  PubsubMessage message;
  std::int64_t delivery_attempt = 0;  // 0: the subscription has no dead-letter policy, and so does not count
};

// What the service takes in one request.
inline constexpr std::size_t kPublishMessagesMax = 1'000;
inline constexpr std::size_t kPublishBytesMax = 10'000'000;
inline constexpr std::size_t kAckIdsMax = 1'000;  // 512 KiB of ids; they have some 200 bytes
inline constexpr base::Duration kAckDeadlineMax{600'000};
inline constexpr base::Duration kAckDeadlineMin{10'000};  // of a subscription, and its default

// How long a pull that finds nothing is held: as long as the service likes to, or not at all. The latter may miss what
// is there, and is for finding out whether the service is.
enum class PullWait { usual, none };

// Thread-safe; every call blocks, and ends early when `stop` fires. Errors are those of ApiClient.
class Pubsub {
 public:
  virtual ~Pubsub() = default;
  // All messages have the same ordering key. The ids, in their order. INVALID_ARGUMENT: nothing was published.
  virtual std::vector<std::string> publish(const std::string& topic, std::span<const PubsubMessage> messages,
                                           std::stop_token stop = {}) = 0;
  // Empty when there was nothing.
  virtual std::vector<PulledMessage> pull(const std::string& subscription, std::size_t messages_max, PullWait wait,
                                          std::stop_token stop = {}) = 0;
  virtual void acknowledge(const std::string& subscription, std::span<const std::string> ack_ids,
                           std::stop_token stop = {}) = 0;
  // From now on. 0 gives them back at once. Whole seconds.
  virtual void modify_ack_deadline(const std::string& subscription, std::span<const std::string> ack_ids,
                                   base::Duration deadline, std::stop_token stop = {}) = 0;
};

// google.pubsub.v1.PubsubMessage as JSON. Reads both spellings of its members, camelCase and snake_case: a push has
// both. Throws VALIDATION_ERROR naming the member.
PubsubMessage read_pubsub_message(const json::Value& value, const json::Path& path = {});
json::Value write_pubsub_message(const PubsubMessage& message);
// About what it weighs in a request.
std::size_t size_of(const PubsubMessage& message);

// The full name of a topic or subscription that may be given by its id only. Throws VALIDATION_ERROR naming `field`.
std::string topic_name(std::string_view field, std::string_view project, std::string_view topic);
std::string subscription_name(std::string_view field, std::string_view project, std::string_view subscription);

}  // namespace slipway::google
