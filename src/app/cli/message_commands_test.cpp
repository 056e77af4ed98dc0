#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;

constexpr const char* kRefused = R"({"id":"msg_1","subscription":"projects/demo/subscriptions/orders",
  "messageId":"77","outcome":"refused","deliveries":2,"receivedAt":"2025-01-12T09:50:00.000Z",
  "reason":"unknown_tier","explanation":"tier: 'gold' is none","data":"{\"tier\":\"gold\"}",
  "attributes":{"origin":"checkout"}})";
constexpr const char* kAccepted = R"({"message":{},"run":{"id":"run_1"},"statusUrl":"/v1/workflows/runs/run_1"})";

TEST(MessageCommands, ShowTellsWhatCameAndWhyItWasRefused) {
  Bench bench;
  bench.hub.data("GET /v1/messages/msg_1", kRefused);
  EXPECT_EQ(bench.run({"messages", "show", "msg_1"}), kOk);
  for (const auto* part : {"unknown_tier", "'gold' is none", "origin=checkout", "2 times, first 10m ago", "77"})
    EXPECT_THAT(bench.out, HasSubstr(part));
}

TEST(MessageCommands, ReplaySendsTheCorrectedOrder) {
  Bench bench;
  bench.hub.data("POST /v1/messages/msg_1/replay", kAccepted);
  bench.typed = R"({"tier":"starter"})";
  EXPECT_EQ(bench.run({"messages", "replay", "msg_1", "--order", "-"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/messages/msg_1/replay").body, R"({"data":{"tier":"starter"}})");
  EXPECT_EQ(bench.out, "Run run_1 does it.\n");
}

TEST(MessageCommands, ReplayNeedsAMessageOrAll) {
  Bench bench;
  EXPECT_EQ(bench.run({"messages", "replay"}), ExitCode::kUsage);
  EXPECT_EQ(bench.run({"messages", "replay", "msg_1", "--all-refused"}), ExitCode::kUsage);
  EXPECT_TRUE(bench.hub.calls.empty());
}

}  // namespace
}  // namespace slipway::app::cli
