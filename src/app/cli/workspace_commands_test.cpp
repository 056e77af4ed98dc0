#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;
using testing::header;
using ::testing::Not;

constexpr const char* kHello =
    R"({"id":"w1","name":"hello","owner_id":"usr_1","provider":"sandbox","machine_type":"small",
  "status":"READY","created_at":"2025-01-12T07:00:00.000Z","metadata":{}})";
constexpr const char* kRunning = R"({"id":"run_1","type":"workspace.create","status":"running","progress":50,
  "completedAt":null,"durationMs":null,"steps":[{"name":"validate","status":"completed","durationMs":3,"attempts":1},
  {"name":"create-machine","status":"running","startedAt":"2025-01-12T10:00:00Z","attempts":1}]})";
constexpr const char* kDone = R"({"id":"run_1","type":"workspace.create","status":"completed","progress":100,
  "durationMs":800,"steps":[{"name":"validate","status":"completed","durationMs":3,"attempts":1},
  {"name":"create-machine","status":"completed","durationMs":700,"attempts":1}]})";
constexpr const char* kBroken = R"({"id":"run_1","type":"workspace.create","status":"failed","durationMs":800,
  "error":{"code":"QUOTA_EXCEEDED","message":"no room","step":"create-machine"},
  "steps":[{"name":"validate","status":"compensated","attempts":1},
  {"name":"create-machine","status":"failed","attempts":3,"error":{"code":"QUOTA_EXCEEDED","message":"no room"}}]})";
constexpr const char* kRunTarget = "GET /v1/workflows/runs/run_1";
constexpr const char* kEventsTarget = "GET /v1/workflows/runs/run_1/events";

std::string accepted(const std::string& run) {
  return std::string(R"({"workspace":)") + kHello + R"(,"run":)" + run + R"(,"statusUrl":"/v1/workflows/runs/run_1"})";
}

void script_create(Bench& bench, const char* end) {
  bench.hub.data("POST /v1/workspaces", accepted(kRunning));
  bench.hub.data(kRunTarget, kRunning);
  bench.hub.data(kRunTarget, end);
  bench.hub.answer(kEventsTarget, Answer{200, "id: 7\nevent: run_ended\ndata: {}\n\n"});
}

TEST(WorkspaceCreate, SendsWhatWasAskedForAndNothingElse) {
  Bench bench;
  bench.hub.data("POST /v1/workspaces", accepted(kRunning));
  EXPECT_EQ(bench.run({"workspace", "create", "hello", "--machine-type", "large", "--repo", "r", "--env", "A=1",
                       "--env", "B=x=y", "--no-wait"}),
            kOk);
  const Call& call = bench.hub.call("POST /v1/workspaces");
  EXPECT_EQ(json::parse_value(call.body), json::parse_value(R"({"name":"hello","machine_type":"large",
    "metadata":{"repo":"r"},"environment":{"A":"1","B":"x=y"}})"));
  EXPECT_EQ(header(call, "Authorization"), "Bearer slk_test");
  EXPECT_EQ(header(call, "Idempotency-Key").size(), 22u);
  EXPECT_EQ(bench.out, "run run_1\n");
}

constexpr const char* kBuilding = R"({"id":"run_1","type":"workspace.build","status":"running","steps":[]})";
constexpr const char* kBuilt = R"({"id":"run_1","type":"workspace.build","status":"completed","durationMs":800,
  "steps":[]})";

TEST(WorkspaceCreate, FromATemplateShowsTheLogOfItsBuild) {
  Bench bench;
  bench.hub.data("POST /v1/workspaces", accepted(kBuilding));
  bench.hub.data(kRunTarget, kBuilding);
  bench.hub.data(kRunTarget, kBuilding);
  bench.hub.data(kRunTarget, kBuilt);
  bench.hub.data("GET /v1/jobs?owner=all&runId=run_1", "[]");
  bench.hub.data("GET /v1/jobs?owner=all&runId=run_1", R"([{"id":"job_1"}])");
  bench.hub.data("GET /v1/jobs/job_1", "{}");
  bench.hub.answer("GET /v1/jobs/job_1/logs",
                   Answer{200,
                          "event: log\nid: 0\ndata: {\"level\":\"info\",\"stage\":\"Planning\",\"output\":\"one\"}\n\n"
                          "event: end\ndata: {\"status\":\"succeeded\"}\n\n"});
  EXPECT_EQ(bench.run({"workspace", "create", "hello", "--template", "box"}), kOk);
  EXPECT_EQ(bench.err, "==> Planning\n    one\n");
  EXPECT_THAT(bench.out, HasSubstr("Workspace hello is ready (800ms)."));
}

