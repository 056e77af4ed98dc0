#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kWaiting = R"({"id":"ws-ada-1","organizationId":"acme","userId":"ada",
  "userEmail":"ada@example.com","tier":"starter","machineType":"e2-medium","vcpus":2,"memoryGb":4,
  "bootDiskSizeGb":50,"config":"c","status":"creating","waitingFor":"quota","runId":"run_1",
  "createdAt":"2025-01-12T09:50:00.000Z"})";
constexpr const char* kRunning = R"({"id":"ws-bob-1","organizationId":"acme","userId":"bob",
  "userEmail":"bob@example.com","tier":"business","machineType":"n2-highmem-8","vcpus":8,"memoryGb":64,
  "bootDiskSizeGb":200,"config":"c","status":"running","gcpWorkstationId":"projects/p/ws-bob-1",
  "launchUrl":"https://bob.example.com","createdAt":"2025-01-12T09:00:00.000Z",
  "provisionedAt":"2025-01-12T09:01:00.000Z"})";
constexpr const char* kAccepted = R"({"workstation":{"id":"ws-bob-1"},
  "run":{"id":"run_2","type":"workstation.offboard","status":"pending"},"statusUrl":"/v1/workflows/runs/run_2"})";

std::string both() { return std::string("[") + kWaiting + "," + kRunning + "]"; }

TEST(WorkstationCommands, ListShowsWhoseTheyAreAndThatOneWaitsForQuota) {
  Bench bench;
  bench.hub.data("GET /v1/workstations?limit=200", both());
  EXPECT_EQ(bench.run({"workstations", "list"}), kOk);
  for (const auto* part : {"ws-ada-1", "waiting for quota", "starter", "acme", "ada", "10m", "ws-bob-1", "running"})
    EXPECT_THAT(bench.out, HasSubstr(part));
  EXPECT_THAT(bench.out, Not(HasSubstr("creating"))) << "what it waits for says more";
}

TEST(WorkstationCommands, ListAsksForWhatIsWanted) {
  Bench bench;
  bench.hub.data(
      "GET /v1/workstations?status=failed&tier=starter&organizationId=acme%20inc&userId=ada&waitingFor=quota&deleted="
      "true&limit=200",
      "[]");
  EXPECT_EQ(bench.run({"workstations", "ls", "--status", "failed", "--tier", "starter", "--organization", "acme inc",
                       "--user", "ada", "--waiting-for-quota", "--deleted"}),
            kOk);
  EXPECT_EQ(bench.out, "");
  EXPECT_EQ(bench.err, "No workstations.\n");
}

TEST(WorkstationCommands, JsonIsWhatTheHubSaid) {
  Bench bench;
  bench.hub.data("GET /v1/workstations?limit=200", both());
  bench.hub.data("GET /v1/workstations/ws-ada-1", kWaiting);
  EXPECT_EQ(bench.run({"workstations", "list", "-o", "json"}), kOk);
  EXPECT_EQ(json::parse_value(bench.out), json::parse_value(both()));
  EXPECT_EQ(bench.run({"workstations", "show", "ws-ada-1", "-o", "json"}), kOk);
  EXPECT_EQ(json::parse_value(bench.out), json::parse_value(kWaiting));
}

TEST(WorkstationCommands, ShowTellsTheMachineAndWhereItIsOpened) {
  Bench bench;
  bench.hub.data("GET /v1/workstations/ws-bob-1", kRunning);
  EXPECT_EQ(bench.run({"workstations", "show", "ws-bob-1"}), kOk);
  for (const auto* part : {"running", "bob <bob@example.com>", "n2-highmem-8, 8 vCPU, 64 GB, 200 GB disk",
                           "https://bob.example.com", "projects/p/ws-bob-1"})
    EXPECT_THAT(bench.out, HasSubstr(part));
}

TEST(WorkstationCommands, CreateSendsTheWholeOrderUnderItsKey) {
  Bench bench;
  bench.hub.data("POST /v1/workstations", R"({"workstationId":"ws-ada-1","run":{"id":"run_1"},"statusUrl":"/"})");
  EXPECT_EQ(bench.run({"workstations", "create", "--user", "ada", "--organization", "acme", "--email", "a@example.com",
                       "--env", "A=b=c", "--idempotency-key", "k-1", "--no-wait"}),
            kOk);
  const auto& call = bench.hub.call("POST /v1/workstations");
  EXPECT_EQ(json::parse_value(call.body),
            json::parse_value(R"({"userId":"ada","organizationId":"acme","tier":"starter","userEmail":"a@example.com",
                                  "environment":{"A":"b=c"}})"));
  EXPECT_EQ(testing::header(call, "Idempotency-Key"), "k-1");
  EXPECT_EQ(bench.out, "ws-ada-1 run run_1\n");
}

