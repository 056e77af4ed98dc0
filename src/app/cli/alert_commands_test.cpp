#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using ::testing::AllOf;
using testing::Bench;
using ::testing::HasSubstr;

constexpr const char* kQuota = R"({"id":"alr_1","kind":"workstation.quota","severity":"warning","state":"acknowledged",
  "resourceType":"workstation","resourceId":"ws-1","runId":"run_1","message":"no CPUs are left","details":{},"count":3,
  "raisedAt":"2025-01-12T09:00:00.000Z","lastRaisedAt":"2025-01-12T09:50:00.000Z",
  "acknowledgedAt":"2025-01-12T09:55:00.000Z","acknowledgedBy":"usr_1","note":"asked for more","version":2})";

TEST(AlertCommands, ListAsksForWhatIsNotResolved) {
  Bench bench;
  bench.hub.data("GET /v1/alerts?limit=50", "[" + std::string(kQuota) + "]");
  EXPECT_EQ(bench.run({"alerts", "list"}), kOk);
  EXPECT_THAT(bench.out, AllOf(HasSubstr("workstation/ws-1"), HasSubstr("no CPUs are left"), HasSubstr("60m")));
}

TEST(AlertCommands, ListPassesItsFiltersOn) {
  Bench bench;
  bench.hub.data("GET /v1/alerts?limit=7&state=open%2Cacknowledged%2Cresolved&severity=critical&kind=mail.failed",
                 "[]");
  EXPECT_EQ(bench.run({"alerts", "list", "--all", "--severity", "critical", "--kind", "mail.failed", "--limit", "7"}),
            kOk);
}

TEST(AlertCommands, ShowTellsHowOftenAndWhoLooksAfterIt) {
  Bench bench;
  bench.hub.data("GET /v1/alerts/alr_1", kQuota);
  EXPECT_EQ(bench.run({"alerts", "show", "alr_1"}), kOk);
  EXPECT_THAT(bench.out, AllOf(HasSubstr("3 times, the first 60m ago, the last 10m ago"), HasSubstr("usr_1, 5m ago"),
                               HasSubstr("asked for more"), HasSubstr("run_1")));
}

TEST(AlertCommands, AckAndResolveSendTheNote) {
  Bench bench;
  bench.hub.data("POST /v1/alerts/alr_1/acknowledge", kQuota);
  bench.hub.data("POST /v1/alerts/alr_1/resolve", kQuota);
  EXPECT_EQ(bench.run({"alerts", "ack", "alr_1", "--note", "on it"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/alerts/alr_1/acknowledge").body, R"({"note":"on it"})");
  EXPECT_EQ(bench.run({"alerts", "resolve", "alr_1"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/alerts/alr_1/resolve").body, "{}");
}

}  // namespace
}  // namespace slipway::app::cli
