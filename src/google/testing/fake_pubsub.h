#pragma once
// Pub/Sub in memory, for tests that say what goes wrong and when. Topics and subscriptions are the same thing here, and
// a message comes again only when it is given back.

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

#include "google/pubsub.h"

namespace slipway::google::testing {

class FakePubsub final : public Pubsub {
 public:
  // Asked before each call does anything, on the caller's thread; may throw, or block. `ids` are ack ids, or the data
  // of messages.
  using Hook = std::function<void(std::string_view call, const std::vector<std::string>& ids)>;
  void set_hook(Hook hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }

  void deliver(std::string data, std::string ordering_key = {}) {
    const std::lock_guard lock(mutex_);
    add(std::move(data), std::move(ordering_key));
  }

  std::vector<std::string> publish(const std::string&, std::span<const PubsubMessage> messages,
                                   std::stop_token) override {
    std::vector<std::string> data, ids;
    for (const auto& message : messages) data.push_back(message.data);
    ask("publish", data);
    const std::lock_guard lock(mutex_);
    published.push_back(data);
    for (const auto& message : messages) ids.push_back(add(message.data, message.ordering_key));
    return ids;
  }

  std::vector<PulledMessage> pull(const std::string&, std::size_t messages_max, PullWait wait,
                                  std::stop_token stop) override {
    ask("pull", {});
    std::unique_lock lock(mutex_);
    if (wait == PullWait::none && queue_.empty()) return {};
    if (!changed_.wait(lock, stop, [this] { return !queue_.empty(); }))
      throw base::Error(base::ErrorClass::internal, "CANCELLED", "told to stop");
    pulls.push_back(messages_max);
    std::vector<PulledMessage> pulled;
    for (; !queue_.empty() && pulled.size() < messages_max; queue_.pop_front()) {
      auto& message = queue_.front();
      const auto ack_id = "ack-" + message.id + "-" + std::to_string(++attempts_);
      out_.emplace(ack_id, message);
      pulled.push_back({.ack_id = ack_id, .message = std::move(message)});
    }
    return pulled;
  }

  void acknowledge(const std::string&, std::span<const std::string> ack_ids, std::stop_token) override {
    ask("acknowledge", {ack_ids.begin(), ack_ids.end()});
    const std::lock_guard lock(mutex_);
    for (const auto& id : ack_ids) {
      const auto found = out_.find(id);
      if (found == out_.end()) continue;
      acked.push_back(found->second.data);
      out_.erase(found);
    }
    changed_.notify_all();
  }

  void modify_ack_deadline(const std::string&, std::span<const std::string> ack_ids, base::Duration deadline,
                           std::stop_token) override {
    ask("modifyAckDeadline", {ack_ids.begin(), ack_ids.end()});
    const std::lock_guard lock(mutex_);
    for (const auto& id : ack_ids) {
      const auto found = out_.find(id);
      if (found == out_.end()) continue;
      (deadline.count() == 0 ? nacked : extended).push_back(found->second.data);
      if (deadline.count() != 0) continue;
      queue_.push_back(found->second);
      out_.erase(found);
    }
    changed_.notify_all();
  }

  // Waits until the condition on the lists below holds.
  template <class Condition>
  void await(Condition condition) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, condition);
  }

  // ---- what was done: read within `await`, or when nothing is under way
  std::vector<std::vector<std::string>> published;  // by request
  std::vector<std::size_t> pulls;                   // that gave something: how many were asked for
  std::vector<std::string> acked, nacked, extended;

 private:
  std::string add(std::string data, std::string ordering_key) {
    PubsubMessage message{.data = std::move(data), .attributes = {}, .ordering_key = std::move(ordering_key)};
    message.id = std::to_string(++last_id_);
    const auto id = message.id;
    queue_.push_back(std::move(message));
    changed_.notify_all();
    return id;
  }
  void ask(std::string_view call, const std::vector<std::string>& ids) {
    Hook hook;
    {
      const std::lock_guard lock(mutex_);
      hook = hook_;
    }
    if (hook) hook(call, ids);
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Hook hook_;
  std::deque<PubsubMessage> queue_;
  std::map<std::string, PubsubMessage> out_;
  std::uint64_t last_id_ = 0, attempts_ = 0;
};

}  // namespace slipway::google::testing
