#include "google/token_source.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"

namespace slipway::google {

namespace {

using base::Error;
using base::ErrorClass;

// Ahead of expiry by this much. The metadata server gives the same token again until five minutes before its end.
constexpr base::Duration kRefreshAheadMax{225'000};
// A token is not used in its last moments: the call must arrive with it, and clocks differ.
constexpr base::Duration kMarginMax{10'000};
constexpr base::Duration kBackoffFirst{1'000};
constexpr base::Duration kBackoffMax{30'000};

class CachedTokens final : public TokenSource {
 public:
  CachedTokens(TokenFetch fetch, const base::Clock& clock) : fetch_(std::move(fetch)), clock_(clock) {}

  base::Secret token(std::stop_token stop) override;
  void reject(const base::Secret& token) override {
    const std::lock_guard lock(mutex_);
    if (token_ && token_->reveal() == token.reveal()) token_.reset();
  }

 private:
  bool is_valid() const { return token_ && clock_.now() < valid_until_; }
  bool is_holding_back() const { return failure_ && clock_.monotonic() < not_before_; }
  base::Secret refresh(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  void keep(AccessToken fresh);
  void note(const Error& failure);

  const TokenFetch fetch_;
  const base::Clock& clock_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<base::Secret> token_;
  base::Instant valid_until_{}, refresh_at_{};
  bool is_fetching_ = false;
  std::optional<Error> failure_;  // of the last fetch
  base::Instant not_before_{};    // of the next fetch, after a failure; monotonic
  base::Duration backoff_{0};
};

base::Secret CachedTokens::token(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (is_valid()) {
      const bool is_due = clock_.now() >= refresh_at_;
      if (!is_due || is_fetching_ || is_holding_back()) return *token_;
      return refresh(lock, stop);
    }
    if (!is_fetching_) {
      if (is_holding_back()) throw Error(*failure_).with_retry_after(not_before_ - clock_.monotonic());
      return refresh(lock, stop);
    }
    if (!changed_.wait(lock, stop, [&] { return !is_fetching_; }))
      throw Error(ErrorClass::internal, "CANCELLED", "the wait for a token was cancelled");
  }
}

// One at a time. A failure is thrown only when there is no valid token left.
base::Secret CachedTokens::refresh(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  is_fetching_ = true;
  lock.unlock();
  std::optional<AccessToken> fresh;
  std::optional<Error> failure;
  try {
    fresh = fetch_(stop);
  } catch (const std::exception&) {
    failure = base::as_error(std::current_exception());
  }
  lock.lock();
  is_fetching_ = false;
  changed_.notify_all();
  if (fresh) {
    keep(std::move(*fresh));
    return *token_;
  }
  note(*failure);
  if (is_valid()) return *token_;
  throw *failure;
}

void CachedTokens::keep(AccessToken fresh) {
  const auto now = clock_.now();
  const base::Duration lifetime = std::max(base::Duration(0), fresh.expires_at - now);
  valid_until_ = fresh.expires_at - std::min(kMarginMax, lifetime / 10);
  refresh_at_ = fresh.expires_at - std::min(kRefreshAheadMax, lifetime / 4);
  token_ = std::move(fresh.token);
  failure_.reset();
  backoff_ = base::Duration(0);
}

void CachedTokens::note(const Error& failure) {
  // The one who asked went away: that says nothing about the endpoint, and another may ask at once.
  if (failure.code() == "CANCELLED" && failure.error_class() == ErrorClass::internal) return;
  backoff_ = backoff_.count() == 0 ? kBackoffFirst : std::min(backoff_ * 2, kBackoffMax);
  not_before_ =
      clock_.monotonic() + std::max(backoff_, std::min(failure.retry_after().value_or(backoff_), kBackoffMax));
  failure_.emplace(failure);
}

class NoTokens final : public TokenSource {
 public:
  base::Secret token(std::stop_token) override { return {}; }
  void reject(const base::Secret&) override {}
};

}  // namespace

std::unique_ptr<TokenSource> make_cached(TokenFetch fetch, const base::Clock& clock) {
  return std::make_unique<CachedTokens>(std::move(fetch), clock);
}

std::unique_ptr<TokenSource> make_no_credentials() { return std::make_unique<NoTokens>(); }

}  // namespace slipway::google
