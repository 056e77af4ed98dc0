// Publishing in batches, and the pull loop, against a Pub/Sub that does as the test says (WP-1, WP-9, WP-16).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "google/pubsub_leases.h"
#include "google/pubsub_publisher.h"
#include "google/pubsub_puller.h"
#include "google/testing/fake_pubsub.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::FakePubsub;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const std::string kTopic = "projects/demo/topics/orders";

base::Error refused() { return {base::ErrorClass::user, "INVALID_ARGUMENT", "one of them is wrong"}; }
base::Error unavailable() { return {base::ErrorClass::transient, "UNAVAILABLE", "come back later"}; }

// ---- messages as JSON

TEST(PubsubMessages, AreReadInEitherSpelling) {
  const auto camel = read_pubsub_message(json::parse_value(
      R"({"data":"eyJ9","attributes":{"a":"b"},"messageId":"7","orderingKey":"k",
          "publishTime":"2025-01-12T10:00:00.123456789Z"})"));
  const auto snake = read_pubsub_message(json::parse_value(
      R"({"data":"eyJ9","attributes":{"a":"b"},"message_id":"7","ordering_key":"k",
          "publish_time":"2025-01-12T10:00:00.123Z"})"));
  for (const auto& message : {camel, snake}) {
    EXPECT_EQ(message.data, "{\"}");
    EXPECT_EQ(message.attributes, (std::map<std::string, std::string>{{"a", "b"}}));
    EXPECT_EQ(message.id, "7");
    EXPECT_EQ(message.ordering_key, "k");
    ASSERT_TRUE(message.published_at);
    EXPECT_EQ(base::format_rfc3339(*message.published_at), "2025-01-12T10:00:00.123Z");
  }
}

TEST(PubsubMessages, MayHaveNoDataAndWhateverElseComes) {
  const auto message = read_pubsub_message(json::parse_value(R"({"attributes":null,"messageId":"7","later":[1]})"));
  EXPECT_EQ(message.data, "");
  EXPECT_EQ(message.id, "7");
}

TEST(PubsubMessages, AreReadWithTheOtherAlphabetOfBase64AndWithoutPadding) {
  EXPECT_EQ(read_pubsub_message(json::parse_value(R"({"data":"-_8"})")).data, "\xfb\xff");
}

TEST(PubsubMessages, ThatAreNoneAreRefusedByName) {
  for (const auto* text : {R"([])", R"({"data":"%"})", R"({"data":7})", R"({"attributes":{"a":1}})",
                           R"({"publishTime":"yesterday"})", R"({"messageId":7})"})
    EXPECT_THROW(static_cast<void>(read_pubsub_message(json::parse_value(text))), base::Error) << text;
}

TEST(PubsubMessages, SurviveBeingWrittenAndRead) {
  const PubsubMessage message{
      .data = std::string("\0\xff{", 3), .attributes = {{"a", "ä"}}, .ordering_key = "k", .id = {}};
  const auto read = read_pubsub_message(write_pubsub_message(message));
  EXPECT_EQ(read.data, message.data);
  EXPECT_EQ(read.attributes, message.attributes);
  EXPECT_EQ(read.ordering_key, "k");
}

TEST(PubsubNames, AreCompletedByTheProjectAndChecked) {
  EXPECT_EQ(topic_name("topic", "demo-project", "orders"), "projects/demo-project/topics/orders");
  EXPECT_EQ(topic_name("topic", "demo-project", "projects/other/topics/orders"), "projects/other/topics/orders");
  EXPECT_EQ(subscription_name("subscription", "p", "workstation-provisioning-sub"),
            "projects/p/subscriptions/workstation-provisioning-sub");
  for (const auto* name : {"", "ab", "1abc", "google-orders", "a/b/c", "projects/p/subscriptions/orders", "or ders"})
    EXPECT_THROW(static_cast<void>(topic_name("topic", "demo", name)), base::Error) << name;
  EXPECT_THROW(static_cast<void>(topic_name("topic", "", "orders")), base::Error);
}

// ---- publishing

