// Jobs that are cut short, and secrets that do not leave them (RUN-7, RUN-9, RUN-16, RUN-17).

#include "runner/testing/played_job.h"

namespace slipway::runner {
namespace {

// ---- stopping

// RUN-9
TEST_F(AJob, ACancelledRequestIsStillWaitedFor) {
  to_apply();
  runner_->cancel();
  EXPECT_EQ(played_.told.back(), "cancel");
  pass(minutes(1));
  EXPECT_FALSE(result_);
  say(ApplyComplete{.error = provisioner::Problem{.code = "TERRAFORM_FAILED", .message = "interrupted"},
                    .state_file = file("as far as it came")});
  expect_proper_end();
  EXPECT_TRUE(hub_.failed->cancelled);
  EXPECT_EQ(hub_.failed->code, "CANCELLED");
  EXPECT_EQ(hub_.state, "as far as it came");
}

TEST_F(AJob, WhatFinishesBeforeTheCancelTakesHoldIsASuccess) {
  to_apply();
  runner_->cancel();
  say(ApplyComplete{});
  expect_proper_end();
  EXPECT_TRUE(hub_.completed);
}

TEST_F(AJob, ACancelledPlanIsNotApplied) {
  start_session();
  runner_->cancel();
  say(PlanComplete{});
  expect_proper_end();
  EXPECT_EQ(std::ranges::count(played_.told, "apply"), 0);
  EXPECT_TRUE(hub_.failed->cancelled);
}

TEST_F(AJob, AJobThatIsCancelledBeforeItsSessionNeedsNone) {
  job_.cancelled = true;
  start();
  expect_proper_end();
  EXPECT_TRUE(hub_.failed->cancelled);
  EXPECT_TRUE(played_.told.empty());
}

// Reference, 'force-cancel timeout': there, the state is lost.
TEST_F(AJob, ACancelThatTimesOutFailsItWithTheStateReached) {
  to_apply();
  say(provisioner::StateWritten{file("reached")});
  runner_->cancel();
  pass(minutes(9));
  EXPECT_FALSE(result_);
  pass(minutes(2));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "CANCEL_TIMED_OUT");
  EXPECT_FALSE(hub_.failed->cancelled);
  EXPECT_EQ(hub_.failed->state, base::sha256_hex("reached"));
  EXPECT_EQ(played_.told.back(), "kill");
}

TEST_F(AJob, AFailureOfItsOwnIsKeptOverAForcedOne) {
  start_session();
  hub_.update_failure = kAway;
  say(PlanComplete{.error = provisioner::Problem{.code = "TERRAFORM_FAILED", .message = "the reason"}});
  runner_->force_stop(seconds(30));
  hub_.update_failure.reset();
  pass(seconds(10));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "TERRAFORM_FAILED");
}

// RUN-16: reference, 'shutdown-time RPC path'
TEST_F(AJob, AShutDownIsReportedSoThatAnotherDaemonGoesOn) {
  to_apply();
  runner_->shut_down();
  say(ApplyComplete{.error = provisioner::Problem{.message = "interrupted"}, .state_file = file("so far")});
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "DAEMON_SHUTDOWN");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::transient);
  EXPECT_FALSE(hub_.failed->cancelled);
  EXPECT_EQ(hub_.state, "so far");
}

TEST_F(AJob, AForcedStopInAnApplyIsTriedAgainOnlyIfThatIsSafe) {
  start_session({.provisioner = "played", .repeatable = false});
  say(PlanComplete{});
  runner_->force_stop(seconds(30));
  pass(seconds(5));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::internal);
}

// What it was making may be in no state: beginning anew would make it twice.
TEST_F(AJob, AProvisionerThatDiesWhileItIsStoppedHasNotEndedInGoodOrder) {
  start_session({.provisioner = "played", .repeatable = false});
  say(PlanComplete{});
  runner_->shut_down();
  played_.open = false;
  played_.events.on_closed(Error(ErrorClass::internal, "PROVISIONER_DIED", "killed"));
  pass(seconds(2));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "DAEMON_SHUTDOWN");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::internal);
}

TEST_F(AJob, AShutDownThatTakesTooLongIsNoFailureOfTheJobs) {
  to_apply();
  runner_->shut_down();
  pass(minutes(11));
  expect_proper_end();
  EXPECT_EQ(played_.told.back(), "kill");
  EXPECT_EQ(hub_.failed->code, "DAEMON_SHUTDOWN");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::transient);
}

TEST_F(AJob, ALostJobIsStoppedByForceToo) {
  played_.closes = false;
  to_apply(true);
  hub_.update_failure = kLost;
  pass(seconds(6));
  ASSERT_EQ(played_.told.back(), "close");
  runner_->force_stop(seconds(10));
  EXPECT_EQ(played_.told.back(), "kill");
  pass(seconds(12));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::lost);
}

TEST_F(AJob, AForcedStopWithoutAHubEndsAtItsBound) {
  to_apply();
  hub_.update_failure = kAway;
  runner_->force_stop(seconds(10));
  pass(seconds(12));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::given_up);
  EXPECT_FALSE(played_.open);
}

// ---- secrets

// RUN-17
TEST_F(AJob, NoSecretLeavesInLinesFailuresOrResources) {
  job_.variables = {{"password", "hunter2", true}};
  to_apply();
  log("the password is hunter2, in base64 " + base::base64("hunter2"));
  log("and the token is token-of-state");
  say(ApplyComplete{.error = provisioner::Problem{.message = "cannot log in with hunter2"},
                    .resources = {{.address = "db", .details = {{"password", "hunter2"}}}}});
  expect_proper_end();
  for (const auto& line : hub_.outputs()) {
    EXPECT_EQ(line.find("hunter2"), std::string::npos) << line;
    EXPECT_EQ(line.find("token-of-state"), std::string::npos) << line;
  }
  EXPECT_EQ(hub_.failed->message, "cannot log in with *redacted*");
  EXPECT_EQ(hub_.failed->resources.at(0).details.at("password"), "*redacted*");
}

TEST_F(AJob, DebugLinesAreLeftOutUnlessTheyAreWanted) {
  start_session();
  say(provisioner::Log{.level = fleet::LogLevel::debug, .output = "noise"});
  EXPECT_EQ(std::ranges::count(hub_.outputs(), "noise"), 0);
}

}  // namespace
}  // namespace slipway::runner
