#pragma once
// The live stream of changes (HUB-9): one reader of the change feed for all subscribers, each of which gets what its
// scope may see. For the loop's thread.

#include <deque>
#include <memory>
#include <set>

#include "fleet/change_feed.h"
#include "net/asio.h"
#include "observe/log.h"
#include "store/store.h"

namespace slipway::api {

class ChangeStream {
 public:
  ChangeStream(net::IoContext& io, store::Database& database, const observe::Logger& log);

  // Something may have changed: cheap, to be called after every commit that may have. Also looks by itself each second,
  // for changes by others.
  void look();
  // Runs until `stop`; spawned by the owner.
  net::Awaitable<void> run();
  void stop();

  struct Subscription {
    explicit Subscription(net::IoContext& io, fleet::Scope scope) : arrived(io), scope(std::move(scope)) {}
    std::deque<std::shared_ptr<const fleet::Change>> waiting;
    net::Signal arrived;
    fleet::Scope scope;
    std::string owner;
    bool lagging = false;  // more waited than kept: the reader must go back to the feed
  };
  // Gets every change after the stream's `position` of now.
  std::shared_ptr<Subscription> subscribe(const fleet::Scope& scope);
  std::int64_t position() const { return position_; }

 private:
  net::Awaitable<void> read_news();
  void distribute(const std::vector<fleet::OwnedChange>& news);

  net::IoContext& io_;
  store::Database& database_;
  const observe::Logger& log_;
  net::Signal looked_for_;
  bool news_expected_ = true;
  bool stopped_ = false;
  bool positioned_ = false;
  std::int64_t position_ = 0;
  std::set<std::weak_ptr<Subscription>, std::owner_less<>> subscriptions_;
};

}  // namespace slipway::api