class Publishing : public ::testing::Test {
 protected:
  // Publishes all at the same time; ids or codes of errors, in their order.
  std::vector<std::string> publish_all(PubsubPublisher& publisher, const std::vector<std::string>& data,
                                       const std::string& ordering_key = {}) {
    std::vector<std::future<std::string>> results;
    for (const auto& one : data)
      results.push_back(std::async(std::launch::async, [&publisher, one, ordering_key] {
        try {
          return publisher.publish(kTopic, {.data = one, .attributes = {}, .ordering_key = ordering_key});
        } catch (const base::Error& error) {
          return error.code();
        }
      }));
    std::vector<std::string> all;
    for (auto& result : results) all.push_back(result.get());
    return all;
  }

  FakePubsub pubsub_;
  observe::Registry metrics_;
};

TEST_F(Publishing, CallersThatComeTogetherShareARequest) {
  // It is sent when it is full, and never for the time that has passed.
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1h, .messages_max = 4});
  const auto ids = publish_all(publisher, {"a", "b", "c", "d"});
  EXPECT_THAT(ids, UnorderedElementsAre("1", "2", "3", "4"));
  ASSERT_THAT(pubsub_.published, SizeIs(1));
  EXPECT_THAT(pubsub_.published[0], UnorderedElementsAre("a", "b", "c", "d"));
}

TEST_F(Publishing, EachCallerGetsTheIdOfItsOwnMessage) {
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1h, .messages_max = 3});
  const std::vector<std::string> data{"a", "b", "c"};
  const auto ids = publish_all(publisher, data);
  for (std::size_t i = 0; i < data.size(); ++i) EXPECT_EQ(pubsub_.published[0].at(std::stoul(ids[i]) - 1), data[i]);
}

TEST_F(Publishing, OneAloneIsSentWithoutOthers) {
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1ms});
  EXPECT_EQ(publisher.publish(kTopic, {.data = "a"}), "1");
}

TEST_F(Publishing, AStopEndsTheWaitForOthersAndNotThePublishing) {
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1h});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(publisher.publish(kTopic, {.data = "a"}, stop.get_token()), "1");
}

TEST_F(Publishing, WP09_AMessageThatIsRefusedFailsAlone) {
  pubsub_.set_hook([](std::string_view, const std::vector<std::string>& data) {
    if (std::ranges::find(data, "bad") != data.end()) throw refused();
  });
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1h, .messages_max = 5});
  const auto ids = publish_all(publisher, {"a", "b", "bad", "c", "d"});
  EXPECT_EQ(ids[2], "INVALID_ARGUMENT");
  std::vector<std::string> sent;
  for (const auto& batch : pubsub_.published) sent.insert(sent.end(), batch.begin(), batch.end());
  EXPECT_THAT(sent, UnorderedElementsAre("a", "b", "c", "d"));
}

TEST_F(Publishing, AFailureThatPassesIsToldToAllOfTheBatchAndSplitsNothing) {
  std::atomic<int> calls = 0;
  pubsub_.set_hook([&](std::string_view, const std::vector<std::string>&) {
    ++calls;
    throw unavailable();
  });
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1h, .messages_max = 3});
  EXPECT_THAT(publish_all(publisher, {"a", "b", "c"}), ElementsAre("UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"));
  EXPECT_EQ(calls, 1);
}

