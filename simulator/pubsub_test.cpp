#include "simulator/pubsub.h"

#include <gtest/gtest.h>

namespace slipway::simulator {
namespace {

using namespace std::chrono_literals;

const std::string kTopic = "projects/p/topics/orders";
const std::string kSubscription = "projects/p/subscriptions/worker";

class PubSubTest : public ::testing::Test {
 protected:
  PubSubTest() { pubsub.create_topic(kTopic, json::Object{}); }

  void subscribe(json::Object fields = {}) {
    fields["topic"] = kTopic;
    pubsub.create_subscription(kSubscription, fields);
  }
  void publish(const std::string& data, const std::string& key = "") {
    const json::Object message{{"data", data}, {"orderingKey", key}};
    pubsub.publish(kTopic, json::Object{{"messages", json::Array{message}}}, now);
  }
  std::vector<std::string> pull() {
    std::vector<std::string> texts;
    last = pubsub.pull(kSubscription, 10, now);
    for (const auto& one : last) texts.push_back(one.message->data);
    return texts;
  }
  void acknowledge() {
    for (const auto& one : last) pubsub.acknowledge(kSubscription, {one.ack_id}, now);
  }

  using Texts = std::vector<std::string>;
  base::Instant now = base::Instant(std::chrono::seconds(1'700'000'000));
  base::SeededRandom random{1};
  PubSub pubsub{random, 1};
  std::vector<Received> last;
};

TEST_F(PubSubTest, AMessageComesAgainAfterItsDeadlineUnlessAcknowledged) {
  subscribe();
  publish("AAAA");
  EXPECT_EQ(pull(), Texts{"AAAA"});
  EXPECT_EQ(pull(), Texts{});
  now += 10s;
  EXPECT_EQ(pull(), Texts{"AAAA"});
  acknowledge();
  now += 1h;
  EXPECT_EQ(pull(), Texts{});
}

TEST_F(PubSubTest, ADeadlineCanBeExtendedAndGivenBack) {
  subscribe();
  publish("AAAA");
  pull();
  pubsub.modify_deadline(kSubscription, {last[0].ack_id}, 60s, now);
  now += 30s;
  EXPECT_EQ(pull(), Texts{});
  pubsub.modify_deadline(kSubscription, {"MTox"}, 0s, now);
  EXPECT_EQ(pull(), Texts{"AAAA"});
}

TEST_F(PubSubTest, OrderedMessagesWaitForTheFirstOfTheirKey) {
  subscribe({{"enableMessageOrdering", true}});
  publish("AAAA", "k");
  publish("BBBB", "k");
  publish("CCCC", "other");
  EXPECT_EQ(pull(), (Texts{"AAAA", "CCCC"}));
  acknowledge();
  EXPECT_EQ(pull(), Texts{"BBBB"});
}

// WP-1
TEST_F(PubSubTest, AMessageThatFailsTooOftenGoesToTheDeadLetters) {
  const std::string dead = "projects/p/topics/dead-orders";
  pubsub.create_topic(dead, json::Object{});
  pubsub.create_subscription("projects/p/subscriptions/undertaker", json::Object{{"topic", dead}});
  subscribe({{"deadLetterPolicy", json::Object{{"deadLetterTopic", dead}, {"maxDeliveryAttempts", 5}}}});
  publish("AAAA");
  for (int attempt = 1; attempt <= 5; ++attempt, now += 10s) {
    ASSERT_EQ(pull(), Texts{"AAAA"});
    EXPECT_EQ(last[0].attempt, attempt);
  }
  EXPECT_EQ(pull(), Texts{});
  const auto buried = pubsub.pull("projects/p/subscriptions/undertaker", 1, now);
  ASSERT_EQ(buried.size(), 1u);
  EXPECT_EQ(buried[0].message->attributes.at("CloudPubSubDeadLetterSourceSubscription"), "worker");
}

TEST_F(PubSubTest, AMessageCanComeSeveralTimesAlthoughAcknowledged) {
  PubSub repeating(random, 3);
  repeating.create_topic(kTopic, json::Object{});
  repeating.create_subscription(kSubscription, json::Object{{"topic", kTopic}});
  json::Array messages;
  for (int i = 0; i < 100; ++i) messages.push_back(json::Object{{"data", "AAAA"}});
  repeating.publish(kTopic, json::Object{{"messages", messages}}, now);
  std::map<std::string, int> deliveries;
  for (int round = 0; round < 100; ++round, now += 1s) {
    for (const auto& one : repeating.pull(kSubscription, 1000, now)) {
      ++deliveries[one.message->id];
      repeating.acknowledge(kSubscription, {one.ack_id}, now);
    }
  }
  EXPECT_EQ(deliveries.size(), 100u);
  std::map<int, int> histogram;
  for (const auto& [id, count] : deliveries) ++histogram[count];
  EXPECT_EQ(histogram.size(), 3u);  // once, twice, three times
  EXPECT_EQ(histogram.rbegin()->first, 3);
  EXPECT_EQ(repeating.backlog(kSubscription), 0u);
}

TEST_F(PubSubTest, WhatWasNotAcknowledgedSurvivesARestart) {
  subscribe();
  publish("AAAA");
  publish("BBBB");
  pull();
  pubsub.acknowledge(kSubscription, {last[0].ack_id}, now);
  PubSub other(random, 1);
  other.restore(json::parse<PubSubState>(json::print(pubsub.state())));
  const auto received = other.pull(kSubscription, 10, now);
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].message->data, "BBBB");
}

TEST_F(PubSubTest, WhatPubSubRefusesIsRefused) {
  EXPECT_THROW(pubsub.create_topic("projects/p/topics/ab", json::Object{}), Failure);
  EXPECT_THROW(pubsub.create_topic("projects/p/topics/google-x", json::Object{}), Failure);
  EXPECT_THROW(pubsub.create_topic(kTopic, json::Object{}), Failure);
  EXPECT_THROW(pubsub.publish(kTopic, json::parse_value(R"({"messages":[{}]})"), now), Failure);
  EXPECT_THROW(subscribe({{"ackDeadlineSeconds", 5}}), Failure);
  subscribe();
  EXPECT_THROW(pubsub.acknowledge(kSubscription, {"bogus"}, now), Failure);
  EXPECT_THROW(pubsub.pull("projects/p/subscriptions/none", 1, now), Failure);
}

}  // namespace
}  // namespace slipway::simulator
