// Deliveries from the feed to the receiver, on both databases, with a clock of the test's own (WF-12, WF-45).

#include "notify/testing/webhook_world.h"

namespace slipway::notify::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(On, Webhooks, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(Webhooks, AChangeReachesEachEndpointThatWantsIt) {
  const auto mine = add({.url = "https://a.example/"});
  const auto everyones = add({.url = "https://b.example/", .scope = fleet::WebhookScope::all}, kAdmin);
  const auto bobs = add({.url = "https://c.example/"}, kBob);
  const auto other = add({.url = "https://d.example/", .event_types = {"run.*"}});
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1");
  replica.wake();
  await([&] { return count(mine, DeliveryStatus::delivered) + count(everyones, DeliveryStatus::delivered) == 2; });
  EXPECT_TRUE(deliveries(bobs).empty());
  EXPECT_TRUE(deliveries(other).empty());
  const auto got = receiver_.got();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_NE(got[0].id, got[1].id);
  EXPECT_EQ(json::parse_value(got[0].body).at("type"), "workspace.updated");
}

TEST_P(Webhooks, ScopeAllEndsWithTheRight) {
  const auto hook = add({.scope = fleet::WebhookScope::all}, kAdmin);
  write([](Transaction& tx) { tx.execute("UPDATE users SET role = 'member' WHERE id = 'usr_admin'"); });
  const auto mine = add({.url = "https://mine.example/"});
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1");
  replica.wake();
  await([&] { return count(mine, DeliveryStatus::delivered) == 1; });
  EXPECT_TRUE(deliveries(hook).empty());
}

TEST_P(Webhooks, WhatWasBeforeTheEndpointIsNotTold) {
  tell("before");
  const auto hook = add();
  tell("after");
  Replica replica(*database_, sealer_, clock_, receiver_);
  await([&] { return count(hook, DeliveryStatus::delivered) == 1; });
  EXPECT_EQ(deliveries(hook).at(0).resource, "workspace/after");
}

// WF-45: the whole schedule, with the same id in every attempt; then the endpoint is disabled and that is told
TEST_P(Webhooks, ADayOfFailuresDisablesTheEndpointAndTellsTheOthers) {
  const auto dead = add({.url = "https://dead.example/secret", .event_types = {"workspace.*"}});
  const auto other = add({.url = "https://alive.example/", .event_types = {"webhook.disabled"}});
  receiver_.answer = [](const auto& got) { return status(got.url.contains("dead") ? 500 : 204); };
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1");
  replica.wake();
  for (std::size_t attempt = 1; attempt <= 8; ++attempt) {
    await([&] {
      const auto all = deliveries(dead);
      return all.size() == 1 && all[0].attempts == std::int64_t(attempt);
    });
    if (attempt < 8) jump_to_next(dead, replica);
  }
  EXPECT_LE(clock_.now() - kStart, 24h);
  EXPECT_EQ(stored(dead).status, WebhookStatus::disabled);
  EXPECT_NE(stored(dead).status_reason, "");
  EXPECT_EQ(count(dead, DeliveryStatus::failed), 1u);
  await([&] { return count(other, DeliveryStatus::delivered) == 1; });
  const auto told = json::parse_value(receiver_.got().back().body).at("data").as_object();
  EXPECT_EQ(told.at("origin"), "https://dead.example");
  EXPECT_FALSE(told.contains("url"));
  std::set<std::string> ids;
  for (const auto& got : receiver_.got())
    if (got.url.contains("dead")) ids.insert(got.id);
  EXPECT_EQ(ids.size(), 1u);
  const auto attempts = read([&](Transaction& tx) { return fleet::delivery_attempts(tx, deliveries(dead).at(0).id); });
  ASSERT_EQ(attempts.size(), 8u);
  EXPECT_EQ(attempts[7].number, 8);
  EXPECT_EQ(attempts[7].status, 500);
}

TEST_P(Webhooks, GoneDisablesAtOnceAndEndsWhatWaits) {
  const auto hook = add({.ordered = true});
  receiver_.answer = [](const auto&) { return status(410); };
  tell("w1", kAlice, 5);
  Replica replica(*database_, sealer_, clock_, receiver_);
  await([&] { return count(hook, DeliveryStatus::failed) == 5; });
  EXPECT_EQ(stored(hook).status, WebhookStatus::disabled);
  EXPECT_EQ(receiver_.got().size(), 1u);
  tell("w1");  // nothing is kept for it
  add({.url = "https://other.example/"});
  tell("w2");
  await([&] { return receiver_.got().size() == 2; });
  EXPECT_EQ(deliveries(hook).size(), 5u);
}

TEST_P(Webhooks, AFailingDeliveryHoldsOnlyItsOwnResource) {
  const auto hook = add({.ordered = true});
  std::atomic<bool> broken = true;
  receiver_.answer = [&](const auto& got) {
    return status(broken && json::parse_value(got.body).at("data").at("i") == 1 ? 500 : 204);
  };
  tell("w1", kAlice, 4);
  write([&](Transaction& tx) {
    for (int i = 10; i < 14; ++i)
      fleet::record_change(tx, kAlice, "workspace.updated", "w2", clock_.now(), json::Object{{"i", i}});
  });
  Replica replica(*database_, sealer_, clock_, receiver_);
  await([&] { return count(hook, DeliveryStatus::delivered) == 5; });  // all of w2, and the first of w1
  // Where its outcomes come in another order, the second of w1 may not have been tried yet.
  await([&] {
    const auto waiting = deliveries(hook, DeliveryStatus::pending);
    return std::ranges::any_of(waiting, [](const auto& each) { return each.attempts > 0; });
  });
  broken = false;
  jump_to_next(hook, replica);
  await([&] { return count(hook, DeliveryStatus::delivered) == 8; });
  std::vector<std::int64_t> first, second;
  for (const auto& got : receiver_.got()) {
    const auto i = json::parse_value(got.body).at("data").at("i").as_int64();
    (i < 10 ? first : second).push_back(i);
  }
  EXPECT_EQ(first, (std::vector<std::int64_t>{0, 1, 1, 2, 3}));
  EXPECT_EQ(second, (std::vector<std::int64_t>{10, 11, 12, 13}));
}

TEST_P(Webhooks, APausedEndpointKeepsWhatComes) {
  auto hook = add();
  const auto set = [&](WebhookStatus status) {
    hook.status = status;
    write([&](Transaction& tx) { fleet::update_webhook(tx, hook, clock_.now()); });
  };
  set(WebhookStatus::paused);
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1", kAlice, 3);
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::pending) == 3; });
  EXPECT_TRUE(receiver_.got().empty());
  set(WebhookStatus::active);
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::delivered) == 3; });
}

