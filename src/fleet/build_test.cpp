// Builds, and what their ends mean for their workspaces and for quotas, on both databases (RUN-11, RUN-12, RUN-13).

#include "fleet/build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "fleet/identity.h"
#include "fleet/quota.h"
#include "fleet/sealer.h"
#include "fleet/testing/blocked_writer.h"
#include "fleet/workspace_state.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
const Scope kEverything = Scope::everything("a test looks at all");
const UserId kOwner("usr_1");
const WorkspaceId kWorkspace("018f0000-0000-7000-8000-000000000001");

class Builds : public ::testing::TestWithParam<Dialect> {
 protected:
  Builds()
      : url_(GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                           : store::testing::PostgresCluster::shared().create_database()),
        database_(store::open(url_)) {}

  // A workspace with its first build under way, by run_1.
  void make_workspace() {
    write([&](Transaction& tx) {
      insert_user(tx, {.id = kOwner, .name = "ada", .created_at = kNow});
      const Workspace workspace{.id = kWorkspace,
                                .name = "dev",
                                .owner_id = kOwner,
                                .provider = std::string(kBuiltProvider),
                                .instance_name = "dev-1",
                                .created_at = kNow,
                                .updated_at = kNow,
                                .run_id = RunId("run_1")};
      insert(tx, workspace, sealer_.seal(base::Secret("{}")));
      insert_built_workspace(tx, sealer_,
                             {.workspace_id = kWorkspace,
                              .owner_id = kOwner,
                              .template_id = TemplateId("tpl_1"),
                              .version_id = TemplateVersionId("tpv_1"),
                              .parameters = {}},
                             kNow);
    });
    add_build("bld_1", "run_1", Transition::start);
  }
  // The next one, which takes the workspace as its route does.
  void begin(const std::string& id, const std::string& run, Transition transition) {
    write([&](Transaction& tx) {
      auto workspace = get(tx, kEverything, kWorkspace);
      take(tx, workspace, RunId(run), kNow);
    });
    add_build(id, run, transition);
  }
  void add_build(const std::string& id, const std::string& run, Transition transition) {
    write([&](Transaction& tx) {
      Build build{.id = BuildId(id),
                  .workspace_id = kWorkspace,
                  .workspace_name = "dev",
                  .owner_id = kOwner,
                  .template_id = TemplateId("tpl_1"),
                  .version_id = TemplateVersionId("tpv_1"),
                  .transition = transition,
                  .run_id = RunId(run),
                  .parameters = {{"size", "large"}, {"token", "hush", true}},
                  .requested_by = kOwner};
      insert_build(tx, sealer_, build, {build.parameters.front()}, kNow);
      start_build(tx, build.id, kNow);
    });
  }
  void retry(const std::string& build, const std::string& run) {
    write([&](Transaction& tx) {
      auto found = get(tx, kEverything, kWorkspace);
      take(tx, found, RunId(run), kNow);
      retry_build(tx, BuildId(build), RunId(run));
    });
  }
  void commit(const std::string& build, std::int64_t cost) {
    write([&](Transaction& tx) {
      Job job;
      job.owner_id = kOwner;
      job.workspace_id = kWorkspace;
      job.build_id = BuildId(build);
      ASSERT_TRUE(commit_quota(tx, job, cost, kNow).ok);
    });
  }
  void complete(const std::string& build) {
    write([&](Transaction& tx) { complete_build(tx, BuildId(build), {{.address = "a.b"}}, {{"url", "x"}}, kNow); });
  }
  void fail_it(const std::string& build, JobStatus status, bool has_applied) {
    write([&](Transaction& tx) {
      fail_build(tx, BuildId(build),
                 {.status = status, .problem = {"BOOM", "it broke"}, .has_applied = has_applied, .resources = {}},
                 kNow);
    });
  }
  std::optional<Workspace> workspace() {
    std::optional<Workspace> found;
    read([&](Transaction& tx) { found = find(tx, kEverything, kWorkspace); });
    return found;
  }
  Build build(const std::string& id) {
    std::optional<Build> found;
    read([&](Transaction& tx) { found = find_build(tx, sealer_, kEverything, BuildId(id)); });
    return found.value();
  }
  std::int64_t consumed() {
    std::int64_t sum = 0;
    read([&](Transaction& tx) { sum = quota_of(tx, kOwner).consumed; });
    return sum;
  }
  void write(std::function<void(Transaction&)> work) { database_->write_and_wait(std::move(work)); }
  void read(std::function<void(Transaction&)> work) { database_->read_and_wait(std::move(work)); }

  store::testing::TemporaryFolder folder_;
  const std::string url_;
  std::unique_ptr<store::Database> database_;
  Sealer sealer_{base::Secret(std::string(32, 'k'))};
};

TEST_P(Builds, AStartMakesTheWorkspaceReadyAndHoldsItsCost) {
  make_workspace();
  commit("bld_1", 7);
  complete("bld_1");
  EXPECT_EQ(workspace()->status, WorkspaceStatus::READY);
  EXPECT_FALSE(workspace()->run_id);
  EXPECT_EQ(build("bld_1").status, JobStatus::succeeded);
  EXPECT_EQ(build("bld_1").number, 1);
  EXPECT_EQ(build("bld_1").outputs.at("url"), "x");
  EXPECT_EQ(consumed(), 7);
}