TEST(WorkspaceDelete, OfAWorkspaceThatNothingWasBuiltForEndsWithoutAJob) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?name=hello", std::string("[") + kHello + "]");
  bench.hub.data("DELETE /v1/workspaces/w1", accepted(kBuilding));
  bench.hub.data(kRunTarget, kBuilt);
  EXPECT_EQ(bench.run({"workspace", "delete", "hello", "--yes"}), kOk);
  EXPECT_EQ(bench.err, "");
}

TEST(WorkspaceCreate, ShowsStepsAsLinesWithoutATerminal) {
  Bench bench;
  script_create(bench, kDone);
  EXPECT_EQ(bench.run({"ws", "create", "hello"}), kOk);
  EXPECT_EQ(bench.err, "validate: completed in 3ms\ncreate-machine: running\ncreate-machine: completed in 700ms\n");
  EXPECT_EQ(bench.out, "Workspace hello is ready (800ms). Get in with: slipway ssh hello\n");
}

TEST(WorkspaceCreate, DrawsStepsInPlaceOnATerminal) {
  Bench bench;
  bench.has_terminal = true;
  bench.environment["LANG"] = "C.UTF-8";
  script_create(bench, kDone);
  EXPECT_EQ(bench.run({"workspace", "create", "hello"}), kOk);
  EXPECT_THAT(bench.err, HasSubstr("\x1b[3A"));  // back up over the axis and both steps
  EXPECT_THAT(bench.err, HasSubstr("\x1b[32m✓\x1b[0m create-machine"));
}

TEST(WorkspaceCreate, ExitsWithOneAndSaysWhereItFailed) {
  Bench bench;
  script_create(bench, kBroken);
  EXPECT_EQ(bench.run({"workspace", "create", "hello"}), ExitCode::kFailed);
  EXPECT_THAT(bench.err,
              HasSubstr("slipway: workspace.create failed at create-machine after 800ms: QUOTA_EXCEEDED: no room"));
  EXPECT_EQ(bench.out, "");
}

TEST(WorkspaceCreate, JsonHasTheEndOfTheRunAndTheWorkspace) {
  Bench bench;
  script_create(bench, kDone);
  bench.hub.data("GET /v1/workspaces/w1", kHello);
  EXPECT_EQ(bench.run({"workspace", "create", "hello", "-o", "json"}), kOk);
  const json::Value printed = json::parse_value(bench.out);
  EXPECT_EQ(printed.at("run").at("status").as_string(), "completed");
  EXPECT_EQ(printed.at("workspace").at("status").as_string(), "READY");
  EXPECT_EQ(bench.err, "");
}

// The same create twice after a lost answer: one workspace (issue: bad days).
TEST(WorkspaceCreate, RepeatsALostRequestUnderTheSameKey) {
  Bench bench;
  bench.hub.lose("POST /v1/workspaces");
  bench.hub.fail("POST /v1/workspaces", 409, "IDEMPOTENCY_KEY_IN_PROGRESS", "still at work");
  bench.hub.fail("POST /v1/workspaces", 503, "STORE_UNAVAILABLE", "no database");
  bench.hub.data("POST /v1/workspaces", accepted(kRunning));
  EXPECT_EQ(bench.run({"workspace", "create", "hello", "--no-wait"}), kOk);
  ASSERT_EQ(bench.hub.calls.size(), 4u);
  for (const Call& call : bench.hub.calls)
    EXPECT_EQ(header(call, "Idempotency-Key"), header(bench.hub.calls[0], "Idempotency-Key"));
  EXPECT_THAT(bench.err, HasSubstr("trying again"));
}

TEST(WorkspaceCreate, GivesUpAfterItsPatience) {
  Bench bench;
  bench.hub.lose("POST /v1/workspaces");
  const base::Instant began = bench.clock.at;
  EXPECT_EQ(bench.run({"workspace", "create", "hello"}), kUnreachable);
  EXPECT_LE(bench.clock.at - began, kPatience);
  EXPECT_GT(bench.clock.at - began, kPatience / 2);
  EXPECT_THAT(bench.err, HasSubstr("hint: is the hub running?"));
}

TEST(WorkspaceCreate, FollowsTheRunOverALostStream) {
  Bench bench;
  bench.hub.data("POST /v1/workspaces", accepted(kRunning));
  bench.hub.data(kRunTarget, kRunning);
  bench.hub.data(kRunTarget, kRunning);
  bench.hub.data(kRunTarget, kRunning);
  bench.hub.data(kRunTarget, kDone);
  bench.hub.answer(kEventsTarget, Answer{200, "id: 3\ndata: {}\n\n"});
  bench.hub.lose(kEventsTarget);
  EXPECT_EQ(bench.run({"workspace", "create", "hello"}), kOk);
  EXPECT_EQ(header(bench.hub.call(kEventsTarget), "Last-Event-ID"), "3");
}

TEST(WorkspaceCreate, RefusesAnEnvironmentThatIsNone) {
  Bench bench;
  EXPECT_EQ(bench.run({"workspace", "create", "hello", "--env", "NOVALUE"}), kUsage);
  EXPECT_THAT(bench.err, HasSubstr("'NOVALUE' is not of the form NAME=VALUE"));
  EXPECT_TRUE(bench.hub.calls.empty());
}

