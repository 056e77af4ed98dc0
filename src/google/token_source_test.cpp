#include "google/token_source.h"

#include <gtest/gtest.h>

#include <barrier>
#include <latch>
#include <optional>
#include <thread>

#include "base/error.h"
#include "google/testing/fake_google.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using testing::SetClock;

// Gives t1, t2 …, each good for an hour; fails while `failure` is set.
struct Issuer {
  SetClock clock;
  std::atomic<int> fetches = 0;
  std::optional<base::Error> failure;
  base::Duration lifetime = 1h;

  TokenFetch fetch() {
    return [this](const std::stop_token&) {
      ++fetches;
      if (failure) throw *failure;
      return AccessToken{base::Secret("t" + std::to_string(fetches)), clock.now() + lifetime};
    };
  }
};

base::Error busy() { return {base::ErrorClass::transient, "UNAVAILABLE", "busy"}; }

std::string outcome(TokenSource& tokens) {
  try {
    return tokens.token().reveal();
  } catch (const base::Error& error) {
    return error.code();
  }
}

// WP-20
TEST(CachedTokens, AreFetchedOnceAndServedUntilTheyAreDue) {
  Issuer issuer;
  const auto tokens = make_cached(issuer.fetch(), issuer.clock);
  EXPECT_EQ(outcome(*tokens), "t1");
  issuer.clock.advance(50min);
  EXPECT_EQ(outcome(*tokens), "t1");
  EXPECT_EQ(issuer.fetches, 1);
}

TEST(CachedTokens, AreRefreshedAheadOfExpiry) {
  Issuer issuer;
  const auto tokens = make_cached(issuer.fetch(), issuer.clock);
  outcome(*tokens);
  issuer.clock.advance(57min);
  EXPECT_EQ(outcome(*tokens), "t2");
}

TEST(CachedTokens, ShortLivedOnesAreNotRefreshedAllTheTime) {
  Issuer issuer;
  issuer.lifetime = 60s;
  const auto tokens = make_cached(issuer.fetch(), issuer.clock);
  outcome(*tokens);
  issuer.clock.advance(40s);
  EXPECT_EQ(outcome(*tokens), "t1");
  issuer.clock.advance(6s);
  EXPECT_EQ(outcome(*tokens), "t2");
}

TEST(CachedTokens, StayInUseWhileARefreshFails) {
  Issuer issuer;
  const auto tokens = make_cached(issuer.fetch(), issuer.clock);
  outcome(*tokens);
  issuer.failure = busy();
  issuer.clock.advance(57min);
  EXPECT_EQ(outcome(*tokens), "t1");
  EXPECT_EQ(outcome(*tokens), "t1");
  EXPECT_EQ(issuer.fetches, 2) << "a failed refresh is not repeated by the next who asks";
  issuer.clock.advance(3min);
  EXPECT_EQ(outcome(*tokens), "UNAVAILABLE");
}

TEST(CachedTokens, FailuresDoNotStampede) {
  Issuer issuer;
  issuer.failure = busy();
  const auto tokens = make_cached(issuer.fetch(), issuer.clock);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(outcome(*tokens), "UNAVAILABLE");
  EXPECT_EQ(issuer.fetches, 1);
  issuer.clock.advance(1s);
  outcome(*tokens);
  issuer.clock.advance(1s);
  outcome(*tokens);
  EXPECT_EQ(issuer.fetches, 2) << "the pause doubles";
  issuer.clock.advance(1s);
  issuer.failure.reset();
  EXPECT_EQ(outcome(*tokens), "t3");
}

TEST(CachedTokens, ManyThreadsMakeOneFetch) {
  SetClock clock;
  std::atomic<int> fetches = 0;
  std::latch all_wait(8);
  const auto tokens = make_cached(
      [&](const std::stop_token&) {
        all_wait.wait();
        return AccessToken{base::Secret("t" + std::to_string(++fetches)), clock.now() + 1h};
      },
      clock);
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      all_wait.count_down();
      right += outcome(*tokens) == "t1" ? 1 : 0;
    });
  threads.clear();
  EXPECT_EQ(right, 8);
  EXPECT_EQ(fetches, 1);
}

TEST(CachedTokens, TheOldOneIsServedWhileOneThreadRefreshes) {
  SetClock clock;
  std::atomic<int> fetches = 0;
  std::latch begun(1), may_end(1);
  const auto tokens = make_cached(
      [&](const std::stop_token&) {
        if (++fetches == 2) {
          begun.count_down();
          may_end.wait();
        }
        return AccessToken{base::Secret("t" + std::to_string(fetches)), clock.now() + 1h};
      },
      clock);
  outcome(*tokens);
  clock.advance(57min);
  std::jthread refresher([&] { EXPECT_EQ(outcome(*tokens), "t2"); });
  begun.wait();
  EXPECT_EQ(outcome(*tokens), "t1");
  may_end.count_down();
}

TEST(CachedTokens, ARejectedOneIsNotServedAgain) {
  Issuer issuer;
  const auto tokens = make_cached(issuer.fetch(), issuer.clock);
  const auto first = tokens->token();
  tokens->reject(first);
  EXPECT_EQ(outcome(*tokens), "t2");
  tokens->reject(first);
  EXPECT_EQ(outcome(*tokens), "t2") << "the rejection of an old one says nothing of this one";
}

TEST(CachedTokens, AWaiterCanBeStoppedAndAnotherTakesOverFromAStoppedLeader) {
  SetClock clock;
  std::atomic<int> fetches = 0;
  std::latch begun(1);
  const auto tokens = make_cached(
      [&](const std::stop_token& stop) {
        if (++fetches == 1) {
          begun.count_down();
          std::latch stopped(1);
          const std::stop_callback on_stop(stop, [&] { stopped.count_down(); });
          stopped.wait();
          throw base::Error(base::ErrorClass::internal, "CANCELLED", "stopped");
        }
        return AccessToken{base::Secret("t2"), clock.now() + 1h};
      },
      clock);
  std::jthread leader([&](const std::stop_token& stop) { EXPECT_THROW((void)tokens->token(stop), base::Error); });
  begun.wait();
  std::stop_source gone;
  gone.request_stop();
  EXPECT_THROW((void)tokens->token(gone.get_token()), base::Error);
  std::jthread waiter([&] { EXPECT_EQ(outcome(*tokens), "t2"); });
  leader.request_stop();
}

TEST(NoCredentials, GiveNoToken) { EXPECT_TRUE(make_no_credentials()->token().empty()); }

}  // namespace
}  // namespace slipway::google
