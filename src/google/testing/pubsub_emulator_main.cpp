// Our client, publisher and puller against Google's own emulator (WP-1, WP-9).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "google/pubsub_client.h"
#include "google/pubsub_publisher.h"
#include "google/pubsub_puller.h"
#include "google/testing/pubsub_emulator.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::PubsubEmulator;
using ::testing::SizeIs;

// What a puller gave, and what is to be done with it.
class Inbox {
 public:
  PubsubPuller::Handler keep() {
    return [this](Delivery delivery) {
      const std::lock_guard lock(mutex_);
      seen_.insert(delivery.message().data);
      ++deliveries_;
      kept_.push_back(std::move(delivery));
      changed_.notify_all();
    };
  }
  PubsubPuller::Handler ack() {
    return [this](Delivery delivery) {
      delivery.ack();
      const std::lock_guard lock(mutex_);
      seen_.insert(delivery.message().data);
      ++deliveries_;
      changed_.notify_all();
    };
  }
  void await_seen(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return seen_.size() >= count; });
  }
  void await_deliveries(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return deliveries_ >= count; });
  }
  std::size_t deliveries() {
    const std::lock_guard lock(mutex_);
    return deliveries_;
  }
  std::vector<Delivery> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(kept_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> seen_;
  std::size_t deliveries_ = 0;
  std::vector<Delivery> kept_;
};

class OnEmulator : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (PubsubEmulator::is_installed()) emulator_ = std::make_unique<PubsubEmulator>();
  }
  static void TearDownTestSuite() { emulator_.reset(); }

  void SetUp() override {
    if (!emulator_) GTEST_SKIP() << "the Pub/Sub emulator is not there: tools/install-packages --test";
    // Each test has names of its own.
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    topic_ = topic_name("topic", "demo-project", "t-" + name);
    subscription_ = subscription_name("subscription", "demo-project", "s-" + name);
    ASSERT_TRUE(client_.create_topic(topic_));
    ASSERT_TRUE(client_.create_subscription(subscription_, {.topic = topic_, .ack_deadline = kAckDeadlineMin}));
  }

  std::unique_ptr<PubsubPuller> start(PubsubPuller::Handler handler, PullerSettings settings = {}) {
    settings.subscription = subscription_;
    auto puller = std::make_unique<PubsubPuller>(client_, settings, std::move(handler), random_, metrics_, log_);
    puller->start();
    return puller;
  }
  void publish(const std::vector<std::string>& data) {
    std::vector<PubsubMessage> messages;
    for (const auto& one : data) messages.push_back({.data = one});
    client_.publish(topic_, messages);
  }
  double counted(const std::string& name) {
    const auto text = metrics_.expose();
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::stod(text.substr(at + name.size() + 2));
  }

  static std::unique_ptr<PubsubEmulator> emulator_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  observe::Registry metrics_;
  observe::Logger log_ = observe::silent_logger();
  net::HttpClient http_;
  std::unique_ptr<TokenSource> tokens_ = make_no_credentials();
  ApiClient api_{http_, *tokens_, clock_, metrics_};
  PubsubClient client_{api_, emulator_ ? emulator_->url() : "http://127.0.0.1:9"};
  std::string topic_, subscription_;
};
std::unique_ptr<PubsubEmulator> OnEmulator::emulator_;

TEST_F(OnEmulator, WhatIsThereIsFoundAndNotMadeTwice) {
  EXPECT_FALSE(client_.create_topic(topic_));
  EXPECT_FALSE(client_.create_subscription(subscription_, {.topic = topic_}));
  EXPECT_TRUE(client_.has_topic(topic_));
  EXPECT_FALSE(client_.has_topic(topic_ + "-other"));
  EXPECT_EQ(client_.find_subscription_topic(subscription_), topic_);
  EXPECT_EQ(client_.find_subscription_topic(subscription_ + "-other"), std::nullopt);
}

