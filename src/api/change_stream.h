#pragma once
// The live stream of changes (HUB-9, WF-44): one reader of the change feed for all subscribers, each of which gets what
// its scope may see and its filter asks for. A change costs what those cost who get it, however many are subscribed; it
// is made into text once for all of them. For the loop's thread.

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fleet/change_feed.h"
#include "net/asio.h"
#include "notify/webhook_events.h"
#include "observe/log.h"
#include "store/store.h"

namespace slipway::api {

enum class EventFormat { plain, cloud_event };

// One change on its way to subscribers.
class News {
 public:
  explicit News(fleet::OwnedChange change);

  std::int64_t seq() const { return change_.change.seq; }
  const fleet::Change& change() const { return change_.change; }
  const std::string& owner_id() const { return change_.owner_id; }
  const notify::Occurrence& occurrence() const { return occurrence_; }
  // As a server-sent event; made when first asked for.
  const std::string& frame(EventFormat format) const;
  // A CloudEvent 1.0 in its JSON format (WF-46).
  std::string to_cloud_event() const;

 private:
  fleet::OwnedChange change_;
  notify::Occurrence occurrence_;
  mutable std::string plain_, cloud_;
};

// What a subscriber wants to hear of.
struct EventFilter {
  std::vector<std::string> types;  // patterns (notify::matches_type); empty: *
  std::string resource_id;         // what it is about, or what its run works on; empty: any

  bool wants(const notify::Occurrence& occurrence) const;
};

class ChangeStream {
 public:
  ChangeStream(net::IoContext& io, store::Database& database, const observe::Logger& log);

  // Something may have changed here: cheap, to be called after every commit that may have. The other replicas are told
  // by a bell; should that get lost, each looks by itself every second.
  void look();
  // Runs until `stop`; spawned by the owner.
  net::Awaitable<void> run();
  void stop();

  // Unsubscribes with its end. The stream outlives it.
  class Subscription {
   public:
    Subscription(ChangeStream& stream, fleet::Scope scope, EventFilter filter);
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

    std::vector<std::shared_ptr<const News>> waiting;
    bool lagging = false;  // more waited than kept: the reader must go back to the feed
    net::Signal arrived;
    const fleet::Scope scope;
    const EventFilter filter;

   private:
    ChangeStream& stream_;
  };
  // Gets every change after the stream's `position` of now.
  std::shared_ptr<Subscription> subscribe(const fleet::Scope& scope, EventFilter filter = {});
  std::size_t subscribers() const { return count_; }
  // Up to here the feed is settled (change_feed.h): other readers of it stop here. 0 before the stream has begun.
  std::int64_t position() const { return position_; }
  bool has_begun() const { return has_begun_; }
  // Until it has begun, which is a matter of milliseconds, or the stream is stopped.
  net::Awaitable<void> wait_until_begun();

 private:
  using Subscribers = std::unordered_set<Subscription*>;
  void expect_news();
  net::Awaitable<std::size_t> read_news();
  void distribute(std::vector<fleet::OwnedChange> news);
  static void give(const Subscribers& subscribers, const std::shared_ptr<const News>& news, Subscribers& to_wake);
  Subscribers& those_of(const fleet::Scope& scope);

  net::IoContext& io_;
  store::Database& database_;
  const observe::Logger& log_;
  net::Signal looked_for_;
  fleet::FeedReader feed_;     // while a read is under way: for its thread
  std::int64_t position_ = 0;  // as the last read left it
  bool has_begun_ = false;
  net::Signal begun_;
  bool news_expected_ = true;
  bool changed_here_ = false;  // since the bell was rung last
  bool stopped_ = false;
  std::size_t count_ = 0;
  Subscribers of_everything_;
  std::unordered_map<std::string, Subscribers> by_owner_;
  std::shared_ptr<ChangeStream*> self_;  // a bell that is heard late holds it weakly
  std::unique_ptr<store::Listening> listening_;
};

}  // namespace slipway::api