TEST_P(Webhooks, BothSecretsSignUntilTheOldOneEnds) {
  const auto hook = add();
  const auto fresh = make_webhook_secret();
  write([&](Transaction& tx) { fleet::rotate_webhook_secret(tx, hook.id, sealer_.seal(fresh), clock_.now() + 1h); });
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1");
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::delivered) == 1; });
  clock_.advance(1h);
  tell("w1");
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::delivered) == 2; });
  const auto got = receiver_.got();
  EXPECT_EQ(std::ranges::count(got[0].signature, ' '), 1);
  EXPECT_EQ(std::ranges::count(got[1].signature, ' '), 0);
}

// WF-15's promise for deliveries: what a dead process was sending is sent again, under the same id
TEST_P(Webhooks, WhatADeadReplicaWasSendingIsSentAgain) {
  const auto hook = add();
  tell("w1");
  std::string id;
  write([&](Transaction& tx) {
    fleet::lock_webhooks(tx);
    fan_out(tx, ids_, fleet::last_change(tx), clock_.now());
    const auto claimed = fleet::claim_deliveries(tx, hook.id, 10, clock_.now(), clock_.now() + kClaimFor);
    id = claimed.at(0).id.str();
  });
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w2");
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::delivered) == 1; });  // the other one: this one is claimed
  EXPECT_NE(receiver_.got().at(0).id, id);
  clock_.advance(kClaimFor + 1ms);
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::delivered) == 2; });
  EXPECT_EQ(receiver_.got().at(1).id, id);
}

