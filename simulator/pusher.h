#pragma once
// Deliveries of push subscriptions: each message is posted to the subscription's endpoint, with an identity token
// signed as by Google when `oidcToken` asks for one.

#include <set>

#include "net/asio.h"
#include "net/http_client.h"
#include "simulator/world.h"

namespace slipway::simulator {

class Pusher {
 public:
  // All must outlive the pusher.
  Pusher(net::IoContext& io, World& world, net::HttpClient& client);

  // Until it is cancelled.
  net::Awaitable<void> run();
  // Returns when no delivery is under way; after `run` has ended.
  net::Awaitable<void> settle() { return deliveries_.join(); }

 private:
  net::Awaitable<void> deliver(std::string subscription, Received received);
  net::ClientRequest make_request(const std::string& subscription, const Received& received) const;

  net::IoContext& io_;
  World& world_;
  net::HttpClient& client_;
  std::size_t in_flight_ = 0;
  net::TaskGroup deliveries_;
};

}  // namespace slipway::simulator
