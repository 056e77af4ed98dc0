// What each type of job does, how it fails, and its terminal message (RUN-1, RUN-6, RUN-7, RUN-11 to RUN-13).

#include "base/trace_context.h"
#include "runner/testing/played_job.h"

namespace slipway::runner {
namespace {

// ---- what each type does

// RUN-6
TEST_F(AJob, ABuildPlansCommitsItsQuotaAppliesAndCompletes) {
  start_session();
  say(PlanComplete{.resources = {{.address = "vm.a", .daily_cost = 3}, {.address = "vm.b", .daily_cost = 4}}});
  EXPECT_EQ(hub_.count("quota 7"), 1u);
  log("creating");
  say(ApplyComplete{.resources = {{.address = "vm.a"}}, .outputs = {{"url", "x"}}, .state_file = file("new")});
  expect_proper_end();
  EXPECT_EQ(played_.told, (std::vector<std::string>{"config", "plan", "apply", "close"}));
  EXPECT_EQ(hub_.stages(), (std::vector<std::string>{"Setting up", "Planning infrastructure", "Commit quota",
                                                     "Starting workspace", "Cleaning Up"}));
  ASSERT_TRUE(hub_.completed && hub_.completed->build);
  EXPECT_EQ(hub_.completed->fence, 3);
  EXPECT_EQ(hub_.completed->build->outputs.at("url"), "x");
  EXPECT_EQ(hub_.completed->build->state, base::sha256_hex("new"));
  EXPECT_EQ(hub_.state, "new");
  EXPECT_EQ(hub_.completed->timings.size(), 5u);
}

TEST_F(AJob, AnApplyBeginsOnlyAfterTheHubKnowsOfIt) {
  start_session();
  hub_.hold_updates = true;
  say(PlanComplete{}, seconds(20));
  EXPECT_EQ(played_.told.back(), "plan");
  EXPECT_EQ(hub_.phases.back(), JobPhase::apply);
  hub_.hold_updates = false;
  pass(seconds(6));
  EXPECT_EQ(played_.told.back(), "apply");
}

// RUN-11
TEST_F(AJob, ADestroyAndABuildForNothingCommitNoQuota) {
  build(fleet::Transition::destroy);
  start_session();
  say(PlanComplete{.resources = {{.address = "vm.a", .daily_cost = 3}}});
  EXPECT_EQ(played_.told.back(), "apply");
  EXPECT_EQ(hub_.count("quota 3"), 0u);
  say(ApplyComplete{});
  expect_proper_end();
  EXPECT_EQ(hub_.stages()[2], "Destroying workspace");
}

TEST_F(AJob, ARefusedQuotaFailsAndAppliesNothing) {
  hub_.quota = {.ok = false, .consumed = 9, .budget = 10};
  start_session();
  say(PlanComplete{.resources = {{.address = "vm.a", .daily_cost = 3}}});
  expect_proper_end();
  EXPECT_EQ(std::ranges::count(played_.told, "apply"), 0);
  EXPECT_EQ(hub_.failed->code, "INSUFFICIENT_QUOTA");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::quota);
  const auto lines = hub_.outputs();
  for (const auto* text : {"Build cost: 3", "Budget: 10", "Credits consumed: 9"})
    EXPECT_NE(std::ranges::find(lines, text), lines.end()) << text;
  EXPECT_EQ(std::ranges::count(hub_.lines, fleet::LogLevel::warn, &fleet::LogLine::level), 1);
}

// The known daemon once took any text with that word for it.
TEST_F(AJob, AFailureThatMentionsQuotaIsNoQuotaFailure) {
  start_session();
  say(PlanComplete{.error =
                       provisioner::Problem{.code = "TERRAFORM_FAILED", .message = "insufficient quota for disks"}});
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "TERRAFORM_FAILED");
}

