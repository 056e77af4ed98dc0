// The decisions of webhooks: who hears what, what is sent, what follows from an answer (WF-12, WF-45).

#include <gtest/gtest.h>

#include <set>

#include "base/digest.h"
#include "notify/answer_excerpt.h"
#include "notify/delivery_judge.h"
#include "notify/webhook_events.h"
#include "notify/webhook_message.h"
#include "notify/webhook_target.h"

namespace slipway::notify {
namespace {

using namespace std::chrono_literals;
using fleet::Delivery;
using fleet::DeliveryStatus;
using fleet::WebhookHealth;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);

Occurrence occurrence(const std::string& type, json::Value data = json::Object{}, std::string owner = "usr_a") {
  return occurrence_of({std::move(owner), {.seq = 7, .type = type, .resource_id = "run_1", .at = kNow, .data = data}});
}

fleet::Webhook webhook(std::vector<std::string> types) {
  fleet::Webhook made{.owner_id = base::UserId("usr_a"), .definition = {.event_types = std::move(types)}};
  return made;
}

// ---- who hears what

TEST(WebhookEvents, FamiliesAndSingleTypesCanBeAskedFor) {
  EXPECT_TRUE(wants(webhook({"run.failed"}), occurrence("run.failed")));
  EXPECT_FALSE(wants(webhook({"run.failed"}), occurrence("run.completed")));
  EXPECT_TRUE(wants(webhook({"workspace.deleted", "run.*"}), occurrence("run.completed")));
  EXPECT_FALSE(wants(webhook({"run.*"}), occurrence("workspace.created")));
}

// WF-12: of steps, if asked
TEST(WebhookEvents, StepsAreToldOnlyToThoseWhoNameThem) {
  EXPECT_TRUE(wants(webhook({"*"}), occurrence("run.started")));
  EXPECT_FALSE(wants(webhook({"*"}), occurrence("step.failed")));
  EXPECT_TRUE(wants(webhook({"step.*"}), occurrence("step.failed")));
  EXPECT_TRUE(wants_steps({.event_types = {"*", "step.failed"}}));
  EXPECT_FALSE(wants_steps({.event_types = {"*"}}));
}

TEST(WebhookEvents, NobodyHearsOfWhatBelongsToOthersUnlessItAsksForAll) {
  auto hook = webhook({"*"});
  EXPECT_FALSE(wants(hook, occurrence("run.failed", {}, "usr_b")));
  hook.definition.scope = fleet::WebhookScope::all;
  EXPECT_TRUE(wants(hook, occurrence("run.failed", {}, "usr_b")));
}

TEST(WebhookEvents, ResourcesAndTypesOfRunsNarrowIt) {
  const json::Value data =
      json::Object{{"type", "workspace.create"}, {"resourceType", "workspace"}, {"resourceId", "w1"}};
  const auto run = occurrence("run.completed", data);
  EXPECT_EQ(run.line(), "workspace/w1");
  auto hook = webhook({"*"});
  hook.definition.resource_type = "workspace";
  hook.definition.resource_id = "w1";
  EXPECT_TRUE(wants(hook, run));
  hook.definition.resource_id = "w2";
  EXPECT_FALSE(wants(hook, run));
  auto by_type = webhook({"*"});
  by_type.definition.run_type = "workspace.create";
  EXPECT_TRUE(wants(by_type, run));
  EXPECT_FALSE(wants(by_type, occurrence("workspace.created")));
}

TEST(WebhookEvents, WhatWasBeforeTheEndpointIsNotTold) {
  auto hook = webhook({"*"});
  hook.since_seq = 7;
  EXPECT_FALSE(wants(hook, occurrence("run.failed")));
}

TEST(WebhookEvents, UnknownTypesAreRefusedWithThoseThatAreThere) {
  EXPECT_NO_THROW(validate_event_types("eventTypes", {"*", "run.*", "step.failed"}));
  for (const char* bad : {"", "run", "run.", "run.exploded", "**", "*.failed", "RUN.*", ".*"}) {
    try {
      validate_event_types("eventTypes", {"*", bad});
      ADD_FAILURE() << bad;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.details().at("field"), "eventTypes/1");
      EXPECT_GT(error.details().at("allowed").as_array().size(), 10u);
    }
  }
  EXPECT_THROW(validate_event_types("eventTypes", {}), base::Error);
}

// ---- what is sent

TEST(WebhookMessage, HasTheFormOfTheStandard) {
  const auto message =
      make_message(fleet::WebhookFormat::standard, occurrence("run.failed", json::Object{{"id", "run_1"}}), "7");
  EXPECT_EQ(message.body, R"({"type":"run.failed","timestamp":"2023-11-14T22:13:20.000Z","data":{"id":"run_1"}})");
  EXPECT_EQ(message.content_type, "application/json");
}

