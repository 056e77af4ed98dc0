// The records of workstations and organizations, on both databases (WP-4, WP-7).

#include "fleet/workstation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/change_feed.h"
#include "fleet/organization.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
const RunId kRun{"run_1"}, kOther{"run_2"};
const Scope kEverything = Scope::everything("a test looks at all");

Workstation make(std::string id, std::optional<RunId> run = kRun) {
  return {.id = std::move(id),
          .organization_id = "acme",
          .user_id = "ada",
          .user_email = "ada@example.com",
          .tier = "starter",
          .machine_type = "e2-medium",
          .vcpus = 2,
          .memory_gb = 4,
          .boot_disk_size_gb = 50,
          .config = "projects/p/locations/l/workstationClusters/c/workstationConfigs/starter",
          .run_id = std::move(run),
          .created_at = kNow,
          .updated_at = kNow};
}

std::vector<std::string> ids(const std::vector<Workstation>& workstations) {
  std::vector<std::string> ids;
  for (const auto& workstation : workstations) ids.push_back(workstation.id);
  return ids;
}

class Workstations : public ::testing::TestWithParam<Dialect> {
 protected:
  Workstations()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {}

  void insert(const Workstation& workstation) {
    write([&](Transaction& tx) { put_workstation(tx, workstation, "sealed"); });
  }
  std::optional<Workstation> find(const std::string& id, const Scope& scope = kEverything) {
    std::optional<Workstation> found;
    read([&](Transaction& tx) { found = find_workstation(tx, scope, id); });
    return found;
  }
  // Of what `filter` finds: the page, and how many there are in all.
  std::vector<std::string> list(const WorkstationFilter& filter, const Scope& scope = kEverything) {
    std::vector<std::string> found;
    std::int64_t count = 0;
    read([&](Transaction& tx) {
      found = ids(list_workstations(tx, scope, filter));
      count = count_workstations(tx, scope, filter);
    });
    if (!filter.before && filter.offset == 0 && filter.limit == 50) EXPECT_EQ(std::size_t(count), found.size());
    return found;
  }
  std::int64_t counted(const std::string& organization = "acme") {
    std::optional<Organization> found;
    read([&](Transaction& tx) { found = find_organization(tx, kEverything, organization); });
    return found ? found->workstation_count : 0;
  }
  bool provision(const std::string& id, const RunId& run = kRun, Instant now = kNow + 1min) {
    return changes(
        [&](Transaction& tx) { return mark_provisioned(tx, id, run, "projects/p/" + id, "https://" + id, now); });
  }
  bool finish(const std::string& id, WorkstationStatus status, const RunId& run = kRun) {
    return changes([&](Transaction& tx) { return finish_workstation(tx, id, run, status, kNow + 2min); });
  }
  void take(const std::string& id, const RunId& run, WorkstationStatus status) {
    write([&](Transaction& tx) {
      auto workstation = get_workstation(tx, kEverything, id);
      take_workstation(tx, workstation, run, status, kNow + 2min);
      EXPECT_EQ(workstation.run_id, run);
    });
  }
  std::vector<std::string> told() {
    std::vector<std::string> types;
    read([&](Transaction& tx) {
      types.clear();
      for (const auto& change : all_changes_after(tx, 0, 100)) types.push_back(change.change.type);
    });
    return types;
  }
  bool changes(const std::function<bool(Transaction&)>& change) {
    bool changed = false;
    write([&](Transaction& tx) { changed = change(tx); });
    return changed;
  }
  void read(store::Work work) { database_->read_and_wait(std::move(work)); }
  void write(store::Work work) { database_->write_and_wait(std::move(work)); }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
};

