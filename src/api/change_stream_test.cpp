// Who gets which change, and that a slow reader costs the others nothing.

#include "api/change_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/event_loop.h"
#include "observe/log.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::api {
namespace {

using base::UserId;
using fleet::Scope;
using store::Dialect;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

const UserId kAlice{"usr_alice"}, kBob{"usr_bob"};

class ChangeStreamTest : public ::testing::TestWithParam<Dialect> {
 protected:
  ChangeStreamTest()
      : url_(GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                           : store::testing::PostgresCluster::shared().create_database()),
        database_(store::open(url_)),
        stream_(io_, *database_, log_) {}

  // The test's body, with the stream running beside it.
  void play(net::Awaitable<void> body) {
    tasks_.spawn(stream_.run());
    tasks_.spawn([](ChangeStreamTest& self, net::Awaitable<void> test) -> net::Awaitable<void> {
      co_await self.stream_.wait_until_begun();
      co_await std::move(test);
      self.stream_.stop();
    }(*this, std::move(body)));
    io_.run();
  }

  static void record(store::Database& database, const UserId& owner, const std::string& type, const std::string& what,
                     int times = 1) {
    database.write_and_wait([&](store::Transaction& tx) {
      for (int i = 0; i < times; ++i)
        fleet::record_change(tx, owner, type, what, base::from_unix_ms(1'700'000'000'000),
                             json::Object{{"id", what}, {"resourceId", "wks_1"}});
    });
  }
  void record(const UserId& owner, const std::string& type, const std::string& what, int times = 1) {
    record(*database_, owner, type, what, times);
    stream_.look();
  }

  using SubscriptionPtr = std::shared_ptr<ChangeStream::Subscription>;
  static std::vector<std::string> take(const SubscriptionPtr& subscription) {
    std::vector<std::string> types;
    for (const auto& news : std::exchange(subscription->waiting, {})) types.push_back(news->change().type);
    return types;
  }
  // Until the subscription has had so many.
  static net::Awaitable<std::vector<std::string>> take(SubscriptionPtr subscription, std::size_t count) {
    std::vector<std::string> types;
    while (types.size() < count) {
      for (auto& type : take(subscription)) types.push_back(std::move(type));
      if (types.size() < count) co_await subscription->arrived.wait();
    }
    co_return types;
  }

  store::testing::TemporaryFolder folder_;
  std::string url_;
  std::unique_ptr<store::Database> database_;
  base::SystemClock clock_;
  observe::Logger log_{{.level = observe::Level::error, .format = observe::LogFormat::text, .file = {}}, clock_};
  net::IoContext io_{1};
  net::TaskGroup tasks_{io_, [](std::exception_ptr) { std::terminate(); }};
  ChangeStream stream_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, ChangeStreamTest, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, ChangeStreamTest, ::testing::Values(Dialect::postgres));

TEST_P(ChangeStreamTest, EachGetsWhatItsScopeAndFilterLetThrough) {
  const auto body = [this]() -> net::Awaitable<void> {
    const auto all = stream_.subscribe(Scope::everything("the test looks at all"));
    const auto bobs = stream_.subscribe(Scope::owner(kBob));
    const auto runs = stream_.subscribe(Scope::owner(kAlice), {.types = {"run.*"}, .resource_id = ""});
    const auto about = stream_.subscribe(Scope::owner(kAlice), {.types = {}, .resource_id = "wks_1"});
    record(kAlice, "workspace.created", "wks_1");
    record(kAlice, "run.started", "run_1");
    record(kBob, "workspace.created", "wks_2");
    record(kAlice, "step.completed", "run_1");  // only for who asks for steps
    record(kAlice, "run.completed", "run_1");
    EXPECT_THAT(co_await take(all, 4),
                ElementsAre("workspace.created", "run.started", "workspace.created", "run.completed"));
    EXPECT_THAT(take(bobs), ElementsAre("workspace.created"));
    EXPECT_THAT(take(runs), ElementsAre("run.started", "run.completed"));
    EXPECT_THAT(take(about), ElementsAre("workspace.created", "run.started", "run.completed"));
    EXPECT_EQ(stream_.subscribers(), 4u);
  };
  play(body());
  EXPECT_EQ(stream_.subscribers(), 0u);
}

// WF-44
TEST_P(ChangeStreamTest, ASlowReaderIsToldToCatchUpAndHoldsUpNobody) {
  const auto body = [this]() -> net::Awaitable<void> {
    const auto slow = stream_.subscribe(Scope::owner(kAlice));
    const auto quick = stream_.subscribe(Scope::owner(kAlice));
    for (int i = 0; i < 4; ++i) {
      record(kAlice, "run.started", "run_1", 400);
      EXPECT_EQ((co_await take(quick, 400)).size(), 400u);
    }
    EXPECT_FALSE(quick->lagging);
    EXPECT_TRUE(slow->lagging);
    EXPECT_TRUE(slow->waiting.empty());
    EXPECT_EQ(stream_.position(), 1'600);  // from where it can go back to the feed
  };
  play(body());
}

// What another replica writes; PostgreSQL rings for it, and the embedded database has but one.
TEST_P(ChangeStreamTest, ChangesOfOthersAreFound) {
  const auto body = [this]() -> net::Awaitable<void> {
    const auto subscription = stream_.subscribe(Scope::owner(kAlice));
    record(*database_, kAlice, "run.started", "run_1");
    database_->ring("slipway_changes", "news");
    EXPECT_THAT(co_await take(subscription, 1), ElementsAre("run.started"));
  };
  play(body());
}

TEST(News, IsACloudEventWhoseSubjectIsWhatItIsAbout) {
  const News news({"usr_alice",
                   {.seq = 7,
                    .type = "run.failed",
                    .resource_id = "run_1",
                    .at = base::from_unix_ms(1'700'000'000'000),
                    .data = json::Object{{"id", "run_1"}, {"type", "t"}, {"resourceId", "wks_1"}}}});
  EXPECT_EQ(news.to_cloud_event(),
            R"({"specversion":"1.0","id":"7","source":"/v1/events","type":"run.failed","subject":"run_1",)"
            R"("time":"2023-11-14T22:13:20.000Z","datacontenttype":"application/json",)"
            R"("data":{"id":"run_1","type":"t","resourceId":"wks_1"}})");
  EXPECT_THAT(news.frame(EventFormat::plain), ::testing::StartsWith("id: 7\nevent: run\ndata: {\"seq\":7,"));
  EXPECT_THAT(news.frame(EventFormat::cloud_event), ::testing::StartsWith("id: 7\nevent: run.failed\ndata: {"));
}

}  // namespace
}  // namespace slipway::api
