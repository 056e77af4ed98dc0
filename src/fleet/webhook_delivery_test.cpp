// What is asked about deliveries is found by an index, however many there are (WF-12). On both databases.

#include "fleet/webhook_delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fleet/identity.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Parameter;
using store::Transaction;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
constexpr std::int64_t kDeliveries = 6'000;

// Notes how the database goes about each query.
class Explained final : public Transaction {
 public:
  explicit Explained(Transaction& inner) : inner_(inner) {}
  using Transaction::query;
  store::Rows query(std::string_view sql, std::span<const Parameter> parameters) override {
    const bool is_sqlite = dialect() == Dialect::sqlite;
    const auto explain = (is_sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ") + std::string(sql);
    for (const auto& row : inner_.query(explain, parameters)) plan += row.text(is_sqlite ? 3 : 0) + "\n";
    return inner_.query(sql, parameters);
  }
  std::int64_t execute(std::string_view sql, std::span<const Parameter> parameters) override {
    return inner_.execute(sql, parameters);
  }
  void execute_many(std::string_view sql, std::size_t columns, std::span<const Parameter> parameters) override {
    inner_.execute_many(sql, columns, parameters);
  }
  Dialect dialect() const override { return inner_.dialect(); }

  std::string plan;

 private:
  Transaction& inner_;
};

class SetClock final : public base::Clock {
 public:
  base::Instant now() const override { return at; }
  base::Instant at = kNow;
};

// Two endpoints, with a delivery in each second for the one and the other in turn, all of them delivered.
class Deliveries : public ::testing::TestWithParam<Dialect> {
 protected:
  Deliveries()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    write([this](Transaction& tx) {
      insert_user(tx, {owner_, "alice", Role::member, kNow});
      for (const auto& id : {mine_, other_}) {
        Webhook webhook{.id = id, .owner_id = owner_, .definition = {.url = "https://example.com/"}};
        insert_webhook(tx, webhook, "sealed");
      }
      for (const auto& id : {mine_, other_}) fill(tx, id);
      tx.execute("UPDATE webhook_deliveries SET status = 'delivered', due_at = NULL, ended_at = created_at");
    });
    if (GetParam() == Dialect::postgres) write([](Transaction& tx) { tx.execute("ANALYZE webhook_deliveries"); });
  }

  void fill(Transaction& tx, const WebhookId& id) {
    std::vector<Delivery> made;
    for (std::int64_t i = 0; i < kDeliveries / 2; ++i) {
      clock_.at = kNow + std::chrono::seconds(i);
      made.push_back({.id = ids_.make<DeliveryId>(),
                      .endpoint_id = id,
                      .place = i + 1,
                      .event_type = i % 100 == 0 ? "run.failed" : "run.completed",
                      .resource = "run/" + std::to_string(i),
                      .content_type = "application/json",
                      .body = "{}",
                      .created_at = clock_.at});
    }
    insert_deliveries(tx, made, false, kNow);
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  // How it was found, and what.
  template <class F>
  std::string plan_of(F look) {
    std::string plan;
    database_->read_and_wait([&](Transaction& tx) {
      Explained explained(tx);
      look(explained);
      plan = explained.plan;
    });
    return plan;
  }

  const base::UserId owner_{"usr_alice"};
  const WebhookId mine_{"whe_1"}, other_{"whe_2"};
  SetClock clock_;
  base::SystemRandom random_;
  base::IdGenerator ids_{clock_, random_};
  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
};
INSTANTIATE_TEST_SUITE_P(On, Deliveries, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(Deliveries, ThoseBeingSentAreCountedByTheIndexOfClaims) {
  write([this](Transaction& tx) {
    tx.execute("UPDATE webhook_deliveries SET status = 'pending', claimed_until = $1 WHERE place <= 3", {kNow});
    tx.execute(
        "UPDATE webhook_deliveries SET status = 'pending', claimed_until = $1 WHERE place = 4 "
        "AND endpoint_id = $2",
        {kNow, other_.str()});
  });
  UnderWay counts;
  const auto plan = plan_of([&](Transaction& tx) { counts = deliveries_under_way(tx); });
  EXPECT_THAT(plan, HasSubstr("webhook_deliveries_claimed"));
  EXPECT_EQ(counts.to_owner, (std::map<std::string, std::int64_t>{{owner_.str(), 7}}));
  EXPECT_EQ(counts.to_endpoint, (std::map<std::string, std::int64_t>{{mine_.str(), 3}, {other_.str(), 4}}));
}

TEST_P(Deliveries, AStatusThatHardlyAnyHasIsFoundByItsIndex) {
  write([this](Transaction& tx) {
    tx.execute("UPDATE webhook_deliveries SET status = 'failed' WHERE endpoint_id = $1 AND place IN (5, 7)",
               {mine_.str()});
  });
  std::vector<Delivery> found;
  DeliveryCount count;
  const auto plan = plan_of([&](Transaction& tx) {
    const DeliveryFilter filter{.status = DeliveryStatus::failed, .event_type = {}, .since = {}, .before = ""};
    found = list_deliveries(tx, mine_, filter);
    count = count_deliveries(tx, mine_, filter);
  });
  EXPECT_THAT(plan, HasSubstr("webhook_deliveries_by_status"));
  EXPECT_THAT(plan, Not(HasSubstr("webhook_deliveries_by_endpoint")));
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].place, 7);
  EXPECT_EQ(count.count, 2);
}

TEST_P(Deliveries, AFewOfManyTypesAreFoundByTheIndexOfTypes) {
  std::vector<Delivery> found;
  DeliveryCount count;
  DeliveryFilter filter{
      .status = DeliveryStatus::delivered, .event_type = "run.failed", .since = {}, .before = "", .limit = 5};
  const auto plan = plan_of([&](Transaction& tx) {
    found = list_deliveries(tx, mine_, filter);
    filter.before = found.back().id.str();
    found = list_deliveries(tx, mine_, filter);
    count = count_deliveries(tx, mine_, filter);
  });
  EXPECT_THAT(plan, HasSubstr("webhook_deliveries_by_type"));
  ASSERT_THAT(found, SizeIs(5));
  EXPECT_EQ(found[0].place, kDeliveries / 2 - 99 - 500);
  EXPECT_EQ(count.count, kDeliveries / 200);
}

// Nobody's older deliveries are looked at to find that there are no more of the last seconds
TEST_P(Deliveries, ATimeBoundsHowFarBackIsLooked) {
  std::vector<Delivery> found;
  DeliveryCount count;
  const auto last = kNow + std::chrono::seconds(kDeliveries / 2 - 1);
  const auto plan = plan_of([&](Transaction& tx) {
    const DeliveryFilter filter{.status = {}, .event_type = {}, .since = last - std::chrono::seconds(2), .before = ""};
    found = list_deliveries(tx, mine_, filter);
    count = count_deliveries(tx, mine_, filter);
  });
  EXPECT_THAT(plan, ::testing::AnyOf(HasSubstr("id>?"), HasSubstr("id >= 'whd_")));
  EXPECT_THAT(found, SizeIs(3));
  EXPECT_EQ(count.count, 3);
}

}  // namespace
}  // namespace slipway::fleet