TEST_F(AJob, TheTemplatesOwnCostsCountWhereTheProvisionerKnowsNone) {
  files_.given.cost_of = [](const fleet::Resource& resource) -> std::optional<std::int64_t> {
    return resource.address == "vm.a" ? std::optional<std::int64_t>(5) : std::nullopt;
  };
  start_session();
  say(PlanComplete{.resources = {{.address = "vm.a"}, {.address = "vm.b", .daily_cost = 2}}});
  EXPECT_EQ(hub_.count("quota 7"), 1u);
}

TEST_F(AJob, AnImportParsesPlansTwiceAndNeverApplies) {
  job_.type = fleet::JobType::template_import;
  files_.given.declared.parameters = {{.name = "size", .options = {{"Small", "s", ""}, {"Large", "l", ""}}}};
  files_.given.declared.readme = "Read me";
  hub_.variables = {{"region", "eu", false}};
  start_session();
  say(ParseComplete{.parsed = {.variables = {{.name = "region", .required = true}}}});
  ASSERT_TRUE(hub_.parsed);
  EXPECT_EQ(hub_.parsed->readme, "Read me");
  EXPECT_EQ(hub_.parsed->parameters.at(0).name, "size");
  say(PlanComplete{.resources = {{.address = "vm.a", .daily_cost = 2}}});
  say(PlanComplete{.resources = {}});
  expect_proper_end();
  ASSERT_EQ(played_.plans.size(), 2u);
  EXPECT_EQ(played_.plans[0].metadata.transition, fleet::Transition::start);
  EXPECT_EQ(played_.plans[1].metadata.transition, fleet::Transition::stop);
  EXPECT_EQ(played_.plans[0].parameters.at(0).value, "s");
  EXPECT_EQ(played_.plans[0].variables.at(0).value, "eu");
  EXPECT_EQ(hub_.stages(),
            (std::vector<std::string>{"Setting up", "Parsing template parameters", "Detecting persistent resources",
                                      "Detecting ephemeral resources", "Cleaning Up"}));
  EXPECT_EQ(hub_.completed->template_import->start_daily_cost, 2);
  EXPECT_EQ(hub_.completed->template_import->stop_resources.size(), 0u);
}

// RUN-14
TEST_F(AJob, AnImportWithoutARequiredVariableNamesIt) {
  job_.type = fleet::JobType::template_import;
  start_session();
  say(ParseComplete{
      .parsed = {.variables = {{.name = "region", .required = true}, {.name = "zone", .required = true}}}});
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "REQUIRED_TEMPLATE_VARIABLES");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::user);
  EXPECT_NE(hub_.failed->message.find("region, zone"), std::string::npos);
}

// RUN-1
TEST_F(AJob, ADryRunPlansOnceWithEverythingFilledIn) {
  job_.type = fleet::JobType::template_dry_run;
  job_.requested_by = "ada";
  start_session();
  say(PlanComplete{.resources = {{.address = "vm.a"}}});
  expect_proper_end();
  const auto& metadata = played_.plans.at(0).metadata;
  EXPECT_EQ(metadata.workspace_name, "dryrun");
  EXPECT_EQ(metadata.owner_name, "ada");
  EXPECT_FALSE(metadata.workspace_id.empty() || metadata.owner_id.empty());
  EXPECT_EQ(metadata.transition, fleet::Transition::start);
  EXPECT_EQ(hub_.completed->dry_run->resources.size(), 1u);
}

TEST_F(AJob, ABuildIsGivenItsStateAndTheBackendForMore) {
  job_.has_state = true;
  hub_.state = "earlier";
  start_session();
  std::ifstream in(played_.config.state_file);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "earlier");
  EXPECT_EQ(played_.config.state_backend->address, "http://hub/states/job_1");
  EXPECT_EQ(played_.config.state_backend->password, "token-of-state");
}

// ---- failures

TEST_F(AJob, WithoutItsProvisionerItFails) {
  start(false);
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "PROVISIONER_UNKNOWN");
}

TEST_F(AJob, AMaliciousArchiveFailsIt) {
  files_.failure = Error(ErrorClass::user, "ARCHIVE_UNSAFE", "an entry leaves the folder");
  start();
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "ARCHIVE_UNSAFE");
}

