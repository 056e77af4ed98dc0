// The cases of the known daemon's quota tests, and what its users suffer from: a commit that fails because another ran.

#include "fleet/quota.h"

#include <latch>
#include <thread>

#include "fleet/group.h"
#include "fleet/testing/template_world.h"

namespace slipway::fleet {
namespace {

using ::testing::ElementsAre;
using testing::kAlice;
using testing::kBob;
using testing::kNow;

class Quotas : public testing::TemplateWorld {
 protected:
  void group(const std::string& name, std::int64_t budget, std::vector<UserId> members = {}) {
    write([&](Transaction& tx) { put_group(tx, name, budget, members, kNow); });
  }
  QuotaCommitted commit(store::Database& database, const Job& job, std::int64_t cost) {
    QuotaCommitted committed;
    database.write_and_wait([&](Transaction& tx) { committed = commit_quota(tx, job, cost, kNow); });
    return committed;
  }
  QuotaCommitted commit(const Job& job, std::int64_t cost) { return commit(*database_, job, cost); }
  void settle(const std::string& workspace, std::int64_t cost) {
    write([&](Transaction& tx) { settle_quota(tx, WorkspaceId(workspace), cost, kNow); });
  }
  Job new_workspace(const std::string& name, const UserId& owner = kAlice) {
    add_workspace(name, owner);
    return add_build(name, 1, owner);
  }
  void remove(const std::string& workspace) {
    write([&](Transaction& tx) { tx.execute("DELETE FROM built_workspaces WHERE workspace_id = $1", {workspace}); });
  }
  Quota quota(const UserId& owner = kAlice) {
    Quota quota;
    read([&](Transaction& tx) { quota = quota_of(tx, owner); });
    return quota;
  }
};
INSTANTIATE_TEST_SUITE_P(On, Quotas, testing::kBothDatabases, testing::database_name);

TEST_P(Quotas, WithoutGroupsThereIsNoLimit) {
  const auto committed = commit(new_workspace("a"), 1'000'000);
  EXPECT_TRUE(committed.ok);
  EXPECT_EQ(committed.budget, std::nullopt);
  EXPECT_EQ(quota().consumed, 1'000'000);
}

TEST_P(Quotas, EachWorkspaceIsToldTheDearestFirst) {
  commit(new_workspace("cheap"), 1);
  commit(new_workspace("dear"), 5);
  commit(new_workspace("another", kBob), 9);
  std::vector<std::pair<std::string, std::int64_t>> shares;
  for (const auto& share : quota().shares) shares.emplace_back(share.workspace_id.str(), share.daily_cost);
  EXPECT_THAT(shares, ElementsAre(std::pair("dear", 5), std::pair("cheap", 1)));
}

// CreateDelete
TEST_P(Quotas, BudgetsOfGroupsAddUpAndDeletingFrees) {
  group("first", 1, {kAlice});
  group("second", 3, {kAlice, kBob});
  EXPECT_EQ(quota().budget, 4);
  EXPECT_THAT(quota().groups, ElementsAre("first", "second"));
  for (const auto* name : {"a", "b", "c", "d"}) EXPECT_TRUE(commit(new_workspace(name), 1).ok);
  const auto fifth = new_workspace("e");
  const auto refused = commit(fifth, 1);
  EXPECT_FALSE(refused.ok);
  EXPECT_EQ(refused.consumed, 4);
  EXPECT_EQ(refused.budget, 4);
  remove("a");
  EXPECT_TRUE(commit(fifth, 1).ok);
}

// StartStop: what a stop saves is free once it is done.
TEST_P(Quotas, AStopFreesWhatItSaves) {
  group("everyone", 10);
  EXPECT_TRUE(commit(new_workspace("a"), 8).ok);
  const auto other = new_workspace("b");
  EXPECT_FALSE(commit(other, 8).ok);
  EXPECT_TRUE(commit(add_build("a", 2), 1).ok);
  EXPECT_FALSE(commit(other, 8).ok) << "the machine still runs";
  settle("a", 1);
  EXPECT_TRUE(commit(other, 8).ok);
  EXPECT_EQ(quota().consumed, 9);
}

// AllowanceEveryone
TEST_P(Quotas, EverybodyIsInEveryone) {
  group("everyone", 2);
  group("more", 3, {kBob});
  EXPECT_EQ(quota(kAlice).budget, 2);
  EXPECT_EQ(quota(kBob).budget, 5);
}

// ZeroQuota
TEST_P(Quotas, WhoIsInNoGroupMayBuildOnlyWhatIsFree) {
  group("others", 5, {kBob});
  const auto job = new_workspace("a");
  EXPECT_EQ(quota().budget, 0);
  EXPECT_TRUE(commit(job, 0).ok);
  EXPECT_FALSE(commit(job, 1).ok);
}

// RUN-11
TEST_P(Quotas, ABuildThatCostsNoMoreThanBeforeAlwaysPasses) {
  EXPECT_TRUE(commit(new_workspace("a"), 8).ok);
  group("everyone", 1);
  const auto next = add_build("a", 2);
  EXPECT_FALSE(commit(next, 9).ok);
  EXPECT_TRUE(commit(next, 8).ok);
  EXPECT_TRUE(commit(next, 5).ok);
}

TEST_P(Quotas, ARefusedBuildKeepsWhatItsWorkspaceHolds) {
  group("everyone", 10);
  EXPECT_TRUE(commit(new_workspace("a"), 8).ok);
  EXPECT_FALSE(commit(add_build("a", 2), 12).ok);
  EXPECT_EQ(quota().consumed, 8);
}

// RUN-13: the answer may have been lost.
TEST_P(Quotas, ACommitThatIsRepeatedIsAnsweredAlike) {
  group("everyone", 10);
  const auto job = new_workspace("a");
  for (int i = 0; i < 3; ++i) {
    const auto committed = commit(job, 6);
    EXPECT_TRUE(committed.ok);
    EXPECT_EQ(committed.consumed, 6);
  }
}

// RUN-11: the API can be asked before.
TEST_P(Quotas, AskingAheadChangesNothing) {
  group("everyone", 10);
  EXPECT_TRUE(commit(new_workspace("a"), 6).ok);
  read([](Transaction& tx) {
    EXPECT_FALSE(check_quota(tx, kAlice, std::nullopt, 5).ok);
    EXPECT_TRUE(check_quota(tx, kAlice, std::nullopt, 4).ok);
    const auto bigger = check_quota(tx, kAlice, WorkspaceId("a"), 10);
    EXPECT_TRUE(bigger.ok);
    EXPECT_EQ(bigger.consumed, 10);
    EXPECT_EQ(bigger.previous_daily_cost, 6);
    EXPECT_FALSE(check_quota(tx, kBob, WorkspaceId("a"), 11).ok) << "what is another's does not count";
  });
  EXPECT_EQ(quota().consumed, 6);
}

// Serialization, ManyWorkspaces: as many as fit pass, however many replicas commit at once; none fails otherwise.
TEST_P(Quotas, ConcurrentCommitsNeitherExceedTheBudgetNorFail) {
  constexpr int kBuilds = 24, kFit = 10;
  group("everyone", kFit);
  std::vector<Job> jobs;
  for (int i = 0; i < kBuilds; ++i) jobs.push_back(new_workspace("w" + std::to_string(i)));
  const bool has_replicas = GetParam() == store::Dialect::postgres;
  const auto other = has_replicas ? store::open(url_) : nullptr;
  std::vector<int> passed(kBuilds);
  std::latch begin(kBuilds);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kBuilds; ++i)
      threads.emplace_back([&, i] {
        begin.arrive_and_wait();
        passed[i] = commit(has_replicas && i % 2 ? *other : *database_, jobs[i], 1).ok;
      });
  }
  EXPECT_EQ(std::ranges::count(passed, 1), kFit);
  EXPECT_EQ(quota().consumed, kFit);
}

