#include "runner/back_off.h"

#include <gtest/gtest.h>

#include <set>

namespace slipway::runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(BackOff, DoublesWithJitterFromTheFirstWaitOn) {
  base::SeededRandom random(1);
  for (const bool after_error : {false, true}) {
    std::set<base::Duration> firsts;
    for (int i = 0; i < 200; ++i) {
      BackOff back_off(random, milliseconds(1'000), milliseconds(4'000));
      for (const auto whole : {milliseconds(1'000), milliseconds(2'000), milliseconds(4'000), milliseconds(4'000)}) {
        const base::Error error(base::ErrorClass::transient, "AWAY", "away");
        const auto wait = after_error ? back_off.after(error) : back_off.after();
        EXPECT_GE(wait, whole / 2);
        EXPECT_LE(wait, whole);
        if (whole == milliseconds(1'000)) firsts.insert(wait);
      }
    }
    EXPECT_GT(firsts.size(), 50u);
  }
}

// RUN-8: a lease may be shorter than what a hub in distress asks for.
TEST(BackOff, WhatTheOtherSideAsksForIsKeptUpToTheMost) {
  base::SeededRandom random(1);
  BackOff back_off(random, milliseconds(250), seconds(5));
  const auto asked = [](int wanted) {
    return base::Error(base::ErrorClass::throttled, "SLOW_DOWN", "").with_retry_after(seconds(wanted));
  };
  EXPECT_EQ(back_off.after(asked(3)), seconds(3));
  EXPECT_EQ(back_off.after(asked(60)), seconds(5));
}

}  // namespace
}  // namespace slipway::runner
