// Alerts as records, on both databases.

#include "fleet/alert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/change_feed.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
const base::UserId kAlice{"usr_alice"}, kBob{"usr_bob"};
const Scope kEverything = Scope::everything("a test looks at all");

class Alerts : public ::testing::TestWithParam<Dialect> {
 protected:
  Alerts()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {}

  static RaiseAlert quota(std::string workstation = "ws-1") {
    return {.kind = "workstation.quota",
            .resource_type = "workstation",
            .resource_id = std::move(workstation),
            .owner_id = kAlice.str(),
            .run_id = "run_1",
            .message = "no CPUs are left",
            .details = json::Object{{"metric", "CPUS"}}};
  }
  Alert raise(const RaiseAlert& request, base::Instant now = kNow) {
    std::optional<Alert> alert;
    write([&](Transaction& tx) { alert = raise_alert(tx, request, now); });
    return *alert;
  }
  std::optional<Alert> resolve(const std::string& workstation, base::Instant now = kNow) {
    std::optional<Alert> alert;
    write([&](Transaction& tx) {
      alert = resolve_alert(tx, "workstation.quota", "workstation", workstation, "workstation.provision", now);
    });
    return alert;
  }
  std::vector<Alert> list(const AlertFilter& filter = {}, const Scope& scope = kEverything) {
    std::vector<Alert> alerts;
    std::int64_t count = 0;
    database_->read_and_wait([&](Transaction& tx) {
      alerts = list_alerts(tx, scope, filter);
      count = count_alerts(tx, scope, filter);
    });
    if (filter.before.empty() && filter.offset == 0) EXPECT_EQ(std::size_t(count), alerts.size());
    return alerts;
  }
  std::vector<std::string> told() {
    std::vector<std::string> types;
    database_->read_and_wait([&](Transaction& tx) {
      types.clear();
      for (const auto& change : all_changes_after(tx, 0, 100)) types.push_back(change.change.type);
    });
    return types;
  }
  void write(store::Work work) { database_->write_and_wait(std::move(work)); }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
};

INSTANTIATE_TEST_SUITE_P(OnBothDatabases, Alerts, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(Alerts, WhatIsRaisedAgainIsCountedAndToldOnce) {
  const auto first = raise(quota());
  auto again = quota();
  again.message = "still none";
  again.run_id = "run_2";
  const auto second = raise(again, kNow + 1min);
  EXPECT_EQ(second.id, first.id);
  EXPECT_EQ(second.count, 2);
  EXPECT_EQ(second.message, "still none");
  EXPECT_EQ(second.run_id, "run_2");
  EXPECT_EQ(second.raised_at, kNow);
  EXPECT_EQ(second.last_raised_at, kNow + 1min);
  EXPECT_EQ(second.version, first.version);
  EXPECT_THAT(list(), SizeIs(1));
  EXPECT_THAT(told(), ElementsAre("alert.raised"));
}

TEST_P(Alerts, OneThatWasResolvedIsRaisedAnew) {
  const auto first = raise(quota());
  const auto resolved = resolve("ws-1", kNow + 1min);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->state, AlertState::resolved);
  EXPECT_EQ(resolved->resolved_by, "workstation.provision");
  EXPECT_FALSE(resolve("ws-1"));
  const auto second = raise(quota(), kNow + 2min);
  EXPECT_NE(second.id, first.id);
  EXPECT_EQ(second.count, 1);
  EXPECT_THAT(told(), ElementsAre("alert.raised", "alert.resolved", "alert.raised"));
}

TEST_P(Alerts, ResourcesAndKindsHaveAlertsOfTheirOwn) {
  raise(quota("ws-1"));
  raise(quota("ws-2"));
  auto slow = quota("ws-1");
  slow.kind = "workstation.slow";
  slow.severity = AlertSeverity::critical;
  raise(slow);
  std::vector<OpenAlerts> counts;
  database_->read_and_wait([&](Transaction& tx) { counts = count_open_alerts(tx); });
  EXPECT_THAT(counts, ElementsAre(OpenAlerts{"workstation.quota", AlertSeverity::warning, 2},
                                  OpenAlerts{"workstation.slow", AlertSeverity::critical, 1}));
}

TEST_P(Alerts, OneThatGrowsIsToldAgainAndNeedsToBeSeenAgain) {
  auto alert = raise(quota());
  write([&](Transaction& tx) { acknowledge_alert(tx, alert, "usr_bob", "on it", kNow); });
  EXPECT_EQ(raise(quota()).state, AlertState::acknowledged);
  auto worse = quota();
  worse.severity = AlertSeverity::critical;
  const auto grown = raise(worse);
  EXPECT_EQ(grown.severity, AlertSeverity::critical);
  EXPECT_EQ(grown.state, AlertState::open);
  EXPECT_FALSE(grown.acknowledged_by);
  EXPECT_EQ(grown.version, alert.version + 1);
  EXPECT_EQ(raise(quota()).severity, AlertSeverity::critical) << "it does not shrink";
  EXPECT_THAT(told(), ElementsAre("alert.raised", "alert.acknowledged", "alert.raised"));
}

