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
  // Up to here the feed is settled (change_feed.h): other readers of it stop here. 0 before the stream has begun.
  std::int64_t position() const { return feed_.settled(); }
  bool has_begun() const { return feed_.has_begun(); }
  // Until it has begun, which is a matter of milliseconds, or the stream is stopped.
  net::Awaitable<void> wait_until_begun();

 private:
  net::Awaitable<std::size_t> read_news();
  void distribute(const std::vector<fleet::OwnedChange>& news);

  net::IoContext& io_;
  store::Database& database_;
  const observe::Logger& log_;
  net::Signal looked_for_;
  fleet::FeedReader feed_;
  net::Signal begun_;
  bool news_expected_ = true;
  bool stopped_ = false;
  std::set<std::weak_ptr<Subscription>, std::owner_less<>> subscriptions_;
};

}  // namespace slipway::api