// WF-46
TEST(WebhookMessage, CanBeACloudEvent) {
  const auto message =
      make_message(fleet::WebhookFormat::cloudevents, occurrence("run.failed", json::Object{{"id", "run_1"}}), "7");
  const auto body = json::parse_value(message.body).as_object();
  EXPECT_EQ(body.at("specversion"), "1.0");
  EXPECT_EQ(body.at("id"), "7");
  EXPECT_EQ(body.at("type"), "run.failed");
  EXPECT_EQ(body.at("subject"), "run_1");
  EXPECT_EQ(body.at("data").at("id"), "run_1");
}

TEST(WebhookMessage, IsThin) {
  const json::Value large = json::Object{{"text", std::string(30'000, 'x')}};
  for (const auto format : {fleet::WebhookFormat::standard, fleet::WebhookFormat::cloudevents}) {
    const auto message = make_message(format, occurrence("run.failed", large), "7");
    EXPECT_LT(message.body.size(), 500u);
    EXPECT_EQ(json::parse_value(message.body).at("data").at("id"), "run_1");
  }
}

// The example of the Standard Webhooks specification's reference libraries.
TEST(WebhookMessage, IsSignedAsTheStandardSays) {
  EXPECT_EQ(sign(base::Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                 R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookMessage, SecretsHave32RandomBytes) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const auto secret = make_webhook_secret().reveal();
    ASSERT_TRUE(secret.starts_with("whsec_"));
    EXPECT_EQ(base::from_base64(secret.substr(6))->size(), 32u);
    EXPECT_TRUE(seen.insert(secret).second);
  }
}

TEST(AnswerExcerpt, IsStorableTextWhateverTheReceiverSaid) {
  EXPECT_EQ(excerpt("héllo", 100), "héllo");
  EXPECT_EQ(excerpt("hé", 2), "h");  // not half a letter
  EXPECT_EQ(excerpt(std::string_view("a\0b", 3), 10), "a?b");
  EXPECT_EQ(excerpt("a\xff\xfe", 10), "a??");
  EXPECT_EQ(excerpt(std::string(10'000, 'x'), 4'096).size(), 4'096u);
}

// ---- where it may go

TEST(WebhookTarget, OthersAreShownItsOriginOnly) {
  EXPECT_EQ(origin_of("https://Hooks.example.com/services/T0/secret?key=1"), "https://hooks.example.com");
  EXPECT_EQ(origin_of("http://[2606:4700::1111]:8080/x"), "http://[2606:4700::1111]:8080");
  EXPECT_EQ(without_query("https://example.com/hook?key=1"), "https://example.com/hook");
}

TEST(WebhookTarget, WhatCannotBeReachedIsRefusedBeforehand) {
  const net::AddressGuard guard;
  EXPECT_NO_THROW(validate_target("url", "https://example.com/hook?x=1", guard));
  EXPECT_NO_THROW(validate_target("url", "http://8.8.8.8:8080/", guard));
  for (const std::string url : {"",
                                "hook",
                                "ftp://example.com/",
                                "file:///etc/passwd",
                                "https://user@example.com/",
                                "https://u:p@example.com/",
                                "https://example.com/#x",
                                "http://127.0.0.1/",
                                "http://localhost/",
                                "http://a.localhost./",
                                "http://[::1]/",
                                "http://2130706433/",
                                "http://0x7f.1/",
                                "http://169.254.169.254/latest/meta-data",
                                "http://[::ffff:10.0.0.1]/",
                                "http://169.254.169.254./",
                                "http://0x7f.1./",
                                "http://localhost./",
                                "gopher://example.com",
                                "http://10.0.0.1/",
                                "http://[fe80::1%25eth0]/",
                                "javascript:alert(1)"}) {
    try {
      validate_target("url", url, guard);
      ADD_FAILURE() << url;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.details().at("field"), "url") << url;
    }
  }
  EXPECT_THROW(validate_target("url", "https://example.com/" + std::string(2'000, 'x'), guard), base::Error);
  EXPECT_NO_THROW(validate_target("url", "http://localhost:1/", net::AddressGuard(net::Reach::with_private)));
}

// ---- what follows from an answer

Delivery pending() { return {.id = base::DeliveryId("whd_1"), .created_at = kNow}; }

TEST(DeliveryJudge, OnlySuccessIsSuccess) {
  for (int status = 100; status < 600; ++status) {
    const auto judged = judge(pending(), {}, {.status = status}, kNow, 0);
    EXPECT_EQ(judged.delivery.status == DeliveryStatus::delivered, status >= 200 && status < 300) << status;
  }
  EXPECT_NE(judge(pending(), {}, {}, kNow, 0).delivery.status, DeliveryStatus::delivered);
}

// WF-45: up to a day, then the endpoint is disabled
TEST(DeliveryJudge, TriesForUpToADayAndThenDisables) {
  for (const double chance : {0.0, 0.5, 0.999}) {
    auto delivery = pending();
    WebhookHealth health;
    base::Instant now = kNow;
    std::string reason;
    int attempts = 0;
    while (reason.empty()) {
      auto judged = judge(delivery, health, {.status = 500}, now, chance);
      delivery = judged.delivery;
      health = judged.health;
      reason = judged.disable_reason;
      ++attempts;
      if (!reason.empty()) break;
      ASSERT_TRUE(delivery.due_at);
      EXPECT_GT(*delivery.due_at, now);
      now = *delivery.due_at;
    }
    EXPECT_EQ(attempts, int(kRetryPauses.size()) + 1);
    EXPECT_EQ(delivery.status, DeliveryStatus::failed);
    EXPECT_GT(now - kNow, 20h);
    EXPECT_LE(now - kNow, 24h);
  }
}

TEST(DeliveryJudge, AnEndpointThatTakesOtherMessagesIsNotDisabled) {
  auto delivery = pending();
  delivery.tries = std::int64_t(kRetryPauses.size());
  delivery.first_tried_at = kNow - 20h;
  const WebhookHealth health{.failures = 1, .failing_since = kNow - 1h};
  const auto judged = judge(delivery, health, {.status = 500}, kNow, 0);
  EXPECT_EQ(judged.delivery.status, DeliveryStatus::failed);
  EXPECT_EQ(judged.disable_reason, "");
}

// One failure, a hub that is down for a day, another failure: that is no receiver that has failed for a day
TEST(DeliveryJudge, AHubThatWasDownHasNotTried) {
  auto delivery = pending();
  WebhookHealth health;
  auto now = kNow;
  for (std::int64_t attempt = 1; attempt < kFailuresBeforeDisabled; ++attempt, now += 25h) {
    const auto judged = judge(delivery, health, {.status = 500}, now, 0);
    EXPECT_EQ(judged.disable_reason, "") << attempt;
    if (judged.delivery.due_at) delivery = judged.delivery;
    health = judged.health;
  }
  EXPECT_NE(judge(delivery, health, {.status = 500}, now, 0).disable_reason, "");
}

TEST(DeliveryJudge, AnEndpointThatFailedForADayIsDisabledWhateverTheDeliverysAge) {
  const WebhookHealth health{.failures = 300, .failing_since = kNow - 24h};
  EXPECT_NE(judge(pending(), health, {}, kNow, 0).disable_reason, "");
}

TEST(DeliveryJudge, GoneDisablesAtOnce) {
  const auto judged = judge(pending(), {}, {.status = 410}, kNow, 0);
  EXPECT_EQ(judged.delivery.status, DeliveryStatus::failed);
  EXPECT_NE(judged.disable_reason, "");
}

TEST(DeliveryJudge, RetryAfterIsObeyedWithinBounds) {
  const auto polite = judge(pending(), {}, {.status = 429, .retry_after = 60s}, kNow, 0);
  EXPECT_EQ(*polite.delivery.due_at, kNow + 60s);
  EXPECT_EQ(*polite.health.hold_until, kNow + 60s);
  const auto greedy = judge(pending(), {}, {.status = 503, .retry_after = 1000h}, kNow, 0);
  EXPECT_EQ(*greedy.delivery.due_at, kNow + kRetryAfterMax);
  const auto hasty = judge(pending(), {}, {.status = 503, .retry_after = 0s}, kNow, 0);
  EXPECT_EQ(*hasty.delivery.due_at, kNow + 5s);
  EXPECT_FALSE(judge(pending(), {}, {.status = 500}, kNow, 0).health.hold_until);
}

TEST(DeliveryJudge, ADeadEndpointIsTriedEverMoreSeldomAndForgivenAtOnce) {
  WebhookHealth health;
  for (int i = 0; i < 9; ++i) health = judge(pending(), health, {}, kNow, 0).health;
  EXPECT_FALSE(health.hold_until);
  health = judge(pending(), health, {}, kNow, 0).health;
  EXPECT_EQ(*health.hold_until, kNow + 5s);
  for (int i = 0; i < 100; ++i) health = judge(pending(), health, {}, kNow, 0).health;
  EXPECT_EQ(*health.hold_until, kNow + 5min);
  health = judge(pending(), health, {.status = 204}, kNow, 0).health;
  EXPECT_FALSE(health.hold_until);
  EXPECT_EQ(health.failures, 0);
}

TEST(DeliveryJudge, RetryAfterIsReadInBothForms) {
  EXPECT_EQ(parse_retry_after("120", kNow), 120s);
  EXPECT_EQ(parse_retry_after("Tue, 14 Nov 2023 22:14:20 GMT", kNow), 60s);
  EXPECT_EQ(parse_retry_after("Tue, 14 Nov 2022 22:14:20 GMT", kNow), 0s);
  for (const char* bad : {"", "-1", "soon", "12x", "99999999999"}) EXPECT_FALSE(parse_retry_after(bad, kNow)) << bad;
}

}  // namespace
}  // namespace slipway::notify