TEST_P(Webhooks, ALateOutcomeOfALostClaimChangesNothing) {
  const auto hook = add();
  receiver_.holds = true;
  receiver_.answer = [](const auto&) { return status(500); };
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1");
  replica.wake();
  await([&] { return receiver_.got().size() == 1; });
  clock_.advance(kClaimFor + 1ms);
  replica.wake();
  await([&] { return receiver_.got().size() == 2; });  // claimed anew
  receiver_.let_go();
  await([&] { return deliveries(hook).at(0).attempts > 0; });
  await([&] { return replica.loop.call([&] { return replica.deliverer.sending(); }) == 0; });
  EXPECT_EQ(deliveries(hook).at(0).attempts, 1);
}

TEST_P(Webhooks, OneEndpointDoesNotTakeAllPlaces) {
  const auto slow = add({.url = "https://slow.example/"});
  receiver_.holds = true;
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1", kAlice, 100);
  replica.wake();
  await([&] { return receiver_.got().size() == std::size_t(kSendingToOneMax); });
  add({.url = "https://quick.example/"});
  tell("w2");
  replica.wake();
  await(
      [&] { return std::ranges::any_of(receiver_.got(), [](const auto& got) { return got.url.contains("quick"); }); });
  await([&] {
    receiver_.let_go();
    return count(slow, DeliveryStatus::delivered) == 101;
  });
}

TEST_P(Webhooks, TheEndpointsOfOneOwnerDoNotTakeAllPlaces) {
  for (int i = 0; i < 10; ++i) add({.url = "https://slow" + std::to_string(i) + ".example/"});
  receiver_.holds = true;
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1", kAlice, 20);
  replica.wake();
  await([&] { return receiver_.got().size() == std::size_t(kSendingToOwnerMax); });
  const auto bobs = add({.url = "https://quick.example/"}, kBob);
  tell("w2", kBob);
  replica.wake();
  await(
      [&] { return std::ranges::any_of(receiver_.got(), [](const auto& got) { return got.url.contains("quick"); }); });
  EXPECT_EQ(receiver_.got().size(), std::size_t(kSendingToOwnerMax) + 1);
  await([&] {
    receiver_.let_go();
    return receiver_.got().size() == 201 && count(bobs, DeliveryStatus::delivered) == 1;
  });
}

TEST_P(Webhooks, TheAnswerOfAFormerReceiverSaysNothingAboutTheNewOne) {
  auto hook = add({.url = "https://former.example/hook?key=1"});
  receiver_.answer = [](const auto& got) { return status(got.url.contains("former") ? 410 : 204); };
  receiver_.holds = true;
  Replica replica(*database_, sealer_, clock_, receiver_);
  tell("w1", kAlice, 2);
  replica.wake();
  await([&] { return receiver_.got().size() == 2; });
  hook.definition.url = "https://new.example/hook";
  write([&](Transaction& tx) { fleet::update_webhook(tx, hook, clock_.now()); });
  await([&] {
    receiver_.let_go();
    return count(hook, DeliveryStatus::delivered) == 2;
  });
  EXPECT_EQ(stored(hook).status, WebhookStatus::active);
  EXPECT_EQ(stored(hook).health.failures, 0);
  EXPECT_FALSE(stored(hook).health.last_failure_at);
  const auto delivery = deliveries(hook).at(0);
  EXPECT_EQ(delivery.tries, 1);
  const auto attempts = read([&](Transaction& tx) { return fleet::delivery_attempts(tx, delivery.id); });
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].url, "https://former.example/hook");
  EXPECT_EQ(attempts[0].status, 410);
  EXPECT_EQ(attempts[1].url, "https://new.example/hook");
}

