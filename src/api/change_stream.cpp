#include "api/change_stream.h"

namespace slipway::api {
namespace {

constexpr std::size_t kWaitingMax = 1'000;  // changes that one slow reader may have waiting
constexpr std::size_t kReadMax = 500;
constexpr base::Duration kOwnLook = std::chrono::seconds(1);
// Somebody is about to commit what is missing: first a look after this long, then less and less often.
constexpr base::Duration kSoon = std::chrono::milliseconds(2);
constexpr base::Duration kLessSoon = std::chrono::milliseconds(100);

}  // namespace

ChangeStream::ChangeStream(net::IoContext& io, store::Database& database, const observe::Logger& log)
    : io_(io), database_(database), log_(log), looked_for_(io), begun_(io) {}

void ChangeStream::look() {
  news_expected_ = true;
  looked_for_.notify_all();
}

void ChangeStream::stop() {
  stopped_ = true;
  looked_for_.notify_all();
  begun_.notify_all();
  for (const auto& weak : subscriptions_)
    if (const auto subscription = weak.lock()) subscription->arrived.notify_all();
}

std::shared_ptr<ChangeStream::Subscription> ChangeStream::subscribe(const fleet::Scope& scope) {
  auto subscription = std::make_shared<Subscription>(io_, scope);
  subscriptions_.insert(subscription);
  return subscription;
}

net::Awaitable<void> ChangeStream::wait_until_begun() {
  while (!feed_.has_begun() && !stopped_) co_await begun_.wait();
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
    if (!failed && feed_.is_waiting()) {
      co_await net::sleep_for(std::exchange(pause, std::min(pause * 2, kLessSoon)));
    } else if (found < kReadMax && (!news_expected_ || failed)) {
      co_await looked_for_.wait_for(kOwnLook);
    }
  }
}

net::Awaitable<std::size_t> ChangeStream::read_news() {
  const bool began_before = feed_.has_begun();
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
  distribute(news);
  if (!began_before && feed_.has_begun()) begun_.notify_all();
  if (failure) std::rethrow_exception(failure);
  co_return news.size();
}

void ChangeStream::distribute(const std::vector<fleet::OwnedChange>& news) {
  for (const auto& [owner, change] : news) {
    const auto shared = std::make_shared<const fleet::Change>(change);
    std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
    for (const auto& weak : subscriptions_) {
      const auto subscription = weak.lock();
      if (!subscription->scope.is_everything() && subscription->scope.owner_id() != owner) continue;
      if (subscription->waiting.size() >= kWaitingMax) {
        subscription->waiting.clear();
        subscription->lagging = true;
      }
      if (!subscription->lagging) subscription->waiting.push_back(shared);
      subscription->arrived.notify_all();
    }
  }
}

}  // namespace slipway::api
