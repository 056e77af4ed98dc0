#pragma once
// Publishes to topics, many callers at a time in few requests (WP-9).
//
// No thread of its own: of the callers that come together, the first one waits a moment for others and then sends for
// all of them. Messages with the same ordering key are sent one batch after another, in the order of their calls.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <utility>

#include "google/pubsub.h"
#include "observe/metrics.h"

namespace slipway::google {

struct PublisherSettings {
  base::Duration delay{10};           // how long the first of a batch waits for others
  std::size_t messages_max = 500;     // of a batch
  std::size_t bytes_max = 1'000'000;  // of a batch; a larger message goes alone
  std::size_t waiting_max = 10'000;   // callers at a time; more are refused
};

// Thread-safe. `pubsub` must outlive it, and all calls must have returned before it goes.
class PubsubPublisher {
 public:
  PubsubPublisher(Pubsub& pubsub, observe::Registry& metrics, PublisherSettings settings = {});

  // Blocks until the message is published, and gives its id. Published at least once: who calls again after a failure
  // may publish it twice. A message that Pub/Sub refuses fails alone. `stop` only ends the wait for others: what was
  // joined by others is sent in any case. Throws INVALID_ARGUMENT (user) for a message that could never be taken,
  // PUBLISHER_BUSY (transient), or as Pubsub::publish.
  std::string publish(const std::string& topic, PubsubMessage message, std::stop_token stop = {});

 private:
  struct Entry;
  struct Batch;
  struct Lane {
    std::shared_ptr<Batch> open;               // takes more messages
    std::deque<std::shared_ptr<Batch>> turns;  // of an ordering key: to be sent in this order, one at a time
    std::size_t users = 0;
  };
  using Lock = std::unique_lock<std::mutex>;
  using LaneKey = std::pair<std::string, std::string>;  // topic, ordering key

  std::shared_ptr<Batch> join(Lane& lane, const std::shared_ptr<Entry>& entry);
  void lead(Lock& lock, Lane& lane, const std::shared_ptr<Batch>& batch, const LaneKey& key,
            const std::stop_token& stop);
  void send(const std::string& topic, std::span<const std::shared_ptr<Entry>> entries);

  Pubsub& pubsub_;
  const PublisherSettings settings_;
  observe::Counter published_, refused_, requests_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<LaneKey, Lane> lanes_;
  std::size_t waiting_ = 0;
};

}  // namespace slipway::google