TEST_F(OnEmulator, AMessageComesAsItWasPublished) {
  const PubsubMessage sent{
      .data = std::string("\0\xff{", 3), .attributes = {{"origin", "checköut"}}, .ordering_key = "acme"};
  const auto ids = client_.publish(topic_, std::span(&sent, 1));
  const auto pulled = client_.pull(subscription_, 10, PullWait::usual);
  ASSERT_THAT(pulled, SizeIs(1));
  EXPECT_EQ(pulled[0].message.data, sent.data);
  EXPECT_EQ(pulled[0].message.attributes, sent.attributes);
  EXPECT_EQ(pulled[0].message.ordering_key, "acme");
  EXPECT_THAT(ids, ElementsAre(pulled[0].message.id));
  EXPECT_TRUE(pulled[0].message.published_at);
  const std::vector<std::string> ack{pulled[0].ack_id};
  client_.acknowledge(subscription_, ack);
}

TEST_F(OnEmulator, AStopEndsAPullThatWaits) {
  std::stop_source stop;
  auto waiting =
      std::async(std::launch::async, [&] { return client_.pull(subscription_, 1, PullWait::usual, stop.get_token()); });
  stop.request_stop();
  EXPECT_THROW(waiting.get(), base::Error);
}

TEST_F(OnEmulator, WP09_ManyCallersPublishInFewRequests) {
  PubsubPublisher publisher(client_, metrics_, {.delay = 20ms});
  std::vector<std::jthread> callers;
  std::mutex mutex;
  std::set<std::string> ids;
  for (int caller = 0; caller < 40; ++caller)
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 5; ++i) {
        const auto id = publisher.publish(topic_, {.data = std::to_string(caller) + "-" + std::to_string(i)});
        const std::lock_guard lock(mutex);
        ids.insert(id);
      }
    });
  callers.clear();
  EXPECT_THAT(ids, SizeIs(200));
  EXPECT_LT(counted("slipway_pubsub_publish_requests_total"), 100);
  Inbox inbox;
  const auto puller = start(inbox.ack());
  inbox.await_seen(200);
}

TEST_F(OnEmulator, WP01_AThousandMessagesAreEachSeenAndAcknowledged) {
  std::vector<std::string> data;
  for (int i = 0; i < 1'000; ++i) data.push_back(std::to_string(i));
  publish(data);
  Inbox inbox;
  auto puller = start(inbox.ack(), {.messages_max = 100});
  inbox.await_seen(1'000);
  puller->stop();
  EXPECT_EQ(counted("slipway_pubsub_lost_answers_total"), 0);
  EXPECT_GE(counted("slipway_pubsub_acked_total"), 1'000);
}

TEST_F(OnEmulator, WP01_WhatIsGivenBackComesAgain) {
  publish({"a"});
  Inbox inbox;
  const auto puller = start(inbox.keep());
  inbox.await_deliveries(1);
  for (auto& delivery : inbox.take()) delivery.nack();
  inbox.await_deliveries(2);
  for (auto& delivery : inbox.take()) delivery.ack();
}

TEST_F(OnEmulator, WP01_WhatAPullerHeldAtItsEndIsAnothersAtOnce) {
  publish({"a", "b", "c"});
  Inbox first, second;
  auto puller = start(first.keep());
  first.await_seen(3);
  puller->stop();
  const auto other = start(second.ack());
  second.await_seen(3);
}

// The subscription gives ten seconds; the third extension comes after that.
TEST_F(OnEmulator, WP01_ASlowHandlerKeepsItsMessage) {
  publish({"slow"});
  Inbox inbox;
  auto puller = start(inbox.keep(), {.first_look = 4s, .lease = 10s});
  inbox.await_deliveries(1);
  while (counted("slipway_pubsub_extended_total") < 3) std::this_thread::sleep_for(50ms);
  for (auto& delivery : inbox.take()) delivery.ack();
  puller->stop();
  EXPECT_EQ(inbox.deliveries(), 1u);
  publish({"last"});
  EXPECT_THAT(client_.pull(subscription_, 10, PullWait::usual),
              ElementsAre(::testing::Field(&PulledMessage::message, ::testing::Field(&PubsubMessage::data, "last"))));
}

}  // namespace
}  // namespace slipway::google
