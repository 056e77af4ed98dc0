// A daemon on a hub that a test plays by hand: every call is kept until the test answers it.

#include "runner/daemon.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "durable/testing/simulated_world.h"
#include "observe/metrics.h"

namespace slipway::runner {
namespace {

using base::Error;
using base::ErrorClass;
using durable::testing::SimulatedWorld;
using std::chrono::minutes;
using std::chrono::seconds;

template <class Request, class Answer>
struct Asked {
  Request request;
  Reply<Answer> reply;
};

// Jobs end at once: their provisioner is one that this daemon has not got.
class PlayedHub final : public HubLink {
 public:
  explicit PlayedHub(base::EventLoop& loop) : loop_(loop) {}
  void register_daemon(fleet::RegisterDaemon daemon, Reply<fleet::DaemonRegistered> reply) override {
    registered.push_back({std::move(daemon), std::move(reply)});
  }
  void acquire(fleet::AcquireJob request, Reply<fleet::JobAcquired> reply) override {
    acquired.push_back({std::move(request), std::move(reply)});
  }
  void wait_for_cancels(fleet::WaitForCancels request, Reply<fleet::CancelledJobs> reply) override {
    watched.push_back({std::move(request), std::move(reply)});
  }
  void say_goodbye(std::string daemon_id, Reply<void> reply) override {
    goodbyes.push_back(std::move(daemon_id));
    loop_.post([reply = std::move(reply)]() mutable { reply({}); });
  }
  void update(std::string, fleet::JobUpdate update, base::Duration, Reply<fleet::JobUpdated> reply) override {
    if (silent) return;
    const auto next = update.first_log + std::int64_t(update.logs.size());
    loop_.post([reply = std::move(reply), next]() mutable { reply(fleet::JobUpdated{.next_log = next}); });
  }
  void commit_quota(std::string, fleet::CommitQuota, Reply<fleet::QuotaCommitted>) override {}
  void complete(std::string, fleet::CompletedJob, Reply<fleet::JobEnded>) override {}
  void fail(std::string job, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) override {
    failed.emplace_back(std::move(job), std::move(outcome));
    loop_.post([reply = std::move(reply)]() mutable { reply(fleet::JobEnded{fleet::JobStatus::failed}); });
  }
  void get_blob(std::string, std::string, Reply<void>) override {}
  void get_state(std::string, std::int64_t, std::string, Reply<void>) override {}
  void put_state(std::string, std::int64_t, std::string, Reply<std::string>) override {}
  std::string state_address(const std::string&) const override { return ""; }

  std::vector<Asked<fleet::RegisterDaemon, fleet::DaemonRegistered>> registered;
  std::vector<Asked<fleet::AcquireJob, fleet::JobAcquired>> acquired;
  std::vector<Asked<fleet::WaitForCancels, fleet::CancelledJobs>> watched;
  std::vector<std::string> goodbyes;
  std::vector<std::pair<std::string, fleet::FailedJob>> failed;
  bool silent = false;  // to updates