TEST_P(Builds, AStopFreesWhatItDoesNotCommit) {
  make_workspace();
  commit("bld_1", 7);
  complete("bld_1");
  begin("bld_2", "run_2", Transition::stop);
  complete("bld_2");
  EXPECT_EQ(workspace()->status, WorkspaceStatus::SUSPENDED);
  EXPECT_EQ(consumed(), 0);
}

TEST_P(Builds, ADestroyLeavesNothingButTheHistory) {
  make_workspace();
  commit("bld_1", 7);
  complete("bld_1");
  begin("bld_2", "run_2", Transition::destroy);
  complete("bld_2");
  EXPECT_FALSE(workspace());
  EXPECT_EQ(consumed(), 0);
  read([&](Transaction& tx) {
    EXPECT_FALSE(find_built_workspace(tx, sealer_, kWorkspace));
    EXPECT_THAT(list_builds(tx, sealer_, kEverything, kWorkspace, 0, 10), SizeIs(2));
    EXPECT_THAT(list_builds(tx, sealer_, Scope::owner(UserId("usr_2")), kWorkspace, 0, 10), IsEmpty());
  });
}

// RUN-12: for second thoughts; also where nothing was destroyed, and the state is all that tells what was left.
TEST_P(Builds, ADestroyLeavesTheStatesForAWhile) {
  make_workspace();
  write(
      [&](Transaction& tx) { put_state(tx, {kWorkspace, 1}, JobId("job_1"), seal_state(sealer_, "machines"), kNow); });
  complete("bld_1");
  begin("bld_2", "run_2", Transition::destroy);
  const auto end = kNow + std::chrono::days(60);
  write([&](Transaction& tx) { complete_build(tx, BuildId("bld_2"), {}, {}, end); });
  write([&](Transaction& tx) {
    EXPECT_EQ(remove_states_of_gone_workspaces(tx, end), 0);
    EXPECT_EQ(read_state(tx, sealer_, {kWorkspace, 2}), "machines");
    EXPECT_EQ(remove_states_of_gone_workspaces(tx, end + base::Duration(1)), 1);
    EXPECT_FALSE(has_state(tx, kWorkspace));
  });
}

// The history has an end, but what later builds go by stays.
TEST_P(Builds, OldOnesAreForgottenButForWhatIsStillNeeded) {
  make_workspace();
  commit("bld_1", 7);
  complete("bld_1");
  const auto later = kNow + kBuildsKept + base::Duration(1);
  const auto left = [&] {
    std::size_t count = 0;
    write([&](Transaction& tx) {
      forget_builds(tx, later);
      count = list_builds(tx, sealer_, kEverything, kWorkspace, 0, 100).size();
    });
    return count;
  };
  for (int i = 2; i <= 30; ++i) {
    const auto number = std::to_string(i);
    begin("bld_" + number, "run_" + number, Transition::stop);
    fail_it("bld_" + number, JobStatus::failed, false);
  }
  EXPECT_EQ(left(), 30u) << "the last start, and what it costs";
  EXPECT_EQ(consumed(), 7);
  begin("bld_31", "run_31", Transition::start);
  complete("bld_31");
  EXPECT_EQ(left(), std::size_t(kBuildsOfOneKept));
  begin("bld_32", "run_32", Transition::destroy);
  complete("bld_32");
  EXPECT_THAT(build("bld_32").parameters, IsEmpty());
  EXPECT_EQ(left(), 0u);
}

TEST_P(Builds, TheParametersOfTheLastStartAreFoundBehindLaterStops) {
  make_workspace();
  complete("bld_1");
  begin("bld_2", "run_2", Transition::stop);
  read([&](Transaction& tx) {
    EXPECT_THAT(last_start_parameters(tx, sealer_, kWorkspace), SizeIs(2));
    EXPECT_THAT(last_start_parameters(tx, sealer_, WorkspaceId("other")), IsEmpty());
  });
}

TEST_P(Builds, TheFirstOneThatIsCutShortLeavesAnError) {
  make_workspace();
  fail_it("bld_1", JobStatus::cancelled, false);
  EXPECT_EQ(workspace()->status, WorkspaceStatus::ERROR);
  EXPECT_EQ(workspace()->error->code, "BOOM");
  EXPECT_EQ(build("bld_1").status, JobStatus::cancelled);
}

TEST_P(Builds, ALaterOneThatIsCutShortBeforeItChangedAnythingLeavesTheWorkspaceAsItWas) {
  make_workspace();
  commit("bld_1", 7);
  complete("bld_1");
  begin("bld_2", "run_2", Transition::start);
  commit("bld_2", 9);
  EXPECT_EQ(consumed(), 9);
  fail_it("bld_2", JobStatus::cancelled, false);
  EXPECT_EQ(workspace()->status, WorkspaceStatus::READY);
  EXPECT_FALSE(workspace()->run_id);
  EXPECT_EQ(consumed(), 7);
}