TEST(WorkstationCommands, DeleteAsksFirstAndNeedsToBeToldWhereNobodyCanBeAsked) {
  Bench bench;
  bench.hub.data("DELETE /v1/workstations/ws-bob-1", kAccepted);
  EXPECT_EQ(bench.run({"workstations", "delete", "ws-bob-1", "--no-wait"}), ExitCode::kUsage);
  EXPECT_THAT(bench.err, HasSubstr("--yes"));
  bench.has_terminal = true;
  bench.typed = "n\n";
  EXPECT_NE(bench.run({"workstations", "delete", "ws-bob-1", "--no-wait"}), kOk);
  EXPECT_THAT(bench.err, HasSubstr("nothing was deleted"));
  EXPECT_TRUE(bench.hub.calls.empty());
  bench.typed = "y\n";
  EXPECT_EQ(bench.run({"workstations", "delete", "ws-bob-1", "--no-wait"}), kOk);
  bench.has_terminal = false;
  EXPECT_EQ(bench.run({"workstations", "rm", "ws-bob-1", "--yes", "--no-wait"}), kOk);
  EXPECT_EQ(bench.out, "ws-bob-1 run run_2\n");
  EXPECT_EQ(bench.hub.count("DELETE /v1/workstations/ws-bob-1"), 2);
}

TEST(WorkstationCommands, MoveAndStopAndStartSayWhichRunDoesIt) {
  Bench bench;
  bench.hub.data("PATCH /v1/workstations/ws-bob-1", kAccepted);
  bench.hub.data("POST /v1/workstations/ws-bob-1/stop", kAccepted);
  bench.hub.data("POST /v1/workstations/ws-bob-1/start", kAccepted);
  EXPECT_EQ(bench.run({"workstations", "move", "ws-bob-1", "--tier", "enterprise", "--no-wait"}), kOk);
  EXPECT_EQ(bench.hub.call("PATCH /v1/workstations/ws-bob-1").body, R"({"tier":"enterprise"})");
  for (const auto* verb : {"stop", "start"}) {
    EXPECT_EQ(bench.run({"workstations", verb, "ws-bob-1", "--no-wait"}), kOk);
    EXPECT_EQ(bench.out, "ws-bob-1 run run_2\n");
  }
}

TEST(WorkstationCommands, TokenPrintsNothingElse) {
  Bench bench;
  bench.hub.data("POST /v1/workstations/ws-bob-1/access-token",
                 R"({"accessToken":"abc","expiresAt":"2025-01-12T11:00:00.000Z"})");
  EXPECT_EQ(bench.run({"workstations", "token", "ws-bob-1", "--ttl", "15m", "--port", "8080"}), kOk);
  EXPECT_EQ(bench.out, "abc\n");
  EXPECT_EQ(json::parse_value(bench.hub.call("POST /v1/workstations/ws-bob-1/access-token").body),
            json::parse_value(R"({"ttlMs":900000,"port":8080})"));
  EXPECT_EQ(bench.run({"workstations", "token", "ws-bob-1", "--ttl", "soon"}), ExitCode::kUsage);
}

TEST(WorkstationCommands, TiersTellWhatIsThereWithoutWhatWasTakenAway) {
  Bench bench;
  bench.hub.data("GET /v1/tiers", R"([{"name":"starter","machineType":"e2-medium","vcpus":2,"memoryGb":4,"diskGb":50,
    "monthlyCostUsd":29,"workstations":{"running":3,"stopped":4,"deleted":90}}])");
  EXPECT_EQ(bench.run({"workstations", "tiers"}), kOk);
  EXPECT_THAT(bench.out, ::testing::ContainsRegex("starter +e2-medium +2 +4 GB +50 GB +\\$29 +3 +7"));
}

TEST(WorkstationCommands, OrganizationsAreListedAndSet) {
  Bench bench;
  bench.hub.data("GET /v1/organizations?limit=200", R"([{"id":"acme","workstationCount":7,"cluster":"main"}])");
  bench.hub.data("PUT /v1/organizations/acme", R"({"id":"acme","workstationCount":7,"cluster":"own","network":"n"})");
  EXPECT_EQ(bench.run({"organizations", "list"}), kOk);
  EXPECT_THAT(bench.out, ::testing::ContainsRegex("acme +7 +main"));
  EXPECT_EQ(bench.run({"orgs", "set", "acme", "--cluster", "own", "--network", "n"}), kOk);
  EXPECT_EQ(bench.hub.call("PUT /v1/organizations/acme").body, R"({"cluster":"own","network":"n"})");
}

TEST(WorkstationCommands, TheirIdsAndOrganizationsAreCompleted) {
  Bench bench;
  bench.hub.data("GET /v1/workstations?limit=100", both());
  bench.hub.data("GET /v1/organizations?limit=100", R"([{"id":"acme"}])");
  EXPECT_EQ(bench.run({"__complete", "--words", "workstations", "stop", "ws-"}), kOk);
  EXPECT_EQ(bench.out, "ws-ada-1\nws-bob-1\n");
  EXPECT_EQ(bench.run({"__complete", "--words", "workstations", "list", "--organization", ""}), kOk);
  EXPECT_EQ(bench.out, "acme\n");
  EXPECT_EQ(bench.run({"__complete", "--words", "workstations", "list", "--status", "cre"}), kOk);
  EXPECT_EQ(bench.out, "creating\n");
}

}  // namespace
}  // namespace slipway::app::cli