 private:
  base::EventLoop& loop_;
};

class NoFiles final : public TemplateFiles {
 public:
  void unpack(const std::string&, const std::string&) const override {}
  TemplateFacts facts(const std::string&) const override { return {}; }
};

// Its jobs wait for an archive that never comes.
class SlowProvisioner final : public provisioner::Provisioner {
 public:
  std::string_view type() const override { return "slow"; }
  void check() const override {}
  std::unique_ptr<provisioner::Session> open(provisioner::SessionEvents) override { return nullptr; }
};

class ADaemon : public ::testing::Test {
 protected:
  static std::string make_folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "daemon-XXXXXX";
    return ::mkdtemp(pattern.data());
  }
  ADaemon() { options_ = {.name = "d", .version = "1", .runners = 1, .work_directory = folder_}; }
  ~ADaemon() override {
    daemon_.reset();
    std::filesystem::remove_all(folder_);
  }
  void start() {
    daemon_ = std::make_unique<Daemon>(
        RunnerTools{.loop = *process_,
                    .workers = *process_,
                    .clock = *process_,
                    .random = world_.random(),
                    .hub = hub_,
                    .archives = archives_,
                    .files = files_,
                    .logger = observe::silent_logger()},
        Provisioners{{"slow", std::make_shared<SlowProvisioner>()}}, options_,
        [this](std::optional<Error> failure) {
          ended_ = true;
          failure_ = std::move(failure);
        },
        &metrics_);
    daemon_->start();
    pass(seconds(1));
  }
  void start_registered() {
    start();
    hub_.registered.back().reply(fleet::DaemonRegistered{.daemon_id = "dmn_1"});
    pass(seconds(1));
  }
  void give_job(const std::string& id, std::int64_t fence = 1) {
    answer_with_job(hub_.acquired.back(), id, "none", fence);
    pass(seconds(3));
  }
  static void answer_with_job(Asked<fleet::AcquireJob, fleet::JobAcquired>& asked, const std::string& id,
                              const std::string& provisioner, std::int64_t fence = 1) {
    asked.reply(fleet::JobAcquired{fleet::AcquiredJob{.id = id, .fence = fence, .provisioner = provisioner}});
  }
  void pass(base::Duration time) {
    bool over = false;
    world_.at(world_.now() + time, [&over] { over = true; });
    while (!over && world_.step()) {
    }
  }