TEST_F(Publishing, ABatchEndsWhereItWouldBeTooLarge) {
  const std::string large(6'000, 'x');
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1ms, .messages_max = 100, .bytes_max = 10'000});
  publish_all(publisher, {large, large, large});
  EXPECT_THAT(pubsub_.published, SizeIs(3));
}

TEST_F(Publishing, WhatTheServiceCouldNeverTakeIsRefusedAtOnce) {
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1h});
  for (const auto& message : {PubsubMessage{}, PubsubMessage{.data = std::string(kPublishBytesMax + 1, 'x')},
                              PubsubMessage{.data = "a", .attributes = {{"name", std::string(1'025, 'x')}}},
                              PubsubMessage{.data = "a", .attributes = {{"", "x"}}},
                              PubsubMessage{.data = "a", .attributes = {}, .ordering_key = std::string(1'025, 'k')}})
    EXPECT_THROW(static_cast<void>(publisher.publish(kTopic, message)), base::Error);
  EXPECT_THAT(pubsub_.published, IsEmpty());
}

TEST_F(Publishing, ARequestHasOneOrderingKeyAndItsBatchesGoOneAfterAnother) {
  std::atomic<int> at_once = 0, most = 0;
  pubsub_.set_hook([&](std::string_view, const std::vector<std::string>& data) {
    if (data[0].starts_with("k")) most = std::max(most.load(), ++at_once);
    std::this_thread::yield();
    if (data[0].starts_with("k")) --at_once;
  });
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1ms, .messages_max = 2});
  std::vector<std::string> keyed, others;
  for (int i = 0; i < 20; ++i) keyed.push_back("k" + std::to_string(i)), others.push_back("o" + std::to_string(i));
  auto beside = std::async(std::launch::async, [&] { return publish_all(publisher, others); });
  publish_all(publisher, keyed, "key");
  beside.get();
  EXPECT_EQ(most, 1);
  for (const auto& batch : pubsub_.published)
    for (const auto& data : batch) EXPECT_EQ(data[0], batch[0][0]) << "of two keys";
}

TEST_F(Publishing, ManyCallersLoseNothingAndPublishNothingTwice) {
  PubsubPublisher publisher(pubsub_, metrics_, {.delay = 1ms, .messages_max = 7});
  std::vector<std::jthread> callers;
  for (int caller = 0; caller < 8; ++caller)
    callers.emplace_back([&publisher, caller] {
      for (int i = 0; i < 50; ++i) {
        const auto data = std::to_string(caller) + "-" + std::to_string(i);
        publisher.publish(kTopic, {.data = data, .attributes = {}, .ordering_key = i % 2 == 0 ? "" : "key"});
      }
    });
  callers.clear();
  std::set<std::string> seen;
  std::size_t count = 0;
  for (const auto& batch : pubsub_.published)
    for (const auto& data : batch) seen.insert(data), ++count;
  EXPECT_EQ(seen.size(), 400u);
  EXPECT_EQ(count, 400u);
}

// ---- leases, without time

class LeaseBook : public ::testing::Test {
 protected:
  detail::Leases leases_{{.first_look = 4s, .lease = 60s, .lease_max = 100s, .answer_delay = 20ms}};
  const detail::Moment start_{};
};

TEST_F(LeaseBook, WP01_IsExtendedBeforeTheShortestDeadlineAndThenByHalves) {
  leases_.hold("a", 1, start_);
  EXPECT_EQ(leases_.next(), start_ + 4s);
  EXPECT_TRUE(leases_.take(start_ + 3s).empty());
  EXPECT_THAT(leases_.take(start_ + 4s).deadlines[60s], ElementsAre("a"));
  EXPECT_EQ(leases_.next(), start_ + 34s);
  EXPECT_THAT(leases_.take(start_ + 34s).deadlines[60s], ElementsAre("a"));
}

TEST_F(LeaseBook, IsLetGoAfterItsBound) {
  leases_.hold("a", 10, start_);
  leases_.take(start_ + 4s);
  leases_.take(start_ + 90s);
  const auto work = leases_.take(start_ + 120s);
  EXPECT_EQ(work.let_go, 1u);
  EXPECT_TRUE(work.empty());
  EXPECT_EQ(leases_.held(), 0u);
  EXPECT_EQ(leases_.bytes(), 0u);
  EXPECT_EQ(leases_.next(), std::nullopt);
}

TEST_F(LeaseBook, AnswersWaitForOthersAndGoTogether) {
  const auto a = leases_.hold("a", 1, start_), b = leases_.hold("b", 1, start_), c = leases_.hold("c", 1, start_);
  EXPECT_TRUE(leases_.ack(a, start_));
  EXPECT_TRUE(leases_.nack(b, 0s, start_ + 10ms));
  EXPECT_TRUE(leases_.nack(c, 5s, start_ + 10ms));
  EXPECT_EQ(leases_.next(), start_ + 20ms);
  auto work = leases_.take(start_ + 20ms);
  EXPECT_THAT(work.acks, ElementsAre("a"));
  EXPECT_THAT(work.deadlines[0s], ElementsAre("b"));
  EXPECT_THAT(work.deadlines[5s], ElementsAre("c"));
  EXPECT_TRUE(leases_.take(start_ + 1h).empty());
}

TEST_F(LeaseBook, OneIsAnsweredOnce) {
  const auto a = leases_.hold("a", 1, start_);
  EXPECT_TRUE(leases_.ack(a, start_));
  EXPECT_FALSE(leases_.nack(a, 0s, start_));
  EXPECT_FALSE(leases_.ack(a, start_));
}

// ---- pulling

class Pulling : public ::testing::Test {
 protected:
  PullerSettings settings() {
    return {.subscription = "projects/demo/subscriptions/orders",
            .messages_max = 10,
            .answer_delay = 1ms,
            .backoff_first = 1ms,
            .backoff_max = 2ms};
  }
  PubsubPuller::Handler keep() {
    return [this](Delivery delivery) {
      const std::lock_guard lock(mutex_);
      kept_.push_back(std::move(delivery));
      changed_.notify_all();
    };
  }
  static PubsubPuller::Handler ack() {
    return [](Delivery delivery) { delivery.ack(); };
  }
  void await_kept(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return kept_.size() >= count; });
  }
  void answer_kept(void (*answer)(Delivery&)) {
    std::unique_lock lock(mutex_);
    auto kept = std::exchange(kept_, {});
    lock.unlock();
    for (auto& delivery : kept) answer(delivery);
  }

  FakePubsub pubsub_;
  observe::Registry metrics_;
  base::SystemRandom random_;
  observe::Logger log_ = observe::silent_logger();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Delivery> kept_;
};

TEST_F(Pulling, WP01_WhatIsAnsweredIsAcknowledged) {
  PubsubPuller puller(pubsub_, settings(), ack(), random_, metrics_, log_);
  puller.start();
  for (int i = 0; i < 100; ++i) pubsub_.deliver(std::to_string(i));
  pubsub_.await([this] { return pubsub_.acked.size() == 100; });
  EXPECT_EQ(puller.held(), 0u);
}

TEST_F(Pulling, WP01_WhatIsHeldIsNotAcknowledgedAndIsGivenBackAtTheEnd) {
  PubsubPuller puller(pubsub_, settings(), keep(), random_, metrics_, log_);
  puller.start();
  pubsub_.deliver("a");
  pubsub_.deliver("b");
  await_kept(2);
  puller.stop();
  EXPECT_THAT(pubsub_.acked, IsEmpty());
  EXPECT_THAT(pubsub_.nacked, ElementsAre("a", "b"));
  answer_kept([](Delivery& delivery) { delivery.ack(); });  // too late, and harmless
  EXPECT_THAT(pubsub_.acked, IsEmpty());
}

TEST_F(Pulling, NoMoreIsPulledThanMayBeHeld) {
  for (int i = 0; i < 25; ++i) pubsub_.deliver(std::to_string(i));
  PubsubPuller puller(pubsub_, settings(), keep(), random_, metrics_, log_);
  puller.start();
  await_kept(10);
  EXPECT_EQ(puller.held(), 10u);
  answer_kept([](Delivery& delivery) { delivery.ack(); });
  await_kept(10);
  answer_kept([](Delivery& delivery) { delivery.ack(); });
  await_kept(5);
  puller.stop();
  for (const auto asked : pubsub_.pulls) EXPECT_LE(asked, 10u);
}

TEST_F(Pulling, NoMoreBytesArePulledThanMayBeHeld) {
  auto limited = settings();
  limited.bytes_max = 100;
  pubsub_.deliver(std::string(200, 'x'));
  PubsubPuller puller(pubsub_, limited, keep(), random_, metrics_, log_);
  puller.start();
  await_kept(1);
  pubsub_.deliver("later");
  answer_kept([](Delivery& delivery) { EXPECT_EQ(delivery.message().data.size(), 200u), delivery.ack(); });
  await_kept(1);
  EXPECT_THAT(pubsub_.pulls, SizeIs(2));
}

TEST_F(Pulling, WP01_WhatTakesLongIsExtended) {
  auto quick = settings();
  quick.first_look = 1ms;
  quick.lease = 2ms;
  PubsubPuller puller(pubsub_, quick, keep(), random_, metrics_, log_);
  puller.start();
  pubsub_.deliver("slow");
  pubsub_.await([this] { return pubsub_.extended.size() >= 3; });
  await_kept(1);
  answer_kept([](Delivery& delivery) { delivery.ack(); });
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
}

TEST_F(Pulling, OneThatIsGivenBackComesAgain) {
  std::atomic<int> times = 0;
  PubsubPuller puller(
      pubsub_, settings(), [&](Delivery delivery) { ++times < 3 ? delivery.nack() : delivery.ack(); }, random_,
      metrics_, log_);
  puller.start();
  pubsub_.deliver("a");
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
  EXPECT_EQ(times, 3);
}

TEST_F(Pulling, OneThatNobodyAnsweredIsGivenBack) {
  std::atomic<int> times = 0;
  PubsubPuller puller(
      pubsub_, settings(),
      [&](Delivery delivery) {
        if (++times == 2) delivery.ack();
      },
      random_, metrics_, log_);
  puller.start();
  pubsub_.deliver("a");
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
}

TEST_F(Pulling, WP16_PullsThatFailAreRepeated) {
  std::atomic<int> calls = 0;
  pubsub_.set_hook([&](std::string_view call, const std::vector<std::string>&) {
    if (call == "pull" && ++calls <= 5) throw unavailable();
  });
  pubsub_.deliver("a");
  PubsubPuller puller(pubsub_, settings(), ack(), random_, metrics_, log_);
  puller.start();
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
  EXPECT_GE(calls, 6);
}

// A long pull would keep the circuit from letting others through.
TEST_F(Pulling, WP16_AfterAFailureTheFirstPullIsAShortOne) {
  std::atomic<int> calls = 0;
  pubsub_.set_hook([&](std::string_view call, const std::vector<std::string>&) {
    if (call == "pull" && ++calls == 1) throw unavailable();
  });
  PubsubPuller puller(pubsub_, settings(), ack(), random_, metrics_, log_);
  puller.start();
  while (calls < 3) std::this_thread::yield();  // with nothing to pull, the second returned and the third waits
}

TEST_F(Pulling, WP16_AnAcknowledgementThatFailsIsRepeated) {
  std::atomic<int> calls = 0;
  pubsub_.set_hook([&](std::string_view call, const std::vector<std::string>&) {
    if (call == "acknowledge" && ++calls <= 2) throw unavailable();
  });
  pubsub_.deliver("a");
  PubsubPuller puller(pubsub_, settings(), ack(), random_, metrics_, log_);
  puller.start();
  pubsub_.await([this] { return pubsub_.acked.size() == 1; });
}

TEST_F(Pulling, AnIdThatIsNotKnownAnyMoreDoesNotHoldUpTheOthers) {
  pubsub_.set_hook([&](std::string_view call, const std::vector<std::string>& ids) {
    if (call == "acknowledge" && std::ranges::any_of(ids, [](auto& id) { return id.starts_with("ack-3-"); }))
      throw refused();
  });
  for (const auto* data : {"a", "b", "c", "d"}) pubsub_.deliver(data);
  PubsubPuller puller(pubsub_, settings(), keep(), random_, metrics_, log_);
  puller.start();
  await_kept(4);
  answer_kept([](Delivery& delivery) { delivery.ack(); });
  pubsub_.await([this] { return pubsub_.acked.size() == 3; });
  puller.stop();
  EXPECT_THAT(pubsub_.acked, UnorderedElementsAre("a", "b", "d"));
}

TEST_F(Pulling, ADeliveryMayOutliveItsPuller) {
  {
    PubsubPuller puller(pubsub_, settings(), keep(), random_, metrics_, log_);
    puller.start();
    pubsub_.deliver("a");
    await_kept(1);
  }
  answer_kept([](Delivery& delivery) { delivery.ack(); });
  EXPECT_THAT(pubsub_.nacked, ElementsAre("a"));
}

TEST_F(Pulling, AnEndIsNotHeldUpByAServiceThatDoesNotAnswer) {
  pubsub_.set_hook([&](std::string_view call, const std::vector<std::string>&) {
    if (call == "modifyAckDeadline") throw unavailable();
  });
  auto hasty = settings();
  hasty.goodbye = 1ms;
  PubsubPuller puller(pubsub_, hasty, keep(), random_, metrics_, log_);
  puller.start();
  pubsub_.deliver("a");
  await_kept(1);
  puller.stop();
  EXPECT_EQ(puller.held(), 0u);
}

}  // namespace
}  // namespace slipway::google
