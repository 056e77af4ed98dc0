// A message has one row, however often it comes (WP-1). On both databases.

#include "fleet/received_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
constexpr auto kSubscription = "projects/demo/subscriptions/orders";

class ReceivedMessages : public ::testing::TestWithParam<Dialect> {
 protected:
  ReceivedMessages()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {}

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }

  ReceivedMessage accepted(const std::string& message_id, base::Instant at = kNow) {
    return {.id = MessageId(ids_.make(MessageKind::prefix)),
            .subscription = kSubscription,
            .message_id = message_id,
            .published_at = at - std::chrono::seconds(1),
            .received_at = at,
            .last_received_at = at,
            .outcome = MessageOutcome::accepted,
            .run_id = base::RunId("run_" + message_id)};
  }

  ReceivedMessage refused(const std::string& message_id, std::string data = "{") {
    auto message = accepted(message_id);
    message.outcome = MessageOutcome::refused;
    message.run_id = {};
    message.refusal = {"not_json", "it ends too early"};
    message.data = std::move(data);
    message.attributes = {{"origin", "checkout\n\x01"}};
    message.ordering_key = "org-1";
    message.dead_letter_run_id = base::RunId("run_dead");
    return message;
  }

  bool insert(const ReceivedMessage& message) {
    bool is_new = false;
    write([&](Transaction& tx) { is_new = insert_or_count(tx, message); });
    return is_new;
  }

  ReceivedMessage find(const MessageId& id) {
    std::optional<ReceivedMessage> found;
    write([&](Transaction& tx) { found = find_message(tx, id); });
    return found.value();
  }

  std::vector<std::string> list(const MessageFilter& filter) {
    std::vector<std::string> ids;
    write([&](Transaction& tx) {
      ids.clear();
      for (const auto& message : list_messages(tx, filter)) ids.push_back(message.message_id);
    });
    return ids;
  }

  store::testing::TemporaryFolder folder_;
  base::SystemClock clock_;
  base::SystemRandom random_;
  base::IdGenerator ids_{clock_, random_};
  std::unique_ptr<store::Database> database_;
};

TEST_P(ReceivedMessages, WP01_ADeliveryAgainIsCountedAndLeavesTheFirstOneAsItWas) {
  const auto first = accepted("1");
  EXPECT_TRUE(insert(first));
  EXPECT_FALSE(insert(accepted("1", kNow + std::chrono::minutes(1))));
  EXPECT_FALSE(insert(refused("1")));
  const auto found = find(first.id);
  EXPECT_EQ(found.deliveries, 3);
  EXPECT_EQ(found.outcome, MessageOutcome::accepted);
  EXPECT_EQ(found.run_id, first.run_id);
  EXPECT_EQ(found.received_at, kNow);
  EXPECT_EQ(found.last_received_at, kNow);
}

TEST_P(ReceivedMessages, TheSameIdOfAnotherSubscriptionIsAnotherMessage) {
  auto other = accepted("1");
  other.subscription = "projects/demo/subscriptions/others";
  EXPECT_TRUE(insert(accepted("1")));
  EXPECT_TRUE(insert(other));
}

TEST_P(ReceivedMessages, ARefusedOneKeepsWhatCame) {
  const std::string bytes("\x00\xff{\n", 4);
  const auto message = refused("1", bytes);
  insert(message);
  const auto found = find(message.id);
  EXPECT_EQ(found.data, bytes);
  EXPECT_EQ(found.attributes, message.attributes);
  EXPECT_EQ(found.ordering_key, "org-1");
  ASSERT_TRUE(found.refusal);
  EXPECT_EQ(found.refusal->reason, "not_json");
  EXPECT_EQ(found.published_at, message.published_at);
  EXPECT_EQ(found.dead_letter_run_id, message.dead_letter_run_id);
}

TEST_P(ReceivedMessages, AListIsNewestFirstAndGoesOnAfterItsCursor) {
  std::vector<MessageId> ids;
  for (const auto* id : {"1", "2", "3"}) {
    const auto message = accepted(id);
    ids.push_back(message.id);
    insert(message);
  }
  insert(refused("4"));
  EXPECT_THAT(list({.limit = 2}), ElementsAre("4", "3"));
  EXPECT_THAT(list({.before = ids[2].str()}), ElementsAre("2", "1"));
  EXPECT_THAT(list({.outcome = MessageOutcome::refused}), ElementsAre("4"));
  EXPECT_THAT(list({.subscription = "another"}), IsEmpty());
  EXPECT_THAT(list({.since = kNow + std::chrono::seconds(1)}), IsEmpty());
  write([](Transaction& tx) {
    EXPECT_EQ(count_messages(tx, {}).count, 4);
    EXPECT_EQ(count_messages(tx, {.outcome = MessageOutcome::accepted}).count, 3);
  });
}

TEST_P(ReceivedMessages, WP01_ARefusedOneIsAcceptedOnce) {
  const auto message = refused("1");
  insert(message);
  write([&](Transaction& tx) {
    EXPECT_EQ(get_message_for_update(tx, message.id).outcome, MessageOutcome::refused);
    accept_replayed(tx, message.id, base::RunId("run_later"), "usr_1", kNow);
  });
  EXPECT_THROW(
      write([&](Transaction& tx) { accept_replayed(tx, message.id, base::RunId("run_again"), "usr_1", kNow); }),
      base::Error);
  const auto found = find(message.id);
  EXPECT_EQ(found.run_id, base::RunId("run_later"));
  EXPECT_EQ(found.replayed_by, "usr_1");
  EXPECT_TRUE(found.refusal);
  EXPECT_TRUE(found.data);
}

TEST_P(ReceivedMessages, WhatTheDeadLetterTopicGaveItIsKept) {
  const auto message = refused("1");
  insert(message);
  write([&](Transaction& tx) { set_dead_letter(tx, message.id, "77"); });
  EXPECT_EQ(find(message.id).dead_letter_message_id, "77");
}

TEST_P(ReceivedMessages, OneThatNobodyHasIsNotFound) {
  write([](Transaction& tx) { EXPECT_FALSE(find_message(tx, MessageId("msg_none"))); });
  EXPECT_THROW(write([](Transaction& tx) { static_cast<void>(get_message_for_update(tx, MessageId("msg_none"))); }),
               base::Error);
}

TEST_P(ReceivedMessages, OnlyThoseThatCannotComeAgainAreForgotten) {
  insert(accepted("old", kNow - kMessagesKept - base::Duration(1)));
  insert(accepted("new", kNow - kMessagesKept));
  std::int64_t removed = 0;
  write([&](Transaction& tx) { removed = forget_messages(tx, kNow); });
  EXPECT_EQ(removed, 1);
  EXPECT_THAT(list({}), ElementsAre("new"));
}

INSTANTIATE_TEST_SUITE_P(Stores, ReceivedMessages, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

}  // namespace
}  // namespace slipway::fleet