// 10,000 changes and two hubs: every one once, in order of its resource
TEST_P(Webhooks, ManyChangesAreEachToldOnceByTwoReplicas) {
  constexpr int kChanges = 10'000;
  const auto hook = add();
  const auto ordered = add({.url = "https://ordered.example/", .event_types = {"workspace.deleted"}, .ordered = true});
  auto second_database = GetParam() == Dialect::postgres ? store::open(url_) : nullptr;
  Replica first(*database_, sealer_, clock_, receiver_);
  Replica second(second_database ? *second_database : *database_, sealer_, clock_, receiver_);
  for (int batch = 0; batch < 10; ++batch)
    write([&](Transaction& tx) {
      for (int i = 0; i < kChanges / 10; ++i) {
        const int n = batch * kChanges / 10 + i;
        fleet::record_change(tx, kAlice, n % 20 == 0 ? "workspace.deleted" : "workspace.updated",
                             "w" + std::to_string(n % 100), clock_.now(), json::Object{{"n", n}});
      }
    });
  await([&] {
    first.wake();
    second.wake();
    return receiver_.got().size() >= std::size_t(kChanges + kChanges / 20) &&
           count(hook, DeliveryStatus::pending) + count(ordered, DeliveryStatus::pending) == 0;
  });
  std::set<std::string> ids;
  std::map<std::int64_t, std::int64_t> last;
  std::set<std::int64_t> told;
  for (const auto& got : receiver_.got()) {
    EXPECT_TRUE(ids.insert(got.id).second) << "sent twice";
    const auto n = json::parse_value(got.body).at("data").at("n").as_int64();
    if (!got.url.contains("ordered")) {
      told.insert(n);
      continue;
    }
    EXPECT_LT(last.try_emplace(n % 100, -1).first->second, n) << "out of order";
    last[n % 100] = n;
  }
  EXPECT_EQ(told.size(), std::size_t(kChanges));
  EXPECT_EQ(ids.size(), std::size_t(kChanges + kChanges / 20));
}

TEST_P(Webhooks, FailedDeliveriesCanBeRecovered) {
  const auto hook = add({.ordered = true});
  receiver_.answer = [](const auto&) { return status(410); };
  tell("w1", kAlice, 3);
  tell("w2", kAlice, 2);
  Replica replica(*database_, sealer_, clock_, receiver_);
  await([&] { return count(hook, DeliveryStatus::failed) == 5; });
  receiver_.answer = [](const auto&) { return status(200); };
  const auto before = receiver_.got().size();
  write([&](Transaction& tx) {
    fleet::lock_webhooks(tx);
    auto webhook = fleet::get_webhook(tx, Scope::everything("test"), hook.id);
    webhook.status = WebhookStatus::active;
    fleet::update_webhook(tx, webhook, clock_.now());
    fleet::start_listening(tx, webhook);
    EXPECT_EQ(fleet::recover_deliveries(tx, webhook, kStart, clock_.now()), 5);
  });
  replica.wake();
  await([&] { return count(hook, DeliveryStatus::delivered) == 5; });
  std::map<std::string, std::int64_t> last;
  const auto got = receiver_.got();
  for (std::size_t i = before; i < got.size(); ++i) {
    const auto place =
        read([&](Transaction& tx) { return fleet::find_delivery(tx, hook.id, base::DeliveryId(got[i].id)); }).value();
    EXPECT_LT(last[place.resource], *place.place);
    last[place.resource] = *place.place;
  }
  EXPECT_EQ(got.size() - before, 5u);
}