TEST_F(AJob, AnotherOfTheSameTemplateFetchesItNoMore) {
  to_apply();
  say(ApplyComplete{});
  expect_proper_end();
  job_.id = "job_2";
  hub_.completed.reset();
  start_session();
  EXPECT_EQ(played_.told.back(), "plan");
  EXPECT_EQ(hub_.fetched, std::vector{job_.archive});
}

TEST_F(AJob, ATemplateThatDoesNotFitIsUnpackedWhenThereIsSpaceAgain) {
  files_.failures.assign(4, base::system_error("write main.tf", ENOSPC));
  start();
  pass(minutes(1));
  EXPECT_TRUE(played_.open);
  EXPECT_TRUE(files_.failures.empty());
  EXPECT_EQ(hub_.fetched.size(), 1u);
}

TEST_F(AJob, ASessionThatDiesFailsItWithTheStateThatWasWritten) {
  to_apply();
  say(provisioner::StateWritten{file("halfway")});
  played_.open = false;
  played_.events.on_closed(Error(ErrorClass::internal, "PROVISIONER_DIED", "killed"));
  pass(seconds(2));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "PROVISIONER_DIED");
  EXPECT_EQ(hub_.failed->state, base::sha256_hex("halfway"));
}

TEST_F(AJob, LastWordsThatAreNoTextAreMadeText) {
  to_apply();
  played_.open = false;
  played_.events.on_closed(Error(ErrorClass::internal, "PROVISIONER_DIED", std::string("bad \0 and \xff", 11)));
  pass(seconds(2));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->message, "bad \xEF\xBF\xBD and \xEF\xBF\xBD");
}

// RUN-12: it waits to be told that its state is kept.
TEST_F(AJob, AProvisionerWhoseStateCannotBeCopiedIsEndedBeforeItsJob) {
  played_.closes = false;
  to_apply();
  say(provisioner::StateWritten{folder_ + "/not-there"});
  EXPECT_EQ(played_.told.back(), "close");
  EXPECT_TRUE(played_.open);
  EXPECT_FALSE(hub_.failed) << "the session still applies";
  say(ApplyComplete{.error = provisioner::Problem{.message = "interrupted"}, .state_file = file("the last")});
  played_.open = false;
  played_.events.on_closed(std::nullopt);
  pass(seconds(2));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "STATE_NOT_COPIED");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::internal);
  EXPECT_EQ(hub_.state, "the last");
}

TEST_F(AJob, AProvisionerIsNotToldThatAStateIsKeptWhichIsNot) {
  to_apply();
  hub_.hold_updates = true;
  played_.events.on_message(provisioner::StateWritten{folder_ + "/not-there"});
  pass(milliseconds(100));
  EXPECT_TRUE(played_.paused);
  EXPECT_EQ(played_.told.back(), "apply");
}

TEST_F(AJob, OfTheStatesOnlyTheNewestIsKeptOnTheDisk) {
  to_apply();
  for (const auto* state : {"first", "second", "third"}) say(provisioner::StateWritten{file(state)});
  const std::filesystem::directory_iterator files(options_.directory + "/states");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_EQ(hub_.state, "third");
}

// A full disk, say.
TEST_F(AJob, AFileThatCannotBeStoredIsTriedAFewTimesAndSaysSo) {
  hub_.file_failures.assign(20, Error(ErrorClass::transient, "SYSTEM_ERROR", "No space left on device"));
  start();
  pass(minutes(1));
  expect_proper_end();
  EXPECT_EQ(hub_.file_failures.size(), 10u);  // five times: to be kept, and past what is kept
  EXPECT_EQ(hub_.failed->code, "SYSTEM_ERROR");
  EXPECT_EQ(hub_.failed->error_class, ErrorClass::transient);
  EXPECT_EQ(std::ranges::count(hub_.lines, fleet::LogLevel::warn, &fleet::LogLine::level), 1);
}

TEST_F(AJob, AFileIsWaitedForWhileTheHubIsAway) {
  hub_.file_failures.assign(20, kAway);
  start();
  pass(minutes(2));
  EXPECT_FALSE(result_);
  EXPECT_TRUE(hub_.file_failures.empty());
  EXPECT_TRUE(played_.open);
}

