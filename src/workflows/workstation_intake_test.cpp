// From a delivered message to a durable run, or to a refusal that is kept, told and never tried again (WP-1).

#include "workflows/workstation_intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "durable/context.h"
#include "durable/journal.h"
#include "fleet/alert.h"
#include "google/testing/fake_pubsub.h"
#include "net/event_loop.h"
#include "net/testing/loop.h"
#include "store/testing/temporary_database.h"
#include "workflows/message_dead_letter.h"

namespace slipway::workflows {
namespace {

using namespace std::chrono_literals;
using google::testing::FakePubsub;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kGood = R"({"user_id":"u-1","org_id":"acme","tier":"starter","user_email":"ann@example.com"})";
const std::string kSubscription = "projects/demo/subscriptions/workstation-provisioning-sub";
const std::string kDeadLetters = "projects/demo/topics/dead-letters";

// Writes that fail as the test says; what the engine writes goes past it.
class TroubledDatabase final : public store::Database {
 public:
  explicit TroubledDatabase(store::Database& inner) : inner_(inner) {}
  void write(store::Work work, store::Done done) override {
    ++writes;
    if (failures > 0) {
      --failures;
      done(std::make_exception_ptr(failure));
      return;
    }
    inner_.write(std::move(work), std::move(done));
  }
  void read(store::Work work, store::Done done) override { inner_.read(std::move(work), std::move(done)); }
  void add_ending(std::string name, store::Ending ending) override {
    inner_.add_ending(std::move(name), std::move(ending));
  }
  store::Dialect dialect() const override { return inner_.dialect(); }
  Statistics statistics() const override { return inner_.statistics(); }

  std::atomic<int> failures = 0, writes = 0;
  base::Error failure{base::ErrorClass::transient, "STORE_UNAVAILABLE", "away for a while"};

 private:
  store::Database& inner_;
};

class Provision {
 public:
  static constexpr std::string_view kType = kProvisionType;
  static std::vector<std::string> outline() { return {"receive"}; }
  durable::Run<> operator()(durable::Context& run, ProvisionRequest) const {
    co_await run.compute("receive", [] { return 1; });
  }
};

class Intake : public ::testing::Test {
 protected:
  Intake() {
    loop_.call([this] {
      engine_ = std::make_unique<durable::Engine>(*database_, events_, workers_, clock_, random_, ids_,
                                                  durable::EngineOptions{.lease = {.name = "test", .sole = true}});
      engine_->add(durable::make_workflow<ProvisionRequest, void>(std::make_shared<const Provision>()));
      engine_->add(durable::make_workflow<DeadLetterRequest, DeadLetter>(
          std::make_shared<const MessageDeadLetter>(*database_, publisher_)));
      engine_->observe([this](const durable::RunRecord& run, const durable::RunState& state, const auto&) {
        if (state.is_final()) {
          const std::lock_guard lock(mutex_);
          ended_.insert(run.id.str());
          changed_.notify_all();
        }
      });
    });
    make_intake({});
  }
  ~Intake() override {
    puller_.reset();
    loop_.call([this] {
      intake_.reset();
      engine_->shut_down();
      engine_.reset();
    });
    loop_.stop();
  }

  void make_intake(IntakeSettings settings) {
    settings.retry_first = 1ms;
    settings.retry_max = 2ms;
    loop_.call([&] {
      intake_ = std::make_unique<WorkstationIntake>(
          WorkstationIntake::Parts{troubled_, *engine_, events_, clock_, ids_, random_, tiers_, metrics_, log_},
          settings);
    });
  }
  void join() {
    std::promise<void> joined;
    loop_.call([&] {
      engine_->join([&](std::exception_ptr failure) {
        EXPECT_FALSE(failure);
        joined.set_value();
      });
    });
    joined.get_future().get();
  }

  static google::PubsubMessage message(std::string id, std::string data = kGood) {
    return {.data = std::move(data),
            .attributes = {{"origin", "checkout"}},
            .ordering_key = {},
            .id = std::move(id),
            .published_at = base::from_unix_ms(1'700'000'000'000)};
  }
  // The code of its failure, or "".
  std::string take(const google::PubsubMessage& message) {
    std::promise<std::exception_ptr> taken;
    loop_.call(
        [&] { intake_->take(kSubscription, message, [&](std::exception_ptr failure) { taken.set_value(failure); }); });
    const auto failure = taken.get_future().get();
    return failure ? base::as_error(failure).code() : "";
  }
  void start_pulling() {
    puller_ = std::make_unique<google::PubsubPuller>(
        pubsub_,
        google::PullerSettings{
            .subscription = kSubscription, .answer_delay = 1ms, .backoff_first = 1ms, .backoff_max = 2ms},
        intake_->handler(kSubscription), random_, metrics_, log_);
    puller_->start();
  }

