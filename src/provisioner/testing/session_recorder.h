#pragma once
// The runner's end of a session in tests: keeps what is told, and waits for it.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "provisioner/protocol.h"

namespace slipway::provisioner {

class SessionRecorder {
 public:
  SessionEvents events() {
    return {.on_message = [this](Message message) { add(std::move(message)); },
            .on_closed = [this](std::optional<base::Error> error) { end(std::move(error)); }};
  }

  // Called with each message, before it can be waited for.
  std::function<void(const Message&)> on_message;

  // The next message of the kind that has not been waited for; what comes before it is passed over. Throws when the
  // session ends first.
  template <class Kind>
  Kind wait_for() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return next_ < messages_.size() || closed_; });
      if (next_ == messages_.size())
        throw base::internal_error("the session has ended" + (error_ ? ": " + std::string(error_->what()) : ""));
      const Message& message = messages_[next_++];
      if (const auto* found = std::get_if<Kind>(&message)) return *found;
    }
  }
  // The log line that contains `text`.
  Log wait_for_log(std::string_view text) {
    for (;;)
      if (auto log = wait_for<Log>(); log.output.find(text) != log.output.npos) return log;
  }

  std::optional<base::Error> wait_until_closed() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_; });
    return error_;
  }
  std::string error_code() {
    const auto error = wait_until_closed();
    return error ? error->code() : "";
  }

  std::vector<Message> messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> found;
    for (const auto& message : messages())
      if (const auto* log = std::get_if<Log>(&message)) found.push_back(log->output);
    return found;
  }

 private:
  void add(Message message) {
    if (on_message) on_message(message);
    const std::lock_guard lock(mutex_);
    if (closed_) std::terminate();  // nothing comes after on_closed
    messages_.push_back(std::move(message));
    changed_.notify_all();
  }
  void end(std::optional<base::Error> error) {
    const std::lock_guard lock(mutex_);
    if (closed_) std::terminate();
    closed_ = true;
    error_ = std::move(error);
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Message> messages_;
  std::size_t next_ = 0;
  bool closed_ = false;
  std::optional<base::Error> error_;
};

}  // namespace slipway::provisioner
