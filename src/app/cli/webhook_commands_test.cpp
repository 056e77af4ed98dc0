// The command line for webhooks against a hub that a test plays.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;

constexpr const char* kHook =
    R"({"id":"whe_1","url":"https://example.com/hook","description":"","eventTypes":["run.*"],"scope":"own",)"
    R"("ordered":true,"format":"standard","status":"disabled","statusReason":"it answered 410 Gone","failures":3,)"
    R"("secret":"whsec_abc","version":1,"createdAt":"2025-01-12T10:00:00Z","updatedAt":"2025-01-12T10:00:00Z"})";
constexpr const char* kDelivery =
    R"({"id":"whd_1","webhookId":"whe_1","eventType":"run.failed","resource":"workspace/w1","status":"pending",)"
    R"("waitsFor":"turn","attemptCount":2,"lastStatus":503,"createdAt":"2025-01-12T10:00:00Z"})";

TEST(WebhookCommands, CreateSendsWhatWasGivenAndShowsTheSecret) {
  Bench bench;
  bench.hub.data("POST /v1/webhooks", kHook);
  EXPECT_EQ(bench.run({"webhooks", "create", "https://example.com/hook", "--events", "run.failed,workspace.*",
                       "--ordered", "--format", "cloudevents"}),
            kOk);
  EXPECT_EQ(json::parse_value(bench.hub.call("POST /v1/webhooks").body),
            json::parse_value(R"({"url":"https://example.com/hook","eventTypes":["run.failed","workspace.*"],)"
                              R"("format":"cloudevents","ordered":true})"));
  EXPECT_THAT(bench.out, HasSubstr("whsec_abc"));
}

TEST(WebhookCommands, UpdateSendsOnlyWhatIsNamedAndEmptyTakesAway) {
  Bench bench;
  bench.hub.data("PATCH /v1/webhooks/whe_1", kHook);
  EXPECT_EQ(bench.run({"webhooks", "update", "whe_1", "--run-type", "", "--unordered"}), kOk);
  EXPECT_EQ(json::parse_value(bench.hub.call("PATCH /v1/webhooks/whe_1").body),
            json::parse_value(R"({"runType":null,"ordered":false})"));
}

TEST(WebhookCommands, ShowTellsWhyItIsDisabled) {
  Bench bench;
  bench.hub.data("GET /v1/webhooks/whe_1", kHook);
  EXPECT_EQ(bench.run({"webhooks", "show", "whe_1"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("disabled: it answered 410 Gone"));
  EXPECT_THAT(bench.out, HasSubstr("3 in a row"));
}

TEST(WebhookCommands, RotatePausePingResumeRedeliverDelete) {
  Bench bench;
  bench.hub.data("POST /v1/webhooks/whe_1/rotate-secret", kHook);
  bench.hub.data("POST /v1/webhooks/whe_1/pause", kHook);
  bench.hub.data("POST /v1/webhooks/whe_1/resume", kHook);
  bench.hub.data("POST /v1/webhooks/whe_1/ping", kDelivery);
  bench.hub.data("POST /v1/webhooks/whe_1/deliveries/whd_1/redeliver", kDelivery);
  bench.hub.data("POST /v1/webhooks/whe_1/recover", R"({"count":7})");
  bench.hub.data("DELETE /v1/webhooks/whe_1", R"({"id":"whe_1"})");
  EXPECT_EQ(bench.run({"webhooks", "rotate-secret", "whe_1", "--grace", "1h"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/webhooks/whe_1/rotate-secret").body, R"({"graceMs":3600000})");
  EXPECT_EQ(bench.run({"webhooks", "rotate-secret", "whe_1", "--grace", "never"}), ExitCode::kUsage);
  EXPECT_EQ(bench.run({"webhooks", "pause", "whe_1", "--reason", "x"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/webhooks/whe_1/pause").body, R"({"reason":"x"})");
  EXPECT_EQ(bench.run({"webhooks", "resume", "whe_1"}), kOk);
  EXPECT_EQ(bench.run({"webhooks", "ping", "whe_1"}), kOk);
  EXPECT_EQ(bench.out, "Delivery whd_1 is sent.\n");
  EXPECT_EQ(bench.run({"webhooks", "redeliver", "whe_1", "whd_1"}), kOk);
  EXPECT_EQ(bench.out, "Delivery whd_1 is sent again.\n");
  EXPECT_EQ(bench.run({"webhooks", "recover", "whe_1", "--since", "2025-01-12"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/webhooks/whe_1/recover").body, R"({"since":"2025-01-12T00:00:00.000Z"})");
  EXPECT_EQ(bench.out, "7 deliveries are sent again.\n");
  EXPECT_EQ(bench.run({"webhooks", "delete", "whe_1"}), kOk);
  EXPECT_EQ(bench.out, "Webhook whe_1 is deleted.\n");
}

TEST(WebhookCommands, DeliveryShowsEveryAttempt) {
  Bench bench;
  bench.hub.data(
      "GET /v1/webhooks/whe_1/deliveries/whd_1",
      R"({"delivery":)" + std::string(kDelivery) +
          R"(,"request":{"url":"https://example.com/hook","headers":{},"body":"{}"},"attempts":[)"
          R"({"number":1,"at":"2025-01-12T10:00:00Z","durationMs":12,"error":{"code":"TIMEOUT","message":"m"}},)"
          R"({"number":2,"at":"2025-01-12T10:00:05Z","durationMs":3,)"
          R"("response":{"status":503,"headers":{},"body":"busy"}}]})");
  EXPECT_EQ(bench.run({"webhooks", "delivery", "whe_1", "whd_1"}), kOk);
  for (const char* text : {"run.failed", "TIMEOUT", "503", "busy"}) EXPECT_THAT(bench.out, HasSubstr(text));
}

}  // namespace
}  // namespace slipway::app::cli