  fleet::ReceivedMessage row(const std::string& message_id) {
    std::optional<fleet::ReceivedMessage> found;
    database_->read_and_wait([&](Transaction& tx) { found = fleet::find_message(tx, kSubscription, message_id); });
    return found.value();
  }
  std::int64_t runs(std::string_view type = kProvisionType) {
    std::int64_t count = 0;
    database_->read_and_wait([&](Transaction& tx) {
      count = tx.query("SELECT COUNT(*) FROM runs WHERE type = $1", {type}).front().integer(0);
    });
    return count;
  }
  void await_end(const base::RunId& run) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_.contains(run.str()); });
  }
  std::vector<fleet::Alert> alerts() {
    std::vector<fleet::Alert> found;
    database_->read_and_wait(
        [&](Transaction& tx) { found = fleet::list_alerts(tx, fleet::Scope::everything("a test"), {}); });
    return found;
  }

  store::testing::TemporaryFolder folder_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  base::IdGenerator ids_{clock_, random_};
  observe::Registry metrics_;
  observe::Logger log_ = observe::silent_logger();
  fleet::Tiers tiers_;
  FakePubsub pubsub_, dead_letters_;
  google::PubsubPublisher publisher_{dead_letters_, metrics_, {.delay = 1ms}};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> ended_;
  net::testing::LoopThread loop_;
  net::AsioLoop events_{loop_.io(), clock_};
  // It answers on the loop, to its last write: it ends before that does.
  std::unique_ptr<store::Database> database_ = store::open((folder_.path() / "slipway.db").string());
  TroubledDatabase troubled_{*database_};
  net::WorkerPool workers_{1};
  std::unique_ptr<durable::Engine> engine_;
  std::unique_ptr<WorkstationIntake> intake_;
  std::unique_ptr<google::PubsubPuller> puller_;
};

TEST_F(Intake, WP01_AMessageBecomesADurableRun) {
  join();
  EXPECT_EQ(take(message("1")), "");
  const auto stored = row("1");
  EXPECT_EQ(stored.outcome, fleet::MessageOutcome::accepted);
  ASSERT_TRUE(stored.run_id);
  await_end(*stored.run_id);
  database_->read_and_wait([&](Transaction& tx) {
    const auto run = durable::journal::find(tx, *stored.run_id).value().record;
    EXPECT_EQ(run.type, kProvisionType);
    const auto input = json::from_value<ProvisionRequest>(run.input, json::Mode::lenient);
    EXPECT_EQ(input.user_id, "u-1");
    EXPECT_EQ(input.organization_id, "acme");
    EXPECT_EQ(input.source.message_id, "1");
    EXPECT_EQ(input.source.remote, kSubscription);
    EXPECT_EQ(run.resource_id, input.workstation_id);
  });
}

TEST_F(Intake, WP01_ARedeliveryFindsTheRunAndStartsNothing) {
  join();
  EXPECT_EQ(take(message("1")), "");
  const auto first = row("1");
  EXPECT_EQ(take(message("1")), "");
  EXPECT_EQ(take(message("1", "changed on its way")), "");
  EXPECT_EQ(row("1").run_id, first.run_id);
  EXPECT_EQ(row("1").deliveries, 3);
  EXPECT_EQ(runs(), 1);
  EXPECT_THAT(alerts(), IsEmpty());
}

TEST_F(Intake, WP01_DeliveriesAtTheSameTimeStartOneRun) {
  join();
  std::promise<void> all;
  std::atomic<int> left = 50;
  loop_.call([&] {
    for (int i = 0; i < 50; ++i)
      intake_->take(kSubscription, message(std::to_string(i % 5)), [&](std::exception_ptr failure) {
        EXPECT_FALSE(failure);
        if (--left == 0) all.set_value();
      });
  });
  all.get_future().get();
  EXPECT_EQ(runs(), 5);
  EXPECT_EQ(row("3").deliveries, 10);
}

TEST_F(Intake, WP01_WhatCanNeverWorkIsKeptToldAndNotTriedAgain) {
  join();
  EXPECT_EQ(take(message("1", "{")), "");
  EXPECT_EQ(take(message("1", "{")), "");
  EXPECT_EQ(take(message("2", R"({"user_id":"u"})")), "");
  EXPECT_EQ(runs(), 0);
  const auto stored = row("1");
  EXPECT_EQ(stored.outcome, fleet::MessageOutcome::refused);
  EXPECT_EQ(stored.refusal->reason, "not_json");
  EXPECT_EQ(stored.data, "{");
  EXPECT_EQ(stored.attributes.at("origin"), "checkout");
  EXPECT_FALSE(stored.dead_letter_run_id);
  const auto told = alerts();
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].kind, kRefusedAlert);
  EXPECT_EQ(told[0].resource_id, kSubscription);
  EXPECT_EQ(told[0].count, 2);  // of two messages, each told once
  EXPECT_THAT(told[0].message, HasSubstr(row("2").id.str()));
  EXPECT_THAT(metrics_.expose(), HasSubstr("slipway_messages_refused_total{reason=\"not_json\"} 1"));
  EXPECT_THAT(metrics_.expose(), HasSubstr("slipway_messages_refused_total{reason=\"unknown_tier\"} 0"));
  EXPECT_THAT(metrics_.expose(), HasSubstr("slipway_messages_received_total{outcome=\"duplicate\"} 1"));
}