TEST_P(Alerts, APersonAcknowledgesAndResolvesOnce) {
  auto alert = raise(quota());
  write([&](Transaction& tx) { acknowledge_alert(tx, alert, "usr_bob", "on it", kNow + 1s); });
  EXPECT_THROW(write([&](Transaction& tx) {
                 auto stored = get_alert(tx, kEverything, alert.id);
                 acknowledge_alert(tx, stored, "usr_bob", "", kNow);
               }),
               base::Error);
  write([&](Transaction& tx) { resolve_alert(tx, alert, "usr_bob", "done", kNow + 2s); });
  const auto stored = list().front();
  EXPECT_EQ(stored.acknowledged_at, kNow + 1s);
  EXPECT_EQ(stored.resolved_at, kNow + 2s);
  EXPECT_EQ(stored.note, "done");
  EXPECT_EQ(stored.version, 3);
  EXPECT_EQ(json::print(stored), json::print(alert));
  EXPECT_THROW(write([&](Transaction& tx) {
                 auto again = get_alert(tx, kEverything, alert.id);
                 resolve_alert(tx, again, "usr_bob", "", kNow);
               }),
               base::Error);
}

TEST_P(Alerts, AreSeenByTheirOwnerAndThoseWhoSeeAll) {
  const auto mine = raise(quota());
  raise({.kind = "message.refused", .resource_type = "subscription", .resource_id = "s", .message = "not JSON"});
  EXPECT_THAT(list({}, Scope::owner(kAlice)), SizeIs(1));
  EXPECT_THAT(list({}, Scope::owner(kBob)), IsEmpty());
  EXPECT_THAT(list(), SizeIs(2));
  database_->read_and_wait([&](Transaction& tx) {
    EXPECT_EQ(get_alert(tx, Scope::owner(kAlice), mine.id).owner_id, kAlice.str());
    try {
      get_alert(tx, Scope::owner(kBob), mine.id);
      ADD_FAILURE() << "somebody else's alert was shown";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), "NOT_FOUND");
    }
  });
}

TEST_P(Alerts, AreListedNewestFirstByWhatIsAskedFor) {
  const auto first = raise(quota("ws-1"), kNow);
  const auto second = raise(quota("ws-2"), kNow + 1s);
  resolve("ws-2");
  EXPECT_EQ(list().front().id, second.id);
  EXPECT_THAT(list({.states = {AlertState::open}}), SizeIs(1));
  EXPECT_THAT(list({.states = {AlertState::acknowledged, AlertState::resolved}}), SizeIs(1));
  EXPECT_THAT(list({.severity = AlertSeverity::critical}), IsEmpty());
  EXPECT_THAT(list({.kind = "workstation.quota", .resource_type = "workstation", .resource_id = "ws-1"}), SizeIs(1));
  EXPECT_THAT(list({.run_id = "run_2"}), IsEmpty());
  EXPECT_THAT(list({.before = second.id.str()}), SizeIs(1));
  EXPECT_THAT(list({.offset = 1, .limit = 1}), SizeIs(1));
}

TEST_P(Alerts, MessagesAreCutBetweenCharacters) {
  auto request = quota();
  request.message = std::string(kAlertMessageMax - 1, 'x') + "ü and more";
  EXPECT_EQ(raise(request).message, std::string(kAlertMessageMax - 1, 'x') + "…");
}

TEST_P(Alerts, OnlyThoseResolvedLongAgoAreForgotten) {
  raise(quota("ws-1"));
  raise(quota("ws-2"));
  raise(quota("ws-3"));
  resolve("ws-1", kNow);
  resolve("ws-2", kNow + 1h);
  std::int64_t removed = 0;
  write([&](Transaction& tx) { removed = forget_alerts(tx, kNow + 1min); });
  EXPECT_EQ(removed, 1);
  EXPECT_THAT(list(), SizeIs(2));
}

TEST_P(Alerts, OnCallIsToldOnceOfWhatIsNotResolved) {
  const auto first = raise(quota("ws-1"));
  raise(quota("ws-2"));
  resolve("ws-2");
  std::vector<Alert> to_tell;
  const auto look = [&](Transaction& tx) { to_tell = alerts_to_notify(tx, 10); };
  database_->read_and_wait(look);
  ASSERT_THAT(to_tell, SizeIs(1));
  EXPECT_EQ(to_tell.front().id, first.id);
  write([&](Transaction& tx) { set_alert_notified(tx, first.id, kNow); });
  raise(quota("ws-1"));
  database_->read_and_wait(look);
  EXPECT_THAT(to_tell, IsEmpty());
}

}  // namespace
}  // namespace slipway::fleet
