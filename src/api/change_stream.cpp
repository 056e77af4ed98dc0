#include "api/change_stream.h"

namespace slipway::api {
namespace {

constexpr std::size_t kWaitingMax = 1'000;  // changes that one slow reader may have waiting
constexpr std::int64_t kReadMax = 500;
constexpr base::Duration kOwnLook = std::chrono::seconds(1);

}  // namespace

ChangeStream::ChangeStream(net::IoContext& io, store::Database& database, const observe::Logger& log)
    : io_(io), database_(database), log_(log), looked_for_(io) {}

void ChangeStream::look() {
  news_expected_ = true;
  looked_for_.notify_all();
}

void ChangeStream::stop() {
  stopped_ = true;
  looked_for_.notify_all();
  for (const auto& weak : subscriptions_)
    if (const auto subscription = weak.lock()) subscription->arrived.notify_all();
}

std::shared_ptr<ChangeStream::Subscription> ChangeStream::subscribe(const fleet::Scope& scope) {
  auto subscription = std::make_shared<Subscription>(io_, scope);
  subscriptions_.insert(subscription);
  return subscription;
}

net::Awaitable<void> ChangeStream::run() {
  while (!stopped_) {
    news_expected_ = false;
    bool failed = false;
    try {
      co_await read_news();
    } catch (const base::Error& error) {
      log_.warning("the feed of changes cannot be read", {{"error", error.what()}});
      failed = true;
    }
    if (!news_expected_ || failed) co_await looked_for_.wait_for(kOwnLook);
  }
}

net::Awaitable<void> ChangeStream::read_news() {
  for (;;) {
    std::vector<fleet::OwnedChange> news;
    std::int64_t last = 0;
    net::Completion done(io_);
    std::exception_ptr failure;
    database_.read(
        [&](store::Transaction& tx) {
          if (!positioned_) {
            last = fleet::last_change(tx);
          } else {
            news = fleet::all_changes_after(tx, position_, kReadMax);
          }
        },
        [&failure, done](std::exception_ptr outcome) mutable {
          failure = outcome;
          done.complete();
        });
    co_await done.wait();
    if (failure) std::rethrow_exception(failure);
    if (!std::exchange(positioned_, true)) position_ = last;
    distribute(news);
    if (std::int64_t(news.size()) < kReadMax) co_return;
  }
}

void ChangeStream::distribute(const std::vector<fleet::OwnedChange>& news) {
  for (const auto& [owner, change] : news) {
    position_ = change.seq;
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