// RUN-18
TEST_F(AJob, TheTraceOfTheCallThatAskedForItReachesTheProvisioner) {
  const auto trace = base::trace_of("a request");
  job_.trace = trace.text();
  start_session();
  EXPECT_EQ(played_.config.trace, trace.caused("job_1").traceparent());
  EXPECT_NE(played_.config.trace.find(trace.trace_id), std::string::npos);
}

TEST_F(AJob, ASilentProvisionerIsGivenUp) {
  start();
  pass(minutes(2));
  expect_proper_end();
  EXPECT_EQ(hub_.failed->code, "PROVISIONER_SILENT");
}

// RUN-12: reference, 'apply-error keeps state'
TEST_F(AJob, AFailedApplyKeepsThePartialState) {
  to_apply();
  say(ApplyComplete{.error = provisioner::Problem{.code = "TERRAFORM_FAILED", .message = "no"},
                    .resources = {{.address = "vm.a"}},
                    .state_file = file("partial")});
  expect_proper_end();
  EXPECT_EQ(hub_.failed->state, base::sha256_hex("partial"));
  EXPECT_EQ(hub_.failed->resources.size(), 1u);
  EXPECT_EQ(hub_.state, "partial");
}

TEST_F(AJob, WhatWasDoneToAResourceIsWhatWasPlanned) {
  start_session();
  say(PlanComplete{.resources = {{.address = "vm.a", .action = fleet::ResourceAction::create}}});
  say(ApplyComplete{.resources = {{.address = "vm.a"}, {.address = "vm.b"}}}, seconds(5));
  ASSERT_TRUE(hub_.completed);
  const auto& resources = hub_.completed->build->resources;
  EXPECT_EQ(resources.at(0).action, fleet::ResourceAction::create);
  EXPECT_EQ(resources.at(1).action, fleet::ResourceAction::none);
}

TEST_F(AJob, AFailedPlanSaysNothingOfAState) {
  start_session();
  say(PlanComplete{.error = provisioner::Problem{.message = "no"}});
  expect_proper_end();
  EXPECT_FALSE(hub_.failed->state);
}

TEST_F(AJob, AProvisionerWaitsUntilItsStateIsKept) {
  to_apply();
  played_.events.on_message(provisioner::StateWritten{file("first")});
  EXPECT_TRUE(played_.paused);
  pass(seconds(1));
  EXPECT_FALSE(played_.paused);
  EXPECT_EQ(hub_.state, "first");
}

// ---- the terminal message

// RUN-13: reference, 'CompleteJob-fails fallback'
TEST_F(AJob, ASuccessIsToldUntilItIsHeardAndNeverBecomesAFailure) {
  to_apply();
  hub_.terminal_failures.assign(20, kAway);
  hub_.terminal_failures.emplace_back(ErrorClass::internal, "INTERNAL_ERROR", "broken");
  say(ApplyComplete{.state_file = file("new")});
  EXPECT_FALSE(result_);
  pass(minutes(5));
  ASSERT_TRUE(result_);
  EXPECT_EQ(hub_.count("complete"), 22u);
  EXPECT_FALSE(hub_.failed);
}

// It is longer than the hub takes, say: what it made is known all the same.
TEST_F(AJob, AnOutcomeThatTheHubCannotTakeIsToldShortlyWithItsState) {
  to_apply();
  hub_.terminal_failures = {
      Error(ErrorClass::user, "BODY_TOO_LARGE", "more than 16 MiB", json::Object{{"status", 413}})};
  say(ApplyComplete{.state_file = file("new")}, seconds(5));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::reported);
  EXPECT_EQ(hub_.count("complete"), 1u);
  ASSERT_TRUE(hub_.failed);
  EXPECT_EQ(hub_.failed->code, "OUTCOME_REFUSED");
  EXPECT_EQ(hub_.failed->state, base::sha256_hex("new"));
  EXPECT_NE(hub_.failed->message.find("16 MiB"), std::string::npos);
}