TEST(WorkspaceList, IsATableForPeople) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?limit=200", std::string("[") + kHello + "]");
  EXPECT_EQ(bench.run({"workspace", "list"}), kOk);
  EXPECT_EQ(bench.out,
            "NAME   STATUS  MACHINE        AGE  LAST CONNECTED\n"
            "hello  READY   sandbox/small  3h   never\n");
}

TEST(WorkspaceList, PrintsTheDataAsItIsInJson) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?status=READY&limit=200", std::string("[") + kHello + "]");
  EXPECT_EQ(bench.run({"workspace", "list", "--status", "READY", "--output", "json"}), kOk);
  EXPECT_EQ(json::parse_value(bench.out), json::parse_value(std::string("[") + kHello + "]"));
}

TEST(WorkspaceList, ReadsAllPages) {
  Bench bench;
  bench.hub.answer("GET /v1/workspaces?limit=200", Answer{200, std::string(R"({"success":true,"data":[)") + kHello +
                                                                   R"(],"meta":{"pagination":{"nextCursor":"a b"}}})"});
  bench.hub.data("GET /v1/workspaces?limit=200&cursor=a%20b", std::string("[") + kHello + "]");
  EXPECT_EQ(bench.run({"workspace", "list", "-o", "json"}), kOk);
  EXPECT_EQ(json::parse_value(bench.out).as_array().size(), 2u);
}

TEST(WorkspaceList, ShowsNoControlCharactersOfOthers) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?limit=200",
                 R"([{"id":"w","name":"a\u001b[2Jb","owner_id":"u","provider":"\u009bq","status":"READY"}])");
  EXPECT_EQ(bench.run({"workspace", "list"}), kOk);
  EXPECT_THAT(bench.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(bench.out, HasSubstr("a?[2Jb"));
}

TEST(WorkspaceShow, ResolvesTheName) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?name=hello", std::string("[") + kHello + "]");
  bench.hub.data("GET /v1/workspaces/w1", kHello);
  bench.hub.data("GET /v1/workspaces/w1/status", R"({"explanation":"the machine runs"})");
  EXPECT_EQ(bench.run({"workspace", "show", "hello"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("Now        the machine runs\n"));
}

TEST(WorkspaceShow, TakesAnIdAsItIs) {
  Bench bench;
  const std::string target = "GET /v1/workspaces/01941f29-7c00-7000-8000-000000000001";
  bench.hub.data(target, kHello);
  EXPECT_EQ(bench.run({"workspace", "show", "01941f29-7c00-7000-8000-000000000001", "-o", "json"}), kOk);
}

TEST(WorkspaceShow, AnUnknownNameIsNotFound) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?name=list", "[]");
  EXPECT_EQ(bench.run({"workspace", "show", "list"}), kNotFound);  // a name that is also a command
  EXPECT_THAT(bench.err, HasSubstr("slipway: there is no workspace 'list'"));
}

TEST(WorkspaceStop, AsksForTheModeThatWasMeant) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?name=hello", std::string("[") + kHello + "]");
  bench.hub.data("POST /v1/workspaces/w1/stop", accepted(kRunning));
  EXPECT_EQ(bench.run({"workspace", "stop", "hello", "--suspend", "--no-wait"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/workspaces/w1/stop").body, R"({"mode":"suspend"})");
}

TEST(WorkspaceDelete, RefusesWithoutATerminalToAskOn) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?name=hello", std::string("[") + kHello + "]");
  EXPECT_EQ(bench.run({"workspace", "delete", "hello"}), kUsage);
  EXPECT_THAT(bench.err, HasSubstr("--yes"));
}

TEST(WorkspaceDelete, DeletesNothingWithoutAYes) {
  Bench bench;
  bench.has_terminal = true;
  bench.typed = "n\n";
  bench.hub.data("GET /v1/workspaces?name=hello", std::string("[") + kHello + "]");
  EXPECT_EQ(bench.run({"workspace", "delete", "hello"}), ExitCode::kFailed);
  EXPECT_EQ(bench.hub.calls.size(), 1u);
}

TEST(WorkspaceDelete, WaitsForTheEnd) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?name=hello", std::string("[") + kHello + "]");
  bench.hub.data("DELETE /v1/workspaces/w1", accepted(kRunning));
  bench.hub.data(kRunTarget, kDone);
  EXPECT_EQ(bench.run({"workspace", "delete", "hello", "--yes"}), kOk);
  EXPECT_EQ(bench.out, "Workspace hello is deleted.\n");
  EXPECT_FALSE(header(bench.hub.call("DELETE /v1/workspaces/w1"), "Idempotency-Key").empty());
}

}  // namespace
}  // namespace slipway::app::cli