TEST_F(Intake, WP01_ARefusedMessageGoesToTheDeadLetterTopicOnce) {
  make_intake({.dead_letter_topic = kDeadLetters});
  join();
  EXPECT_EQ(take(message("1", "{")), "");
  EXPECT_EQ(take(message("1", "{")), "");
  await_end(row("1").dead_letter_run_id.value());
  EXPECT_THAT(dead_letters_.published, ElementsAre(ElementsAre("{")));
  EXPECT_EQ(row("1").dead_letter_message_id, "1");
  EXPECT_EQ(runs(MessageDeadLetter::kType), 1);
}

TEST_F(Intake, ADeadLetterTellsWhereItCameFromAndWhy) {
  join();
  take(message("7", "{"));
  auto stored = row("7");
  for (int i = 0; i < 200; ++i) stored.attributes["a" + std::to_string(i)] = "x";
  stored.refusal->explanation = std::string(2'000, 'x');
  const auto letter = dead_letter_of(stored);
  EXPECT_EQ(letter.data, "{");
  EXPECT_EQ(letter.attributes.at("CloudPubSubDeadLetterSourceSubscription"), kSubscription);
  EXPECT_EQ(letter.attributes.at("slipwaySourceMessageId"), "7");
  EXPECT_EQ(letter.attributes.at("slipwayReason"), "not_json");
  EXPECT_THAT(letter.attributes, SizeIs(100));
  for (const auto& [name, value] : letter.attributes) EXPECT_LE(value.size(), 1'024u);
}

TEST_F(Intake, BytesThatAreNoTextAreKept) {
  join();
  auto odd = message("1", std::string("\0\xff", 2));
  odd.attributes["zero"] = std::string("a\0b", 3);
  odd.ordering_key = std::string("k\0", 2);
  EXPECT_EQ(take(odd), "");
  EXPECT_EQ(row("1").data, odd.data);
  EXPECT_EQ(row("1").attributes, odd.attributes);
}

TEST_F(Intake, OneWithoutAnIdIsKnownByItsContent) {
  join();
  EXPECT_EQ(take(message("")), "");
  EXPECT_EQ(take(message("")), "");
  EXPECT_EQ(runs(), 1);
}

TEST_F(Intake, WP01_NothingIsTakenWithoutALease) {
  EXPECT_EQ(take(message("1")), "REPLICA_FENCED");
  EXPECT_EQ(runs(), 0);
  join();
  EXPECT_EQ(take(message("1")), "");
  EXPECT_EQ(row("1").deliveries, 1);
}

TEST_F(Intake, WP01_ADeliveryIsHeldUntilThereIsALease) {
  start_pulling();
  pubsub_.deliver(kGood);
  while (troubled_.writes < 3) std::this_thread::yield();  // tried again and again
  EXPECT_THAT(pubsub_.acked, IsEmpty());
  join();
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
  EXPECT_EQ(runs(), 1);
  EXPECT_THAT(pubsub_.nacked, IsEmpty());
}

TEST_F(Intake, WP01_ADeliveryIsAcknowledgedOnlyAfterTheRunIsDurable) {
  join();
  troubled_.failures = 5;
  start_pulling();
  for (const auto* data : {"{", kGood.c_str()}) pubsub_.deliver(data);
  pubsub_.await([this] { return pubsub_.acked.size() == 2; });
  EXPECT_EQ(runs(), 1);
  EXPECT_GE(troubled_.writes, 7);
}

TEST_F(Intake, WP01_OneThatCannotBeStoredDoesNotHoldUpThoseBehind) {
  join();
  troubled_.failure = base::internal_error("this one is beyond us");
  troubled_.failures = 1;
  start_pulling();
  pubsub_.deliver(kGood);
  pubsub_.await([this] { return pubsub_.extended.size() == 1; });  // given back, to come after a while
  pubsub_.deliver(kGood);
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
}

TEST_F(Intake, WP01_WhatIsNotDurableAtTheEndIsGivenBack) {
  troubled_.failures = 1'000'000;
  join();
  start_pulling();
  pubsub_.deliver(kGood);
  while (troubled_.writes < 2) std::this_thread::yield();
  loop_.call([this] { intake_->stop(); });
  puller_->stop();
  EXPECT_THAT(pubsub_.acked, IsEmpty());
  EXPECT_THAT(pubsub_.nacked, ElementsAre(kGood));
}

}  // namespace
}  // namespace slipway::workflows
