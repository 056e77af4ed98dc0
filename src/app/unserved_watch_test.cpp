#include "app/unserved_watch.h"

#include <gtest/gtest.h>

namespace slipway::app {
namespace {

using namespace std::chrono_literals;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
const fleet::Unserved kGpu{.provisioner = "terraform", .tags = R"({"kind":"gpu"})", .jobs = 1, .oldest = kNow - 48h};
const fleet::Unserved kPlain{.provisioner = "terraform", .tags = "{}", .jobs = 1, .oldest = kNow - 48h};

TEST(UnservedWatch, CountsFromWhenNothingCouldTakeThemHoweverLongTheyHaveWaited) {
  UnservedWatch watch;
  watch.note({kGpu}, kNow);
  EXPECT_FALSE(watch.since(kGpu, kNow - 1s));
  watch.note({kGpu}, kNow + 5min);
  EXPECT_TRUE(watch.since(kGpu, kNow));
}

TEST(UnservedWatch, ADaemonThatCameInBetweenBeginsTheCountAnew) {
  UnservedWatch watch;
  watch.note({kGpu, kPlain}, kNow);
  watch.note({kPlain}, kNow + 1min);
  watch.note({kGpu, kPlain}, kNow + 2min);
  EXPECT_FALSE(watch.since(kGpu, kNow + 1min));
  EXPECT_TRUE(watch.since(kGpu, kNow + 2min));
  EXPECT_TRUE(watch.since(kPlain, kNow));
}

TEST(UnservedWatch, KnowsNothingOfThoseThatAreServed) {
  const UnservedWatch watch;
  EXPECT_FALSE(watch.since(kGpu, kNow));
}

}  // namespace
}  // namespace slipway::app
