#include "google/pubsub_publisher.h"

#include <optional>

namespace slipway::google {
namespace {

constexpr std::size_t kAttributesMax = 100;
constexpr std::size_t kAttributeNameMax = 256, kAttributeValueMax = 1'024, kOrderingKeyMax = 1'024;

base::Error invalid(std::string message) {
  return {base::ErrorClass::user, "INVALID_ARGUMENT", "the message cannot be published: " + std::move(message)};
}

// What the service would refuse: asked here, so that it costs its neighbours no second request.
void check(const PubsubMessage& message) {
  if (message.data.empty() && message.attributes.empty()) throw invalid("it has neither data nor an attribute");
  if (message.data.size() > kPublishBytesMax) throw invalid("it is larger than 10 MB");
  if (message.ordering_key.size() > kOrderingKeyMax) throw invalid("its ordering key is longer than 1 KB");
  if (message.attributes.size() > kAttributesMax) throw invalid("it has more than 100 attributes");
  for (const auto& [name, value] : message.attributes)
    if (name.empty() || name.size() > kAttributeNameMax || value.size() > kAttributeValueMax)
      throw invalid("an attribute has a name without letters or longer than 256 bytes, or a value longer than 1 KB");
}

}  // namespace

struct PubsubPublisher::Entry {
  PubsubMessage message;
  std::string id;
  std::optional<base::Error> failure;  // a copy for each: their callers' threads share nothing
};

struct PubsubPublisher::Batch {
  std::vector<std::shared_ptr<Entry>> entries;
  std::size_t bytes = 0;
  bool is_full = false;
  bool is_done = false;
};

PubsubPublisher::PubsubPublisher(Pubsub& pubsub, observe::Registry& metrics, PublisherSettings settings)
    : pubsub_(pubsub),
      settings_(settings),
      published_(metrics.counter("slipway_pubsub_published_total", "Messages published.")),
      refused_(metrics.counter("slipway_pubsub_publish_failures_total", "Messages that could not be published.")),
      requests_(metrics.counter("slipway_pubsub_publish_requests_total", "Requests that published messages.")) {}

std::string PubsubPublisher::publish(const std::string& topic, PubsubMessage message, std::stop_token stop) {
  check(message);
  const auto entry = std::make_shared<Entry>(Entry{std::move(message), {}, {}});
  const LaneKey key{topic, entry->message.ordering_key};

  Lock lock(mutex_);
  if (waiting_ >= settings_.waiting_max)
    throw base::Error(base::ErrorClass::transient, "PUBLISHER_BUSY", "too many messages wait to be published");
  ++waiting_;
  Lane& lane = lanes_[key];
  ++lane.users;
  const auto batch = join(lane, entry);
  if (batch->entries.front() == entry) {
    lead(lock, lane, batch, key, stop);
  } else {
    // Its leader sends it in any case: nobody could take it back without a gap in the others' order.
    changed_.wait(lock, [&] { return batch->is_done; });
  }
  --waiting_;
  if (--lane.users == 0) lanes_.erase(key);
  if (entry->failure) throw base::Error(*entry->failure);
  return entry->id;
}

// The batch that the message goes with. A batch without room is left to be sent as it is.
std::shared_ptr<PubsubPublisher::Batch> PubsubPublisher::join(Lane& lane, const std::shared_ptr<Entry>& entry) {
  const auto size = size_of(entry->message);
  if (lane.open && lane.open->bytes + size > settings_.bytes_max) {
    lane.open->is_full = true;
    lane.open = nullptr;
    changed_.notify_all();
  }
  const bool is_new = lane.open == nullptr;
  if (is_new) lane.open = std::make_shared<Batch>();
  const auto batch = lane.open;
  if (is_new && !entry->message.ordering_key.empty()) lane.turns.push_back(batch);
  batch->entries.push_back(entry);
  batch->bytes += size;
  if (batch->entries.size() >= std::min(settings_.messages_max, kPublishMessagesMax) ||
      batch->bytes >= settings_.bytes_max) {
    batch->is_full = true;
    lane.open = nullptr;
    changed_.notify_all();
  }
  return batch;
}

// Waits for others and for the turn of the batch, sends it, and tells everyone. A stop ends the wait for others only.
void PubsubPublisher::lead(Lock& lock, Lane& lane, const std::shared_ptr<Batch>& batch, const LaneKey& key,
                           const std::stop_token& stop) {
  changed_.wait_for(lock, stop, settings_.delay, [&] { return batch->is_full; });
  changed_.wait(lock, [&] { return lane.turns.empty() || lane.turns.front() == batch || key.second.empty(); });
  if (lane.open == batch) lane.open = nullptr;
  lock.unlock();
  send(key.first, batch->entries);
  lock.lock();
  if (!key.second.empty()) lane.turns.pop_front();
  batch->is_done = true;
  changed_.notify_all();
}

// Of a batch that is refused, the halves are sent by themselves, until those that are wrong stand alone.
void PubsubPublisher::send(const std::string& topic, std::span<const std::shared_ptr<Entry>> entries) {
  std::vector<PubsubMessage> messages;
  messages.reserve(entries.size());
  for (const auto& entry : entries) messages.push_back(entry->message);
  try {
    requests_.increment();
    auto ids = pubsub_.publish(topic, messages);
    SLIPWAY_ASSERT(ids.size() == entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) entries[i]->id = std::move(ids[i]);
    published_.increment(double(entries.size()));
  } catch (...) {
    const auto failure = base::as_error(std::current_exception());
    if (entries.size() > 1 && failure.code() == "INVALID_ARGUMENT") {
      send(topic, entries.first(entries.size() / 2));
      send(topic, entries.subspan(entries.size() / 2));
      return;
    }
    refused_.increment(double(entries.size()));
    for (const auto& entry : entries) entry->failure = failure;
  }
}

}  // namespace slipway::google