TEST_P(Webhooks, ARemovedEndpointIsGoneAtOnceAndItsDeliveriesSoon) {
  const auto hook = add();
  tell("w1", kAlice, 2'500);
  write([&](Transaction& tx) {
    fleet::lock_webhooks(tx);
    while (fan_out(tx, ids_, fleet::last_change(tx), clock_.now()) > 0) {
    }
    fleet::remove_webhook(tx, hook.id);
  });
  EXPECT_FALSE(read([&](Transaction& tx) { return fleet::find_webhook(tx, Scope::everything("test"), hook.id); }));
  Replica replica(*database_, sealer_, clock_, receiver_);
  await([&] {
    return read([](Transaction& tx) {
             return tx.query("SELECT COUNT(*) FROM webhook_endpoints").front().integer(0);
           }) == 0;
  });
  EXPECT_TRUE(deliveries(hook).empty());
  EXPECT_TRUE(receiver_.got().empty());
}

TEST_P(Webhooks, WhatIsToBeSentDoesNotWaitForALongPurge) {
  const auto gone = add();
  tell("w1", kAlice, 2'500);
  write([&](Transaction& tx) {
    fleet::lock_webhooks(tx);
    while (fan_out(tx, ids_, fleet::last_change(tx), clock_.now()) > 0) {
    }
    fleet::remove_webhook(tx, gone.id);
  });
  add({.url = "https://other.example/"});
  tell("w2");
  std::atomic<std::size_t> left_when_sent = 0;
  receiver_.answer = [&](const auto&) {
    left_when_sent = deliveries(gone).size();
    return status(204);
  };
  Replica replica(*database_, sealer_, clock_, receiver_);
  await([&] { return deliveries(gone).empty(); });
  EXPECT_GT(left_when_sent, 0u);
}

TEST_P(Webhooks, WhatIsStillToBeToldIsNotForgotten) {
  const auto trim = [&] {
    std::int64_t removed = 0;
    write([&](Transaction& tx) { removed = fleet::trim_changes(tx, clock_.now() + 48h); });
    return removed;
  };
  write([](Transaction& tx) { tx.execute("UPDATE run_rollup_state SET feed_cursor = 1000000"); });
  const auto hook = add();
  tell("w1", kAlice, 10);
  EXPECT_EQ(trim(), 0);
  write([&](Transaction& tx) { fan_out(tx, ids_, fleet::last_change(tx), clock_.now()); });
  EXPECT_EQ(trim(), 9);  // the last one is always kept
  EXPECT_EQ(count(hook, DeliveryStatus::pending), 10u);
  tell("w2", kAlice, 10);
  const auto skip = std::to_string(fleet::kChangesMax + 100);  // as if a great many had come after them
  if (GetParam() == Dialect::postgres)
    write([&](Transaction& tx) { tx.execute("ALTER TABLE changes ALTER COLUMN seq RESTART WITH " + skip); });
  tell("w3");
  if (GetParam() == Dialect::sqlite)
    write([&](Transaction& tx) {
      tx.execute("UPDATE changes SET seq = " + skip + " WHERE seq = (SELECT MAX(seq) FROM changes)");
    });
  EXPECT_EQ(trim(), 11) << "what is kept has a bound, whoever may still want it";
}

TEST_P(Webhooks, ItIsKnownWhetherSomebodyWantsSteps) {
  std::atomic<int> wanted = -1;
  DelivererOptions options;
  options.on_steps_wanted = [&](bool yes) { wanted = yes ? 1 : 0; };
  Replica replica(*database_, sealer_, clock_, receiver_, options);
  await([&] { return wanted == 0; });
  const auto hook = add({.event_types = {"run.*", "step.failed"}});
  replica.wake();
  await([&] { return wanted == 1; });
  write([&](Transaction& tx) { fleet::remove_webhook(tx, hook.id); });
  replica.wake();
  await([&] { return wanted == 0; });
}

}  // namespace
}  // namespace slipway::notify::testing
