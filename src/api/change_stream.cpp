#include "api/change_stream.h"

#include "net/sse.h"
#include "notify/webhook_message.h"

namespace slipway::api {
namespace {

constexpr std::size_t kWaitingMax = 1'000;  // changes that one slow reader may have waiting
constexpr std::size_t kReadMax = 500;
constexpr std::string_view kChannel = "slipway_changes";
constexpr std::string_view kBell = "news";
constexpr base::Duration kOwnLook = std::chrono::seconds(1);
// Somebody is about to commit what is missing: first a look after this long, then less and less often.
constexpr base::Duration kSoon = std::chrono::milliseconds(2);
constexpr base::Duration kLessSoon = std::chrono::milliseconds(100);

}  // namespace

// ---- news

News::News(fleet::OwnedChange change) : change_(std::move(change)), occurrence_(notify::occurrence_of(change_)) {}

std::string News::to_cloud_event() const {
  return notify::make_message(fleet::WebhookFormat::cloudevents, occurrence_, std::to_string(seq())).body;
}

const std::string& News::frame(EventFormat format) const {
  const auto& change = change_.change;
  auto& text = format == EventFormat::plain ? plain_ : cloud_;
  if (text.empty())
    text = format == EventFormat::plain
               ? net::format_event({.id = std::to_string(change.seq),
                                    .event = change.type.substr(0, change.type.find('.')),
                                    .data = json::print(change)})
               : net::format_event({.id = std::to_string(change.seq), .event = change.type, .data = to_cloud_event()});
  return text;
}

bool EventFilter::wants(const notify::Occurrence& occurrence) const {
  if (!resource_id.empty() && occurrence.subject != resource_id && occurrence.resource_id != resource_id) return false;
  if (types.empty()) return notify::matches_type("*", occurrence.type);
  return std::ranges::any_of(types,
                             [&](const std::string& type) { return notify::matches_type(type, occurrence.type); });
}

// ---- the stream

ChangeStream::ChangeStream(net::IoContext& io, store::Database& database, const observe::Logger& log)
    : io_(io),
      database_(database),
      log_(log),
      looked_for_(io),
      begun_(io),
      self_(std::make_shared<ChangeStream*>(this)) {
  listening_ = database_.listen(std::string(kChannel), [&io, weak = std::weak_ptr(self_)](std::string_view) {
    boost::asio::post(io, [weak] {
      if (const auto self = weak.lock()) (*self)->expect_news();
    });
  });
}

void ChangeStream::look() {
  changed_here_ = true;
  expect_news();
}

void ChangeStream::expect_news() {
  news_expected_ = true;
  looked_for_.notify_all();
}

void ChangeStream::stop() {
  stopped_ = true;
  looked_for_.notify_all();
  begun_.notify_all();
  for (auto* subscription : of_everything_) subscription->arrived.notify_all();
  for (const auto& [owner, subscribers] : by_owner_)
    for (auto* subscription : subscribers) subscription->arrived.notify_all();
}

// ---- subscriptions

ChangeStream::Subscription::Subscription(ChangeStream& stream, fleet::Scope its_scope, EventFilter its_filter)
    : arrived(stream.io_), scope(std::move(its_scope)), filter(std::move(its_filter)), stream_(stream) {
  stream_.those_of(scope).insert(this);
  ++stream_.count_;
}

ChangeStream::Subscription::~Subscription() {
  auto& those = stream_.those_of(scope);
  those.erase(this);
  --stream_.count_;
  if (those.empty() && !scope.is_everything()) stream_.by_owner_.erase(*scope.owner_id());
}

ChangeStream::Subscribers& ChangeStream::those_of(const fleet::Scope& scope) {
  return scope.is_everything() ? of_everything_ : by_owner_[*scope.owner_id()];
}

std::shared_ptr<ChangeStream::Subscription> ChangeStream::subscribe(const fleet::Scope& scope, EventFilter filter) {
  return std::make_shared<Subscription>(*this, scope, std::move(filter));
}

// ---- reading

net::Awaitable<void> ChangeStream::wait_until_begun() {
  while (!has_begun_ && !stopped_) co_await begun_.wait();
}

net::Awaitable<void> ChangeStream::run() {
  base::Duration pause = kSoon;
  while (!stopped_) {
    news_expected_ = false;
    bool failed = false;
    std::size_t found = 0;
    try {
      found = co_await read_news();
    } catch (const base::Error& error) {
      log_.warning("the feed of changes cannot be read", {{"error", error.what()}});
      failed = true;
    }
    if (found > 0) pause = kSoon;
    if (found > 0 && std::exchange(changed_here_, false)) database_.ring(kChannel, kBell);
    if (!failed && feed_.is_waiting()) {
      co_await net::sleep_for(std::exchange(pause, std::min(pause * 2, kLessSoon)));
    } else if (found < kReadMax && (!news_expected_ || failed)) {
      co_await looked_for_.wait_for(kOwnLook);
    }
  }
}

net::Awaitable<std::size_t> ChangeStream::read_news() {
  std::vector<fleet::OwnedChange> news;
  std::exception_ptr failure;
  net::Completion done(io_);
  database_.read(
      [&](store::Transaction& tx) {  // adds, should the read be tried again: the feed's reader goes on
        for (auto& change : feed_.read(tx, std::int64_t(kReadMax))) news.push_back(std::move(change));
      },
      [&failure, done](std::exception_ptr outcome) mutable {
        failure = outcome;
        done.complete();
      });
  co_await done.wait();
  const auto found = news.size();
  position_ = feed_.settled();
  distribute(std::move(news));
  if (!std::exchange(has_begun_, feed_.has_begun()) && has_begun_) begun_.notify_all();
  if (failure) std::rethrow_exception(failure);
  co_return found;
}

void ChangeStream::distribute(std::vector<fleet::OwnedChange> news) {
  if (count_ == 0) return;
  Subscribers to_wake;  // once, however many changes came for one
  for (auto& change : news) {
    const auto shared = std::make_shared<const News>(std::move(change));
    give(of_everything_, shared, to_wake);
    if (const auto own = by_owner_.find(shared->owner_id()); own != by_owner_.end()) give(own->second, shared, to_wake);
  }
  for (auto* subscription : to_wake) subscription->arrived.notify_all();
}

void ChangeStream::give(const Subscribers& subscribers, const std::shared_ptr<const News>& news, Subscribers& to_wake) {
  for (auto* subscription : subscribers) {
    if (!subscription->filter.wants(news->occurrence())) continue;
    to_wake.insert(subscription);
    if (subscription->waiting.size() >= kWaitingMax) {
      subscription->waiting.clear();
      subscription->lagging = true;
    }
    if (!subscription->lagging) subscription->waiting.push_back(news);
  }
}

}  // namespace slipway::api
