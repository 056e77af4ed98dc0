#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;

constexpr const char* kPending = R"({"id":"job_1","type":"template_import","status":"pending",
  "provisioner":"terraform","priority":"person","tags":{"kind":"gpu"},"requestedByName":"alice","runId":"run_1",
  "attempt":0,"attemptsMax":3,"deadLetter":false,"logLines":0,"createdAt":"2025-01-12T09:50:00.000Z",
  "pending":{"reason":"tags_missing","ahead":2,"explanation":"the nearest, 'office', lacks kind=gpu","daemons":[]}})";

TEST(JobCommands, ShowTellsWhyAJobWaits) {
  Bench bench;
  bench.hub.data("GET /v1/jobs/job_1", kPending);
  EXPECT_EQ(bench.run({"jobs", "show", "job_1"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("the nearest, 'office', lacks kind=gpu"));
  EXPECT_THAT(bench.out, HasSubstr("kind=gpu"));
  EXPECT_THAT(bench.out, HasSubstr("0 of 3"));
}

TEST(JobCommands, LogsAreReadPageByPageWithAHeadForEachStage) {
  Bench bench;
  bench.hub.data("GET /v1/jobs/job_1/logs?limit=1000&after=-1",
                 R"({"lines":[{"number":0,"level":"info","stage":"Parsing","output":"one"},
                     {"number":1,"level":"info","stage":"Parsing","output":"two"}],"next":1,"hasMore":true})");
  bench.hub.data("GET /v1/jobs/job_1/logs?limit=1000&after=1",
                 R"({"lines":[{"number":8,"level":"info","stage":"","output":"7 lines were left out here",
                      "leftOut":7},
                     {"number":9,"level":"error","stage":"Planning","output":"ten\u001b[2J"}],
                     "next":9,"hasMore":false})");
  EXPECT_EQ(bench.run({"jobs", "logs", "job_1"}), kOk);
  EXPECT_EQ(bench.out, "==> Parsing\none\ntwo\n7 lines were left out here\n==> Planning\nten?[2J\n");
}

TEST(JobCommands, AFollowedLogGivesUpOnAHubThatStaysAway) {
  Bench bench;
  bench.hub.data("GET /v1/jobs/job_1", "{}");
  bench.hub.lose("GET /v1/jobs/job_1/logs");
  EXPECT_EQ(bench.run({"jobs", "logs", "--follow", "job_1"}), ExitCode::kUnreachable);
  EXPECT_GT(bench.sleeps, 1);
}

TEST(JobCommands, AJobIsCancelled) {
  Bench bench;
  bench.hub.data("POST /v1/jobs/job_1/cancel", kPending);
  EXPECT_EQ(bench.run({"jobs", "cancel", "job_1"}), kOk);
  EXPECT_EQ(bench.hub.count("POST /v1/jobs/job_1/cancel"), 1u);
}

TEST(DaemonCommands, AKeyIsMadeForTagsAndAloneOnStdout) {
  Bench bench;
  bench.hub.data("POST /v1/daemon-keys",
                 R"({"id":"dky_1","name":"gpus","createdAt":"2025-01-12T09:50:00.000Z","key":"sld_secret"})");
  EXPECT_EQ(bench.run({"daemons", "keys", "create", "gpus", "--tag", "kind=gpu", "--tag", "zone=a=b"}), kOk);
  EXPECT_EQ(bench.out, "sld_secret\n");
  EXPECT_EQ(json::parse_value(bench.hub.call("POST /v1/daemon-keys").body),
            json::parse_value(R"({"name":"gpus","tags":{"kind":"gpu","zone":"a=b"}})"));
}

TEST(DaemonCommands, ATagThatIsNoneIsWrongUsage) {
  Bench bench;
  EXPECT_EQ(bench.run({"daemons", "keys", "create", "gpus", "--tag", "gpu"}), ExitCode::kUsage);
  EXPECT_TRUE(bench.hub.calls.empty());
}

}  // namespace
}  // namespace slipway::app::cli
