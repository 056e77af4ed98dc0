#include "google/circuit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "google/testing/fake_google.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;

struct Circuit : ::testing::Test {
  testing::SetClock clock;
  CircuitBreaker breaker{"https://x", {}, clock};

  void call(bool good) {
    auto permit = breaker.enter();
    good ? permit.succeeded() : permit.failed();
  }
  std::string refusal() {
    try {
      auto permit = breaker.enter();
      permit.succeeded();
      return "";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.error_class(), base::ErrorClass::transient);
      EXPECT_TRUE(error.retry_after() && error.made_no_call());
      return error.code();
    }
  }
  void break_it() {
    for (int i = 0; i < 10; ++i) call(false);
    ASSERT_EQ(breaker.state(), CircuitState::open);
  }
};

// WP-16
TEST_F(Circuit, OpensWhenMostCallsFail) {
  for (int i = 0; i < 9; ++i) call(false);
  EXPECT_EQ(breaker.state(), CircuitState::closed) << "too few to say";
  call(false);
  EXPECT_EQ(breaker.state(), CircuitState::open);
  EXPECT_EQ(refusal(), "CIRCUIT_OPEN");
}

TEST_F(Circuit, StaysClosedWhileHalfOfThemSucceed) {
  for (int i = 0; i < 100; ++i) call(i % 2 == 0);
  EXPECT_EQ(breaker.state(), CircuitState::closed);
}

TEST_F(Circuit, ForgetsWhatIsOlderThanItsWindow) {
  for (int i = 0; i < 9; ++i) call(false);
  clock.advance(31s);
  call(false);
  EXPECT_EQ(breaker.state(), CircuitState::closed);
}

TEST_F(Circuit, LetsOneProbeThroughAndClosesWhenItSucceeds) {
  break_it();
  clock.advance(2s);
  auto probe = breaker.enter();
  EXPECT_EQ(breaker.state(), CircuitState::half_open);
  EXPECT_EQ(refusal(), "CIRCUIT_OPEN") << "another is probing";
  probe.succeeded();
  EXPECT_EQ(breaker.state(), CircuitState::closed);
  EXPECT_EQ(refusal(), "");
}

TEST_F(Circuit, StaysOpenLongerAfterEachProbeThatFails) {
  break_it();
  clock.advance(2s);
  call(false);
  clock.advance(3s);
  EXPECT_EQ(refusal(), "CIRCUIT_OPEN");
  clock.advance(1s);
  call(true);
  EXPECT_EQ(breaker.state(), CircuitState::closed);
}

TEST_F(Circuit, AProbeThatTellsNothingMakesRoomForTheNext) {
  break_it();
  clock.advance(2s);
  {
    auto probe = breaker.enter();
  }
  EXPECT_EQ(breaker.state(), CircuitState::half_open);
  EXPECT_EQ(refusal(), "");
}

TEST_F(Circuit, CallsThatBeganBeforeItOpenedDoNotDecideAboutTheProbe) {
  auto slow = breaker.enter();
  break_it();
  clock.advance(2s);
  auto probe = breaker.enter();
  slow.succeeded();
  EXPECT_EQ(breaker.state(), CircuitState::half_open);
}

// Whatever happens in whatever order: never two probes at once, and it always comes back when the endpoint does.
TEST_F(Circuit, AlwaysRecovers) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    base::SeededRandom random(seed);
    CircuitBreaker broken("https://x", {}, clock);
    std::vector<std::pair<CircuitBreaker::Permit, bool>> under_way;  // and whether it is a probe
    for (int i = 0; i < 300; ++i) {
      clock.advance(base::Duration(random.below(1'000)));
      try {
        auto permit = broken.enter();
        under_way.emplace_back(std::move(permit), broken.state() == CircuitState::half_open);
      } catch (const base::Error&) {
      }
      ASSERT_LE(std::ranges::count(under_way, true, &decltype(under_way)::value_type::second), 1);
      if (under_way.empty() || random.below(2) == 0) continue;
      if (random.below(4) != 0) under_way.back().first.failed();
      under_way.pop_back();
    }
    under_way.clear();
    for (int i = 0; i < 100 && broken.state() != CircuitState::closed; ++i) {
      clock.advance(61s);
      try {
        broken.enter().succeeded();
      } catch (const base::Error&) {
      }
    }
    EXPECT_EQ(broken.state(), CircuitState::closed) << "seed " << seed;
  }
}

}  // namespace
}  // namespace slipway::google
