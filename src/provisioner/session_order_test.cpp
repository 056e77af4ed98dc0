// RUN-20: what may follow what.

#include "provisioner/session_order.h"

#include <gtest/gtest.h>

namespace slipway::provisioner {
namespace {

using Verdict = SessionOrder::Verdict;

template <class Act>
std::string refusal(Act act) {
  try {
    act();
    return "";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "PROTOCOL_ERROR");
    return error.message();
  }
}

SessionOrder greeted() {
  SessionOrder order;
  order.on_message(Hello{.provisioner = "test"});
  return order;
}

TEST(SessionOrder, ConfigComesFirstAndOnce) {
  auto order = greeted();
  EXPECT_NE(refusal([&] { order.on_request(Parse{}); }), "");
  EXPECT_EQ(order.on_request(Config{}), Verdict::carry_out);
  EXPECT_EQ(order.on_request(Parse{}), Verdict::carry_out);
  EXPECT_NE(refusal([&] { order.on_request(Config{}); }), "");
}

TEST(SessionOrder, RequestsComeOneAtATime) {
  auto order = greeted();
  order.on_request(Config{});
  order.on_request(Plan{});
  EXPECT_NE(refusal([&] { order.on_request(Parse{}); }), "");
  order.on_message(PlanComplete{});
  EXPECT_EQ(order.on_request(Parse{}), Verdict::carry_out);
}

TEST(SessionOrder, ApplyNeedsAPlanThatSucceededAndUsesItUp) {
  auto order = greeted();
  order.on_request(Config{});
  EXPECT_NE(refusal([&] { order.on_request(Apply{}); }), "");
  order.on_request(Plan{});
  order.on_message(PlanComplete{.error = Problem{}});
  EXPECT_NE(refusal([&] { order.on_request(Apply{}); }), "");
  order.on_request(Plan{});
  order.on_message(PlanComplete{});
  EXPECT_EQ(order.on_request(Apply{}), Verdict::carry_out);
  order.on_message(ApplyComplete{});
  EXPECT_NE(refusal([&] { order.on_request(Apply{}); }), "");
}

TEST(SessionOrder, CancelIsIgnoredWhenNothingIsUnderWay) {
  auto order = greeted();
  EXPECT_EQ(order.on_request(Cancel{}), Verdict::ignore);
  order.on_request(Config{});
  EXPECT_EQ(order.on_request(Cancel{}), Verdict::ignore);
  order.on_request(Parse{});
  EXPECT_EQ(order.on_request(Cancel{}), Verdict::carry_out);
  order.on_message(ParseComplete{});
  EXPECT_EQ(order.on_request(Cancel{}), Verdict::ignore);
}

TEST(SessionOrder, HelloComesFirstOnceAndInOurVersion) {
  SessionOrder order;
  EXPECT_NE(refusal([&] { order.on_message(Log{}); }), "");
  EXPECT_NE(refusal([&] { order.on_message(Hello{.protocol = 2}); }).find("update this program"), std::string::npos);
  order.on_message(Hello{});
  EXPECT_NE(refusal([&] { order.on_message(Hello{}); }), "");
}

TEST(SessionOrder, OnlyWhatWasAskedIsAnswered) {
  auto order = greeted();
  order.on_request(Config{});
  EXPECT_NE(refusal([&] { order.on_message(PlanComplete{}); }), "");
  order.on_request(Plan{});
  EXPECT_NE(refusal([&] { order.on_message(ApplyComplete{}); }), "");
  EXPECT_NE(refusal([&] { order.on_message(StateWritten{}); }), "");
  order.on_message(PlanComplete{});
  EXPECT_NE(refusal([&] { order.on_message(PlanComplete{}); }), "");
}

}  // namespace
}  // namespace slipway::provisioner