// The daemon's key was removed. The lease is over by then.
TEST_F(AJob, AJobThatIsRefusedForLongerThanItsLeaseIsLost) {
  to_apply();
  hub_.update_failure = kRefused;
  pass(seconds(12));
  EXPECT_FALSE(result_);
  hub_.update_failure.reset();
  pass(seconds(12));
  hub_.update_failure = kRefused;
  pass(seconds(12));
  EXPECT_FALSE(result_) << "it was heard between";
  pass(seconds(15));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::lost);
  EXPECT_EQ(played_.told.back(), "kill");
}

TEST_F(AJob, AnOutcomeThatIsRefusedForLongerThanTheLeaseIsLost) {
  to_apply();
  hub_.terminal_failures.assign(1'000, kRefused);
  say(ApplyComplete{}, minutes(1));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::lost);
  EXPECT_FALSE(hub_.failed);
}

TEST_F(AJob, AStateThatTheHubHasNotIsPutAgain) {
  to_apply();
  hub_.terminal_failures = {Error(ErrorClass::conflict, "STATE_MISMATCH", "another one")};
  say(ApplyComplete{.state_file = file("new")}, seconds(5));
  ASSERT_TRUE(result_);
  EXPECT_EQ(hub_.count("state new"), 2u);
  EXPECT_EQ(hub_.count("complete"), 2u);
}

TEST_F(AJob, AStateThatTheHubHasIsNotSentOnceMore) {
  to_apply();
  for (const auto* state : {"one", "two", "one"}) say(provisioner::StateWritten{file(state)});
  EXPECT_FALSE(played_.paused);
  say(ApplyComplete{.state_file = file("one")});
  expect_proper_end();
  EXPECT_EQ(hub_.count("state one"), 2u);
  EXPECT_EQ(hub_.count("state two"), 1u);
  EXPECT_EQ(hub_.completed->build->state, base::sha256_hex("one"));
}

// RUN-7
TEST_F(AJob, WhatWasFlushedBeforeTheSessionsEndIsNotSaidAgainAfterIt) {
  to_apply();
  pass(seconds(1));
  const auto before = hub_.count("update");
  say(ApplyComplete{}, milliseconds(100));
  expect_proper_end();
  EXPECT_EQ(hub_.count("update"), before + 1);
}

TEST_F(AJob, LinesThatComeWithTheEndOfTheSessionAreSaid) {
  played_.closes = false;
  to_apply();
  say(ApplyComplete{});
  EXPECT_EQ(played_.told.back(), "close");
  log("last words");
  played_.events.on_closed(std::nullopt);
  pass(seconds(1));
  ASSERT_TRUE(result_);
  EXPECT_EQ(hub_.lines.back().output, "last words");
  EXPECT_EQ(hub_.events.back(), "complete");
}

// RUN-12: what is being made would be in no state. Under the state's lock nobody else begins before it has ended.
TEST_F(AJob, ALostLeaseLetsAnApplyUnderTheStatesLockEnd) {
  played_.closes = false;
  to_apply(true);
  hub_.update_failure = kLost;
  pass(seconds(6));
  EXPECT_EQ(played_.told.back(), "close");
  pass(provisioner::kEndBound);
  EXPECT_FALSE(result_);
  pass(minutes(2));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::lost);
  EXPECT_EQ(played_.told.back(), "kill");
  EXPECT_FALSE(hub_.failed || hub_.completed);
}

// RUN-3
TEST_F(AJob, ALostLeaseKillsTheSessionAndNothingMoreIsSaid) {
  to_apply();
  hub_.update_failure = kLost;
  pass(seconds(6));
  ASSERT_TRUE(result_);
  EXPECT_EQ(result_->end, JobRunner::End::lost);
  EXPECT_EQ(played_.told.back(), "kill");
  const auto said = hub_.events.size();
  pass(minutes(30));
  EXPECT_EQ(hub_.events.size(), said);
  EXPECT_FALSE(hub_.failed || hub_.completed);
}

}  // namespace
}  // namespace slipway::runner