INSTANTIATE_TEST_SUITE_P(OnBothDatabases, Workstations, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

// WP-4
TEST_P(Workstations, AreKeptAsTheyWereInserted) {
  const auto workstation = make("ws-1");
  insert(workstation);
  EXPECT_EQ(json::print(*find("ws-1")), json::print(workstation));
  read([&](Transaction& tx) { EXPECT_EQ(workstation_environment(tx, "ws-1"), "sealed"); });
  EXPECT_THAT(told(), ElementsAre("workstation.created"));
}

TEST_P(Workstations, ARunThatIsDoneAgainFindsItsRecordAndNoOtherRunDoes) {
  auto workstation = make("ws-1");
  insert(workstation);
  workstation.tier = "business";
  insert(workstation);
  EXPECT_EQ(find("ws-1")->tier, "business");
  EXPECT_THAT(told(), ElementsAre("workstation.created", "workstation.updated"));
  EXPECT_THROW(insert(make("ws-1", kOther)), base::Error);
}

TEST_P(Workstations, AreSeenByTheirUserAndThoseWhoSeeAll) {
  insert(make("ws-1"));
  EXPECT_TRUE(find("ws-1", Scope::owner(base::UserId("ada"))));
  EXPECT_FALSE(find("ws-1", Scope::owner(base::UserId("bob"))));
  EXPECT_THAT(list({}, Scope::owner(base::UserId("ada"))), ElementsAre("ws-1"));
  EXPECT_THAT(list({}, Scope::owner(base::UserId("bob"))), IsEmpty());
}

// WP-12
TEST_P(Workstations, AreFoundByTheirFirstIdWhenThatWasTakenInTheCloud) {
  insert(make("ws-1"));
  EXPECT_FALSE(changes([&](Transaction& tx) { return rename_workstation(tx, "ws-1", "ws-2", kOther, kNow); }));
  EXPECT_TRUE(changes([&](Transaction& tx) { return rename_workstation(tx, "ws-1", "ws-2", kRun, kNow); }));
  EXPECT_EQ(find("ws-1")->id, "ws-2");
  EXPECT_EQ(find("ws-2")->version, 2);
  insert(make("ws-1"));  // the run is done again
  EXPECT_THAT(list({}), ElementsAre("ws-2"));
}

TEST_P(Workstations, AreListedNewestFirstByWhatIsAskedFor) {
  for (int i = 1; i <= 4; ++i) {
    auto workstation = make("ws-" + std::to_string(i));
    workstation.created_at = kNow + (i / 2) * 1s;  // 2 and 3 at the same time
    if (i == 2) workstation.organization_id = "globex";
    if (i == 3) workstation.user_id = "bob";
    if (i == 4) workstation.tier = "business";
    insert(workstation);
  }
  EXPECT_TRUE(changes([&](Transaction& tx) { return set_waiting(tx, "ws-1", kRun, "quota", kNow); }));
  EXPECT_TRUE(provision("ws-2"));
  EXPECT_TRUE(finish("ws-3", WorkstationStatus::deleted));

  EXPECT_THAT(list({}), ElementsAre("ws-4", "ws-3", "ws-2", "ws-1"));
  EXPECT_THAT(list({.with_deleted = false}), ElementsAre("ws-4", "ws-2", "ws-1"));
  EXPECT_THAT(list({.status = WorkstationStatus::creating}), ElementsAre("ws-4", "ws-1"));
  EXPECT_THAT(list({.tier = "business"}), ElementsAre("ws-4"));
  EXPECT_THAT(list({.organization_id = "globex"}), ElementsAre("ws-2"));
  EXPECT_THAT(list({.user_id = "bob"}), ElementsAre("ws-3"));
  EXPECT_THAT(list({.waiting_for = "quota"}), ElementsAre("ws-1"));
  EXPECT_THAT(list({.tier = "starter", .organization_id = "acme", .user_id = "ada"}), ElementsAre("ws-1"));
  EXPECT_THAT(list({.offset = 1, .limit = 2}), ElementsAre("ws-3", "ws-2"));
  EXPECT_THAT(list({.before = kNow + 1s, .before_id = "ws-3"}), ElementsAre("ws-2", "ws-1"));
}

TEST_P(Workstations, AreCountedByTierAndState) {
  for (const auto* id : {"ws-1", "ws-2", "ws-3"}) insert(make(id));
  provision("ws-3");
  read([&](Transaction& tx) {
    std::vector<std::string> counts;
    for (const auto& each : count_by_tier(tx))
      counts.push_back(each.tier + " " + boost::describe::enum_to_string(each.status, "") + " " +
                       std::to_string(each.count));
    EXPECT_THAT(counts, ElementsAre("starter creating 2", "starter running 1"));
    EXPECT_EQ(oldest_creating(tx), kNow);
  });
}

TEST_P(Workstations, TheOldestThatIsBeingMadeIsNoneWhenNoneIs) {
  read([&](Transaction& tx) { EXPECT_EQ(oldest_creating(tx), std::nullopt); });
}

// WP-7
TEST_P(Workstations, OneThatRunsIsCountedOnceInItsOrganization) {
  insert(make("ws-1"));
  EXPECT_FALSE(provision("ws-1", kOther));
  EXPECT_EQ(counted(), 0);
  EXPECT_TRUE(provision("ws-1"));
  EXPECT_FALSE(provision("ws-1")) << "the run is done with it";
  take("ws-1", kOther, WorkstationStatus::starting);
  EXPECT_TRUE(provision("ws-1", kOther, kNow + 5min));
  EXPECT_EQ(counted(), 1);
  const auto found = find("ws-1");
  EXPECT_EQ(found->status, WorkstationStatus::running);
  EXPECT_EQ(found->gcp_workstation_id, "projects/p/ws-1");
  EXPECT_EQ(found->launch_url, "https://ws-1");
  EXPECT_EQ(found->provisioned_at, kNow + 1min) << "when it first ran";
  EXPECT_FALSE(found->run_id);
}

// WP-7
TEST_P(Workstations, OneThatIsTakenAwayIsNoLongerCountedAndOneThatNeverRanWasNot) {
  insert(make("ws-1"));
  insert(make("ws-2"));
  provision("ws-1");
  EXPECT_TRUE(finish("ws-2", WorkstationStatus::deleted));
  EXPECT_EQ(counted(), 1);
  take("ws-1", kOther, WorkstationStatus::stopping);
  EXPECT_TRUE(finish("ws-1", WorkstationStatus::stopped, kOther));
  EXPECT_EQ(counted(), 1) << "a stopped one is there";
  take("ws-1", kOther, WorkstationStatus::deleting);
  EXPECT_FALSE(finish("ws-1", WorkstationStatus::deleted));
  EXPECT_TRUE(finish("ws-1", WorkstationStatus::deleted, kOther));
  EXPECT_FALSE(finish("ws-1", WorkstationStatus::deleted, kOther));
  EXPECT_EQ(counted(), 0);
  EXPECT_EQ(told().back(), "workstation.deleted");
}

TEST_P(Workstations, OneRunAtATime) {
  insert(make("ws-1"));
  EXPECT_THROW(take("ws-1", kOther, WorkstationStatus::stopping), base::Error);
  const Problem problem{"QUOTA_EXCEEDED", "no CPUs are left"};
  EXPECT_TRUE(changes(
      [&](Transaction& tx) { return fail_workstation(tx, "ws-1", kRun, WorkstationStatus::failed, problem, kNow); }));
  EXPECT_EQ(find("ws-1")->error->code, "QUOTA_EXCEEDED");
  EXPECT_THROW(write([&](Transaction& tx) {
                 auto seen = get_workstation(tx, kEverything, "ws-1");
                 seen.version -= 1;  // somebody came between
                 take_workstation(tx, seen, kOther, WorkstationStatus::starting, kNow);
               }),
               base::Error);
  take("ws-1", kOther, WorkstationStatus::starting);
  EXPECT_FALSE(find("ws-1")->error);
}

TEST_P(Workstations, OneThatMovesIsOfTheOtherTierUnderAnotherId) {
  insert(make("ws-1"));
  const auto tiers = default_tiers();
  EXPECT_TRUE(changes([&](Transaction& tx) {
    return move_workstation(tx, "ws-1", kRun, {"ws-9", tiers[2], "configs/business"}, kNow);
  }));
  const auto found = find("ws-1");
  EXPECT_EQ(found->id, "ws-9");
  EXPECT_EQ(found->tier, tiers[2].name);
  EXPECT_EQ(found->boot_disk_size_gb, tiers[2].disk_gb);
  EXPECT_EQ(found->resource_name(), "configs/business/workstations/ws-9");
}

TEST_P(Workstations, WhatTheCloudSaysOfAnOlderRecordIsIgnored) {
  insert(make("ws-1"));
  const auto observe = [&](const Workstation& seen, WorkstationStatus status, std::optional<Problem> problem = {}) {
    return changes([&](Transaction& tx) { return observe_workstation(tx, seen, status, problem, kNow); });
  };
  EXPECT_FALSE(observe(*find("ws-1"), WorkstationStatus::stopped)) << "a run is at work";
  provision("ws-1");
  const auto seen = *find("ws-1");
  EXPECT_TRUE(observe(seen, WorkstationStatus::lost, Problem{"LOST", "is gone"}));
  EXPECT_FALSE(observe(seen, WorkstationStatus::stopped));
  const auto found = find("ws-1");
  EXPECT_EQ(found->status, WorkstationStatus::lost);
  EXPECT_EQ(found->error->code, "LOST");
  EXPECT_EQ(counted(), 1) << "only offboarding takes it out of the count";
}

// WP-22
TEST_P(Workstations, AnOrganizationsNetworkAndItsCountDoNotDisturbEachOther) {
  Organization stored;
  const auto put = [&](const Organization& organization) {
    write([&](Transaction& tx) { stored = put_organization(tx, organization, kNow + 1h); });
  };
  put({.id = "acme", .cluster = "one", .network = "n"});
  EXPECT_EQ(stored.version, 1);
  insert(make("ws-1"));
  provision("ws-1");
  put({.id = "acme", .cluster = "two", .subnetwork = "s"});
  EXPECT_EQ(stored.version, 2);
  EXPECT_EQ(stored.workstation_count, 1);
  EXPECT_EQ(stored.cluster, "two");
  EXPECT_EQ(stored.network, std::nullopt);
  EXPECT_EQ(stored.subnetwork, "s");
  EXPECT_EQ(stored.created_at, kNow + 1h);
}

TEST_P(Workstations, OrganizationsAreListedByIdForThoseWhoSeeAll) {
  write([&](Transaction& tx) {
    for (const auto* id : {"c", "a", "b"}) add_workstations(tx, id, 1, kNow);
    add_workstations(tx, "a", 2, kNow);
  });
  read([&](Transaction& tx) {
    const auto list = [&](const std::string& after, std::int64_t offset, std::int64_t limit) {
      std::string found;
      for (const auto& each : list_organizations(tx, kEverything, after, offset, limit)) found += each.id;
      return found;
    };
    EXPECT_EQ(list("", 0, 50), "abc");
    EXPECT_EQ(list("a", 0, 1), "b");
    EXPECT_EQ(list("", 1, 50), "bc");
    EXPECT_EQ(count_organizations(tx, kEverything), 3);
    EXPECT_EQ(find_organization(tx, kEverything, "a")->workstation_count, 3);
    const auto member = Scope::owner(base::UserId("ada"));
    EXPECT_THAT(list_organizations(tx, member, "", 0, 50), IsEmpty());
    EXPECT_EQ(count_organizations(tx, member), 0);
    EXPECT_FALSE(find_organization(tx, member, "a"));
  });
}

}  // namespace
}  // namespace slipway::fleet