  SimulatedWorld world_{1};
  std::unique_ptr<SimulatedWorld::Process> process_ = world_.boot();
  std::string folder_ = make_folder();
  PlayedHub hub_{*process_};
  ArchiveCache archives_{*process_, *process_, hub_, {.folder = folder_ + "/archives"}, observe::silent_logger(),
                         nullptr};
  NoFiles files_;
  DaemonOptions options_;
  observe::Registry metrics_;
  bool ended_ = false;
  std::optional<Error> failure_;
  std::unique_ptr<Daemon> daemon_;
};

const Error kAway(ErrorClass::transient, "CONNECTION_FAILED", "away");
const Error kUnknown(ErrorClass::conflict, "DAEMON_UNKNOWN", "who?");

TEST_F(ADaemon, RegistersUntilTheHubIsThere) {
  options_.tags = {{"zone", "eu"}};
  start();
  for (int i = 0; i < 5; ++i) {
    hub_.registered.back().reply(std::unexpected(kAway));
    pass(seconds(6));
  }
  EXPECT_EQ(hub_.registered.size(), 6u);
  EXPECT_EQ(hub_.registered.back().request.tags.at("zone"), "eu");
  EXPECT_TRUE(hub_.acquired.empty());
  hub_.registered.back().reply(fleet::DaemonRegistered{.daemon_id = "dmn_1"});
  pass(seconds(1));
  ASSERT_EQ(hub_.acquired.size(), 1u);
  EXPECT_EQ(hub_.acquired[0].request.daemon_id, "dmn_1");
}

TEST_F(ADaemon, EndsWithAdviceWhereAPersonHasToAct) {
  for (const auto* code : {"DAEMON_TOO_OLD", "HUB_TOO_OLD", "UNAUTHORIZED", "FORBIDDEN"}) {
    ended_ = false;
    start();
    hub_.registered.back().reply(std::unexpected(Error(ErrorClass::user, code, "update")));
    pass(seconds(1));
    EXPECT_TRUE(ended_) << code;
    EXPECT_EQ(failure_->code(), code);
  }
}

TEST_F(ADaemon, EndsWhereTheHubWillNotHaveWhatItIs) {
  for (const auto* code : {"TAGS_NOT_ALLOWED", "VALIDATION_ERROR"}) {
    ended_ = false;
    start();
    hub_.registered.back().reply(std::unexpected(Error(ErrorClass::user, code, "not so")));
    pass(seconds(1));
    EXPECT_TRUE(ended_) << code;
    EXPECT_EQ(failure_->code(), code);
  }
}

TEST_F(ADaemon, WhatAProxySaysInTheHubsPlaceMayPass) {
  start();
  hub_.registered.back().reply(std::unexpected(Error(ErrorClass::user, "HTTP_404", "no such backend")));
  pass(seconds(1));
  EXPECT_FALSE(ended_);
  EXPECT_EQ(hub_.registered.size(), 2u);
}

TEST_F(ADaemon, RefusesAHubThatIsTooOldForIt) {
  start();
  hub_.registered.back().reply(fleet::DaemonRegistered{.daemon_id = "dmn_1", .hub_version = "0.0.1", .api_version = 0});
  pass(seconds(1));
  EXPECT_EQ(failure_->code(), "HUB_TOO_OLD");
}

TEST_F(ADaemon, AsksAgainWithTheSameTokenUntilItHasItsAnswer) {
  start_registered();
  const auto token = hub_.acquired[0].request.token;
  EXPECT_FALSE(token.empty());
  hub_.acquired.back().reply(std::unexpected(kAway));
  pass(seconds(6));
  ASSERT_EQ(hub_.acquired.size(), 2u);
  EXPECT_EQ(hub_.acquired[1].request.token, token);
  give_job("job_1");
  ASSERT_EQ(hub_.acquired.size(), 3u);
  EXPECT_NE(hub_.acquired[2].request.token, token);
}

TEST_F(ADaemon, AnAnswerWithoutAJobThatComesAtOnceIsNotAskedForInATightLoop) {
  start_registered();
  for (std::size_t answered = 0, looked = 0; looked < 100; ++looked) {
    if (answered < hub_.acquired.size()) hub_.acquired[answered++].reply(fleet::JobAcquired{});
    pass(std::chrono::milliseconds(100));
  }
  EXPECT_LE(hub_.acquired.size(), 10u);
}

TEST_F(ADaemon, HasAsManyJobsAsRunners) {
  options_.runners = 2;
  hub_.silent = true;
  start_registered();
  give_job("job_1");
  EXPECT_EQ(hub_.acquired.size(), 2u);
  give_job("job_2");
  EXPECT_EQ(hub_.acquired.size(), 2u);
  EXPECT_EQ(daemon_->jobs(), 2u);
}

TEST_F(ADaemon, AJobThatIsAnsweredTwiceIsCarriedOutOnce) {
  options_.runners = 2;
  hub_.silent = true;
  start_registered();
  give_job("job_1", 1);
  give_job("job_1", 1);
  EXPECT_EQ(daemon_->jobs(), 1u);
}

TEST_F(ADaemon, RegistersAgainWhenTheHubHasForgottenIt) {
  start_registered();
  hub_.acquired.back().reply(std::unexpected(kUnknown));
  pass(seconds(1));
  ASSERT_EQ(hub_.registered.size(), 2u);
  EXPECT_FALSE(hub_.registered[0].request.instance.empty());
  EXPECT_EQ(hub_.registered[1].request.instance, hub_.registered[0].request.instance);
  hub_.registered.back().reply(fleet::DaemonRegistered{.daemon_id = "dmn_2"});
  pass(seconds(1));
  EXPECT_EQ(hub_.acquired.back().request.daemon_id, "dmn_2");
}

TEST_F(ADaemon, WhatIsSaidOfAnEarlierIdIsNoReasonToRegisterAgain) {
  options_.runners = 2;
  hub_.silent = true;
  start_registered();
  give_job("job_1");
  hub_.acquired.back().reply(std::unexpected(kUnknown));
  pass(seconds(1));
  hub_.registered.back().reply(fleet::DaemonRegistered{.daemon_id = "dmn_2"});
  pass(seconds(1));
  ASSERT_EQ(hub_.watched.size(), 1u);
  hub_.watched.back().reply(std::unexpected(kUnknown));
  pass(seconds(5));
  EXPECT_EQ(hub_.registered.size(), 2u);
  EXPECT_EQ(hub_.watched.back().request.daemon_id, "dmn_2");
  EXPECT_EQ(hub_.acquired.back().request.daemon_id, "dmn_2");
}

TEST_F(ADaemon, OneThatIsForgottenAgainAndAgainDoesNotHurry) {
  start_registered();
  std::size_t known = 1, asked = 0;
  for (int i = 0; i < 600; ++i) {
    if (known < hub_.registered.size()) hub_.registered[known++].reply(fleet::DaemonRegistered{.daemon_id = "dmn_1"});
    if (asked < hub_.acquired.size()) hub_.acquired[asked++].reply(std::unexpected(kUnknown));
    pass(std::chrono::milliseconds(100));
  }
  EXPECT_LE(hub_.registered.size(), 12u);
}

// RUN-1
TEST_F(ADaemon, RefusesAJobThatItDoesNotUnderstand) {
  start_registered();
  hub_.acquired.back().reply(std::unexpected(Error(ErrorClass::internal, "JOB_NOT_UNDERSTOOD", "of a new kind",
                                                   json::Object{{"job", "job_9"}, {"fence", 4}})));
  pass(seconds(1));
  ASSERT_EQ(hub_.failed.size(), 1u);
  EXPECT_EQ(hub_.failed[0].first, "job_9");
  EXPECT_EQ(hub_.failed[0].second.fence, 4);
  EXPECT_EQ(hub_.failed[0].second.code, "UNKNOWN_JOB_TYPE");
  EXPECT_NE(hub_.failed[0].second.message.find("update this provisioner daemon"), std::string::npos);
  EXPECT_EQ(hub_.acquired.size(), 2u);
}

TEST_F(ADaemon, WatchesForCancelsOnlyWhileItHasJobs) {
  hub_.silent = true;
  start_registered();
  EXPECT_TRUE(hub_.watched.empty());
  give_job("job_1");
  ASSERT_EQ(hub_.watched.size(), 1u);
  hub_.watched.back().reply(fleet::CancelledJobs{{"job_1"}});
  pass(seconds(1));
  ASSERT_EQ(hub_.watched.size(), 2u);
  EXPECT_EQ(hub_.watched.back().request.known, std::vector<std::string>{"job_1"});
}

// RUN-18
TEST_F(ADaemon, CountsItsJobsItsRunnersAndWhetherItIsRegistered) {
  const auto has = [this](const std::string& line) {
    EXPECT_NE(metrics_.expose().find(line + "\n"), std::string::npos) << line << " in:\n" << metrics_.expose();
  };
  options_.runners = 2;
  hub_.silent = true;
  start_registered();
  has("slipway_daemon_runners 2");
  has("slipway_daemon_registered 1");
  give_job("job_1");
  has("slipway_daemon_jobs_current{provisioner=\"none\"} 1");
  hub_.silent = false;
  pass(minutes(1));
  has("slipway_daemon_jobs_current{provisioner=\"none\"} 0");
  has("slipway_daemon_job_seconds_count{provisioner=\"none\",status=\"failed\"} 1");
  hub_.acquired.back().reply(std::unexpected(kUnknown));
  pass(seconds(1));
  has("slipway_daemon_registered 0");
}

// RUN-16; the known daemon's InstantClose
TEST_F(ADaemon, AnIdleOneEndsAtOnceAndSaysSo) {
  start_registered();
  daemon_->drain();
  pass(seconds(1));
  EXPECT_TRUE(ended_);
  EXPECT_FALSE(failure_);
  EXPECT_EQ(hub_.goodbyes, std::vector<std::string>{"dmn_1"});
}

// Theirs: ConnectErrorClose, ShutdownNoCoderd
TEST_F(ADaemon, OneThatNeverReachedItsHubEndsAtOnce) {
  start();
  daemon_->drain();
  pass(seconds(1));
  EXPECT_TRUE(ended_);
  EXPECT_TRUE(hub_.goodbyes.empty());
}

TEST_F(ADaemon, ADrainWaitsForWhatRunsAndTakesNothing) {
  hub_.silent = true;
  start_registered();
  give_job("job_1");
  daemon_->drain();
  pass(minutes(5));
  EXPECT_FALSE(ended_);
  EXPECT_TRUE(hub_.acquired.back().request.draining);
  hub_.silent = false;
  pass(minutes(1));
  EXPECT_TRUE(ended_);
  EXPECT_EQ(hub_.failed.size(), 1u);
}

TEST_F(ADaemon, ADrainIsSaidUntilItIsHeard) {
  hub_.silent = true;
  start_registered();
  give_job("job_1");
  daemon_->drain();
  const auto said = hub_.acquired.size();
  hub_.acquired.back().reply(std::unexpected(kAway));
  pass(seconds(2));
  EXPECT_EQ(hub_.acquired.size(), said + 1);
  EXPECT_TRUE(hub_.acquired.back().request.draining);
}

TEST_F(ADaemon, OneThatRegistersAgainWhileItDrainsSaysSoAgain) {
  hub_.silent = true;
  start_registered();
  give_job("job_1");
  daemon_->drain();
  hub_.watched.back().reply(std::unexpected(kUnknown));
  pass(seconds(1));
  hub_.registered.back().reply(fleet::DaemonRegistered{.daemon_id = "dmn_2"});
  pass(seconds(1));
  EXPECT_EQ(hub_.acquired.back().request.daemon_id, "dmn_2");
  EXPECT_TRUE(hub_.acquired.back().request.draining);
}

TEST_F(ADaemon, ADrainDuringARefusalEndsAfterIt) {
  start_registered();
  hub_.acquired.back().reply(std::unexpected(Error(ErrorClass::internal, "JOB_NOT_UNDERSTOOD", "of a new kind",
                                                   json::Object{{"job", "job_9"}, {"fence", 4}})));
  daemon_->drain();
  EXPECT_TRUE(hub_.goodbyes.empty());
  pass(seconds(1));
  EXPECT_TRUE(ended_);
}

// Its poll was under way.
TEST_F(ADaemon, AJobThatIsGrantedAfterACancelIsGivenBackToo) {
  options_.runners = 2;
  start_registered();
  answer_with_job(hub_.acquired.back(), "job_1", "slow");
  pass(seconds(1));
  ASSERT_EQ(hub_.acquired.size(), 2u);
  daemon_->cancel();
  answer_with_job(hub_.acquired[1], "job_2", "slow");
  pass(seconds(5));
  ASSERT_EQ(hub_.failed.size(), 2u);
  for (const auto& [job, outcome] : hub_.failed) EXPECT_EQ(outcome.code, "DAEMON_SHUTDOWN") << job;
  EXPECT_TRUE(ended_);
}

TEST_F(ADaemon, AJobThatIsGrantedAfterAForcedStopHoldsNothingUp) {
  options_.runners = 2;
  hub_.silent = true;
  start_registered();
  answer_with_job(hub_.acquired.back(), "job_1", "slow");
  pass(seconds(1));
  daemon_->force(seconds(10));
  answer_with_job(hub_.acquired[1], "job_2", "slow");
  pass(seconds(12));
  EXPECT_TRUE(ended_);
}

TEST_F(ADaemon, AForcedOneEndsWithinItsBound) {
  hub_.silent = true;
  start_registered();
  give_job("job_1");
  daemon_->force(seconds(10));
  pass(seconds(12));
  EXPECT_TRUE(ended_);
}

TEST_F(ADaemon, OneForASingleJobEndsAfterIt) {
  options_.once = true;
  options_.runners = 3;
  start_registered();
  give_job("job_1");
  EXPECT_TRUE(ended_);
  EXPECT_EQ(hub_.acquired.size(), 1u);
  EXPECT_EQ(hub_.goodbyes.size(), 1u);
}

}  // namespace
}  // namespace slipway::runner