// What was applied in part is there and costs.
TEST_P(Builds, OneThatFailsWhileItAppliesHoldsTheGreaterCost) {
  make_workspace();
  commit("bld_1", 7);
  complete("bld_1");
  begin("bld_2", "run_2", Transition::start);
  commit("bld_2", 9);
  fail_it("bld_2", JobStatus::failed, true);
  EXPECT_EQ(workspace()->status, WorkspaceStatus::ERROR);
  EXPECT_EQ(consumed(), 9);
  begin("bld_3", "run_3", Transition::stop);
  commit("bld_3", 2);
  fail_it("bld_3", JobStatus::failed, true);
  EXPECT_EQ(consumed(), 9);
}

// RUN-11: the machines stand, whatever later builds come to before they change anything.
TEST_P(Builds, WhatCouldNotBeDestroyedCostsUntilItIs) {
  make_workspace();
  commit("bld_1", 100);
  complete("bld_1");
  begin("bld_2", "run_2", Transition::destroy);
  commit("bld_2", 0);
  fail_it("bld_2", JobStatus::failed, true);
  EXPECT_EQ(consumed(), 100);
  begin("bld_3", "run_3", Transition::start);
  fail_it("bld_3", JobStatus::failed, false);
  EXPECT_EQ(consumed(), 100);
  begin("bld_4", "run_4", Transition::destroy);
  commit("bld_4", 0);
  fail_it("bld_4", JobStatus::cancelled, false);
  EXPECT_EQ(consumed(), 100);
}

TEST_P(Builds, ARetryThatIsCutShortKeepsWhatTheAttemptBeforeItHasMade) {
  make_workspace();
  commit("bld_1", 7);
  write([&](Transaction& tx) {
    fail_build(tx, BuildId("bld_1"),
               {.problem = {"BOOM", "it broke"}, .has_applied = true, .resources = {{.address = "a.b"}}}, kNow);
  });
  retry("bld_1", "run_2");
  fail_it("bld_1", JobStatus::cancelled, false);
  EXPECT_THAT(build("bld_1").resources, SizeIs(1));
  EXPECT_EQ(workspace()->status, WorkspaceStatus::ERROR);
  EXPECT_EQ(consumed(), 7);
}

// On SQLite one write comes after another.
class PostgresBuilds : public Builds {};
INSTANTIATE_TEST_SUITE_P(OnReplicas, PostgresBuilds, ::testing::Values(Dialect::postgres));

// An end that was waiting for another one to be committed finds nothing left to end.
TEST_P(PostgresBuilds, OfTwoEndsAtOnceTheFirstCounts) {
  make_workspace();
  const auto elsewhere = store::open(url_);
  std::future<void> other;
  write([&](Transaction& tx) {
    complete_build(tx, BuildId("bld_1"), {}, {}, kNow);
    other = std::async(std::launch::async, [&] {
      elsewhere->write_and_wait([](Transaction& later) {
        const BuildFailure failure{.problem = {"BOOM", "it broke"}, .has_applied = true, .resources = {}};
        fail_build(later, BuildId("bld_1"), failure, kNow);
      });
    });
    testing::await_blocked_writer(tx);
  });
  other.get();
  EXPECT_EQ(build("bld_1").status, JobStatus::succeeded);
  EXPECT_EQ(workspace()->status, WorkspaceStatus::READY);
}

// RUN-13: whatever comes after the end changes nothing.
TEST_P(Builds, AnEndedOneIsNotChanged) {
  make_workspace();
  complete("bld_1");
  fail_it("bld_1", JobStatus::failed, true);
  EXPECT_EQ(build("bld_1").status, JobStatus::succeeded);
  EXPECT_EQ(workspace()->status, WorkspaceStatus::READY);
}

TEST_P(Builds, OneOfAnEarlierRunDoesNotTouchTheWorkspaceOfALaterOne) {
  make_workspace();
  begin("bld_2", "run_2", Transition::destroy);
  fail_it("bld_1", JobStatus::cancelled, true);
  EXPECT_EQ(workspace()->run_id, RunId("run_2"));
}

TEST_P(Builds, ParametersAreSealedAndEphemeralOnesForgotten) {
  make_workspace();
  EXPECT_EQ(build("bld_1").parameters.at(1).value, "hush");
  read([&](Transaction& tx) {
    EXPECT_THAT(find_built_workspace(tx, sealer_, kWorkspace)->parameters, SizeIs(1));
    const auto rows = tx.query("SELECT sealed_parameters FROM workspace_builds");
    EXPECT_EQ(rows.at(0).text(0).find("hush"), std::string::npos);
  });
}

TEST_P(Builds, ARetryIsTheSameBuildUnderAnotherRun) {
  make_workspace();
  fail_it("bld_1", JobStatus::failed, false);
  retry("bld_1", "run_2");
  complete("bld_1");
  EXPECT_EQ(workspace()->status, WorkspaceStatus::READY);
  EXPECT_EQ(build("bld_1").number, 1);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, Builds, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, Builds, ::testing::Values(Dialect::postgres));

}  // namespace
}  // namespace slipway::fleet
