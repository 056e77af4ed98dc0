#pragma once
// A process that a test forks to do something as somebody else, and talks with over pipes.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "base/unique_fd.h"

namespace slipway::store::testing {

// One end of the talk: numbers, one at a time.
class Channel {
 public:
  Channel(base::UniqueFd in, base::UniqueFd out) : in_(std::move(in)), out_(std::move(out)) {}
  void send(std::int64_t number);
  std::optional<std::int64_t> receive();  // empty when the other end is gone

 private:
  base::UniqueFd in_, out_;
};

// Make it before the test starts threads: the child is a fork. It ends by itself when `body` returns or the test ends,
// and is killed at the latest with this object.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<void(Channel&)>& body);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  Channel& channel() { return *channel_; }
  void kill();  // SIGKILL; returns when it is gone

 private:
  pid_t child_ = 0;
  std::optional<Channel> channel_;
};

}  // namespace slipway::store::testing