// Serialization: what else happens to a workspace meanwhile is no conflict.
TEST_P(Quotas, OtherOwnersAndOtherChangesDoNotInterfere) {
  group("everyone", 5);
  const auto mine = new_workspace("a"), theirs = new_workspace("b", kBob);
  EXPECT_TRUE(commit(mine, 5).ok);
  EXPECT_TRUE(commit(theirs, 5).ok);
  EXPECT_EQ(quota(kBob).consumed, 5);
}

TEST_P(Quotas, GroupsAreCheckedAndSetAsAWhole) {
  const auto code_of = [&](const std::string& name, std::int64_t budget, std::vector<UserId> members) {
    return refusal_of([&](Transaction& tx) { put_group(tx, name, budget, members, kNow); }).code();
  };
  EXPECT_EQ(code_of("Bad Name", 1, {}), "VALIDATION_ERROR");
  EXPECT_EQ(code_of("a", -1, {}), "VALIDATION_ERROR");
  EXPECT_EQ(code_of("a", 1, {UserId("usr_nobody")}), "VALIDATION_ERROR");
  EXPECT_EQ(code_of("everyone", 1, {kAlice}), "VALIDATION_ERROR");
  group("a", 1, {kBob, kAlice, kBob});
  read([](Transaction& tx) { EXPECT_THAT(find_group(tx, "a")->members, ElementsAre(kAlice, kBob)); });
  group("a", 2, {kBob});
  read([](Transaction& tx) {
    EXPECT_EQ(find_group(tx, "a")->daily_budget, 2);
    EXPECT_EQ(find_group(tx, "a")->version, 2);
    EXPECT_THAT(list_groups(tx).front().members, ElementsAre(kBob));
  });
  write([](Transaction& tx) {
    EXPECT_TRUE(remove_group(tx, "a"));
    EXPECT_FALSE(remove_group(tx, "a"));
  });
  EXPECT_EQ(quota().budget, std::nullopt);
}

}  // namespace
}  // namespace slipway::fleet
