#pragma once
// Wakes those who wait for something about one key, e.g. a run's next event. For the loop's thread.

#include <map>
#include <memory>
#include <string>

#include "net/asio.h"

namespace slipway::api {

class Doorbell {
 public:
  explicit Doorbell(net::IoContext& io) : io_(io) {}

  void ring(const std::string& key) {
    if (const auto found = bells_.find(key); found != bells_.end())
      if (const auto bell = found->second.lock()) bell->notify_all();
  }
  void ring_all() {
    for (const auto& [key, weak] : bells_)
      if (const auto bell = weak.lock()) bell->notify_all();
  }
  // Kept by whoever waits; forgotten when the last of them goes.
  std::shared_ptr<net::Signal> bell(const std::string& key) {
    auto& slot = bells_[key];
    if (auto bell = slot.lock()) return bell;
    auto bell = std::shared_ptr<net::Signal>(new net::Signal(io_), [this, key](net::Signal* gone) {
      delete gone;
      if (const auto found = bells_.find(key); found != bells_.end() && found->second.expired()) bells_.erase(found);
    });
    slot = bell;
    return bell;
  }

 private:
  net::IoContext& io_;
  std::map<std::string, std::weak_ptr<net::Signal>> bells_;
};

}  // namespace slipway::api
