#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;

constexpr const char* kBuilds = R"({"name":"builds","concurrency":20,"rate":{"count":10,"periodMs":60000},
  "waiting":2,"admitted":20,"waitingSince":"2025-01-12T09:50:00.000Z",
  "paused":{"at":"2025-01-12T09:00:00.000Z","by":"usr_1","reason":"maintenance"},
  "keys":[{"key":"usr_2","waiting":2,"admitted":3,"waitingSince":"2025-01-12T09:50:00.000Z"}]})";

TEST(QueueCommands, SetSendsTheWholeOfTheLimits) {
  Bench bench;
  bench.hub.data("PUT /v1/queues/builds", kBuilds);
  EXPECT_EQ(bench.run({"queues", "set", "builds", "--concurrency", "20", "--rate", "10/1m"}), kOk);
  EXPECT_EQ(json::parse_value(bench.hub.call("PUT /v1/queues/builds").body),
            json::parse_value(R"({"concurrency":20,"rate":{"count":10,"periodMs":60000}})"));
}

TEST(QueueCommands, ARateThatIsNoneIsWrongUsage) {
  for (const char* rate : {"10", "10/", "/1m", "x/1m", "10/never"}) {
    Bench bench;
    EXPECT_EQ(bench.run({"queues", "set", "builds", "--rate", rate}), ExitCode::kUsage) << rate;
    EXPECT_TRUE(bench.hub.calls.empty());
  }
}

TEST(QueueCommands, ShowTellsWhoWaitsAndWhy) {
  Bench bench;
  bench.hub.data("GET /v1/queues/builds", kBuilds);
  EXPECT_EQ(bench.run({"queues", "show", "builds"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("2, the longest for 10m"));
  EXPECT_THAT(bench.out, HasSubstr("10/1m"));
  EXPECT_THAT(bench.out, HasSubstr("by usr_1: maintenance"));
  EXPECT_THAT(bench.out, HasSubstr("usr_2"));
}

TEST(QueueCommands, PauseAndResumeAndDelete) {
  Bench bench;
  bench.hub.data("PATCH /v1/queues/builds", kBuilds);
  bench.hub.data("DELETE /v1/queues/builds", R"({"name":"builds"})");
  EXPECT_EQ(bench.run({"queues", "pause", "builds", "--reason", "why not"}), kOk);
  EXPECT_EQ(bench.hub.call("PATCH /v1/queues/builds").body, R"({"paused":true,"reason":"why not"})");
  EXPECT_EQ(bench.run({"queues", "resume", "builds"}), kOk);
  EXPECT_EQ(bench.hub.call("PATCH /v1/queues/builds").body, R"({"paused":false})");
  EXPECT_EQ(bench.run({"queues", "delete", "builds"}), kOk);
  EXPECT_EQ(bench.out, "Queue builds is deleted.\n");
}

}  // namespace
}  // namespace slipway::app::cli
