#include "app/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "app/cli/command_words.h"
#include "app/cli/completion.h"
#include "app/cli/testing/fake_hub.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CommandLine, EveryCommandExplainsItselfWithExamples) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{{"workspace", "create"},
                                                                                     {"workspace", "list"},
                                                                                     {"workspace", "show"},
                                                                                     {"workspace", "stop"},
                                                                                     {"workspace", "start"},
                                                                                     {"workspace", "delete"},
                                                                                     {"workspace", "ssh"},
                                                                                     {"workspace", "exec"},
                                                                                     {"ssh"},
                                                                                     {"exec"},
                                                                                     {"cp"},
                                                                                     {"ssh-config"},
                                                                                     {"runs", "list"},
                                                                                     {"runs", "show"},
                                                                                     {"runs", "watch"},
                                                                                     {"runs", "events"},
                                                                                     {"runs", "cancel"},
                                                                                     {"runs", "metrics"},
                                                                                     {"runs", "retry"},
                                                                                     {"queues", "list"},
                                                                                     {"queues", "show"},
                                                                                     {"queues", "set"},
                                                                                     {"queues", "pause"},
                                                                                     {"queues", "resume"},
                                                                                     {"queues", "delete"},
                                                                                     {"webhooks", "list"},
                                                                                     {"webhooks", "create"},
                                                                                     {"webhooks", "show"},
                                                                                     {"webhooks", "update"},
                                                                                     {"webhooks", "rotate-secret"},
                                                                                     {"webhooks", "ping"},
                                                                                     {"webhooks", "pause"},
                                                                                     {"webhooks", "resume"},
                                                                                     {"webhooks", "delete"},
                                                                                     {"webhooks", "deliveries"},
                                                                                     {"webhooks", "delivery"},
                                                                                     {"webhooks", "redeliver"},
                                                                                     {"webhooks", "recover"},
                                                                                     {"why"},
                                                                                     {"status"},
                                                                                     {"version"},
                                                                                     {"key", "create"},
                                                                                     {"key", "list"},
                                                                                     {"key", "delete"},
                                                                                     {"completion"}}) {
    Bench bench;
    auto arguments = words;
    arguments.push_back("--help");
    EXPECT_EQ(bench.run(arguments), kOk) << words.back();
    EXPECT_THAT(bench.out, HasSubstr("Examples:")) << words.back();
    EXPECT_EQ(bench.err, "");
  }
}

TEST(CommandLine, HelpTellsTheExitCodes) {
  Bench bench;
  EXPECT_EQ(bench.run({"--help"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("Exit codes: 0 ok, 1 failed, 2 wrong usage"));
}

TEST(CommandLine, WrongUsageIsExplainedOnStderr) {
  Bench bench;
  EXPECT_EQ(bench.run({"workspace", "show", "a", "--nonsense"}), kUsage);
  EXPECT_THAT(bench.err, HasSubstr("slipway: The following argument was not expected: --nonsense"));
  EXPECT_THAT(bench.err, HasSubstr("hint: `slipway workspace show --help`"));
  EXPECT_EQ(bench.out, "");
  EXPECT_EQ(bench.run({"workspace"}), kUsage);
  EXPECT_EQ(bench.run({"frobnicate"}), kUsage);
  EXPECT_EQ(bench.run({}), kUsage);
}

TEST(CommandLine, ExitCodesFollowTheErrorOfTheApi) {
  struct Case {
    int status;
    const char* code;
    int exit_code;
  };
  for (const Case& row :
       {Case{400, "VALIDATION_ERROR", kUsage}, Case{401, "UNAUTHORIZED", kUnauthorized},
        Case{403, "FORBIDDEN", kUnauthorized}, Case{404, "NOT_FOUND", kNotFound}, Case{409, "CONFLICT", kConflict},
        Case{409, "INVALID_STATE_TRANSITION", kConflict}, Case{412, "PRECONDITION_FAILED", kConflict},
        Case{500, "INTERNAL_ERROR", kFailed}, Case{503, "STORE_UNAVAILABLE", kUnreachable}}) {
    Bench bench;
    bench.hub.fail("GET /v1/workflows/runs/run_1", row.status, row.code, "because");
    EXPECT_EQ(bench.run({"runs", "show", "run_1"}), row.exit_code) << row.code;
    EXPECT_THAT(bench.err, HasSubstr("slipway: because"));
  }
}

TEST(CommandLine, WhatIsNotThereIsSaidToBeListedWhereItWouldBe) {
  for (const auto& [resource, hint] :
       {std::pair{"template", "`slipway template list`"}, {"job", "`slipway jobs list`"}}) {
    Bench bench;
    bench.hub.answer("GET /v1/jobs/x", Answer{404, R"({"success":false,"error":{"code":"NOT_FOUND","message":"none",
        "details":{"id":"x","resource":")" + std::string(resource) +
                                                       R"("}}})"});
    EXPECT_EQ(bench.run({"jobs", "show", "x"}), kNotFound);
    EXPECT_THAT(bench.err, HasSubstr(std::string("hint: ") + hint));
  }
}

TEST(CommandLine, AnAnswerThatIsNoHubsIsCalledThat) {
  Bench bench;
  bench.hub.answer("GET /v1/workflows/runs/run_1", Answer{502, "<html>Bad gateway</html>"});
  EXPECT_EQ(bench.run({"runs", "show", "run_1"}), kFailed);
  EXPECT_THAT(bench.err, HasSubstr("did not come from a Slipway hub"));
}

TEST(CommandLine, NoHubIsSaidAtOnceWhenOnlyLooking) {
  Bench bench;
  bench.hub.lose("GET /v1/workspaces?limit=200");
  EXPECT_EQ(bench.run({"workspace", "list"}), kUnreachable);
  EXPECT_EQ(bench.sleeps, 0);
}

TEST(CommandLine, ErrorsAreColouredOnlyOnATerminalThatWantsIt) {
  Bench bench;
  bench.hub.fail("GET /v1/workflows/runs/run_1", 404, "NOT_FOUND", "no such run");
  bench.has_terminal = true;
  bench.run({"runs", "show", "run_1"});
  EXPECT_THAT(bench.err, HasSubstr("\x1b[31mslipway:\x1b[0m no such run"));
  bench.environment["NO_COLOR"] = "1";
  bench.run({"runs", "show", "run_1"});
  EXPECT_THAT(bench.err, HasSubstr("slipway: no such run\n"));
}

TEST(CommandLine, CommonOptionsMayStandBeforeOrAfterTheCommand) {
  Bench bench;
  bench.environment.clear();
  bench.hub.data("GET /v1/workspaces?limit=200", "[]");
  EXPECT_EQ(bench.run({"--url", "http://other", "--key", "k", "workspace", "list"}), kOk);
  EXPECT_EQ(bench.run({"workspace", "list", "--url", "http://other", "--key", "k"}), kOk);
  EXPECT_EQ(testing::header(bench.hub.calls.back(), "Authorization"), "Bearer k");
}

TEST(CommandLine, RunFiltersBecomeAQuery) {
  Bench bench;
  bench.hub.data(
      "GET /v1/workflows/runs?type=workspace.create&status=failed&since=2025-01-12T08%3A00%3A00.000Z&limit=5", "[]");
  EXPECT_EQ(
      bench.run({"runs", "list", "--type", "workspace.create", "--status", "failed", "--since", "2h", "--limit", "5"}),
      kOk);
}

TEST(CommandLine, RunShowDrawsItsSteps) {
  Bench bench;
  bench.hub.data("GET /v1/workflows/runs/run_1", R"({"id":"run_1","type":"t","status":"running","steps":[
    {"name":"validate","status":"completed","durationMs":1,"attempts":1},
    {"name":"create","status":"running","attempts":2,"startedAt":"2025-01-12T09:59:58Z",
     "nextAttemptAt":"2025-01-12T10:00:03Z","error":{"code":"BUSY","message":"try later"}},
    {"name":"ready","status":"pending"}]})");
  EXPECT_EQ(bench.run({"runs", "show", "run_1"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("  + validate  |"));
  EXPECT_THAT(bench.out, HasSubstr("|  2.0s     attempt 2, next in 3.0s, BUSY: try later\n"));
  EXPECT_THAT(bench.out, HasSubstr("  . ready     |..."));
}

TEST(CommandLine, WhyReadsAsSentences) {
  Bench bench;
  bench.hub.data("GET /v1/why/run_1", R"({"id":"run_1","kind":"run","state":"waiting","because":["the zone is full"],
    "next":[{"what":"try again","at":"2025-01-12T10:00:30Z"}]})");
  EXPECT_EQ(bench.run({"why", "run_1"}), kOk);
  EXPECT_EQ(bench.out,
            "run run_1 is waiting\n  because the zone is full\n"
            "  next: try again in 30.0s (2025-01-12T10:00:30.000Z)\n");
}

TEST(CommandLine, AKeyIsAloneOnStdout) {
  Bench bench;
  bench.hub.data("POST /v1/api-keys", R"({"id":"key_1","name":"ci","user_id":"usr_1","key":"slk_secret"})");
  EXPECT_EQ(bench.run({"key", "create", "ci", "--role", "member"}), kOk);
  EXPECT_EQ(bench.out, "slk_secret\n");
  EXPECT_EQ(bench.hub.call("POST /v1/api-keys").body, R"({"name":"ci","role":"member"})");
}

TEST(CommandLine, ServeIsHungOnByTheMainProgram) {
  Bench bench;
  std::istringstream in;
  std::ostringstream out, err;
  base::SystemRandom random;
  Invocation invocation(Surroundings{.in = in,
                                     .out = out,
                                     .err = err,
                                     .environment = [](auto&) { return std::nullopt; },
                                     .clock = bench.clock,
                                     .random = random});
  std::string data;
  const ServeCommand serve = [&](CLI::App& app, int& exit_code) {
    CLI::App* command = app.add_subcommand("serve", "Run the hub");
    command->add_option("--data", data);
    command->callback([&exit_code] { exit_code = 7; });
  };
  EXPECT_EQ(run_arguments({"serve", "--data", "here"}, invocation, serve), 7);
  EXPECT_EQ(data, "here");
  EXPECT_EQ(run_arguments({"--data", "here", "serve"}, invocation, serve), kUsage);
}

// ---- words

CLI::App& small_program(CLI::App& app) {
  CLI::App* exec = app.add_subcommand("exec");
  exec->add_option("workspace")->required()->type_name(kWorkspaceName);
  exec->add_option("-e,--env")->type_name("NAME=VALUE");
  exec->add_flag("-t,--tty");
  exec->add_option("-o,--output")->type_name("table|json");
  app.add_subcommand("status");
  return app;
}

TEST(ForeignWords, BeginAtTheMarkOrAtTheFirstWordAfterTheName) {
  CLI::App app;
  small_program(app);
  std::vector<std::string> words{"exec", "-e", "A=1", "hello", "-t", "--", "ls", "-la", "--", "[a-z]"};
  EXPECT_THAT(*cut_foreign_words(app, words), ElementsAre("ls", "-la", "--", "[a-z]"));
  EXPECT_THAT(words, ElementsAre("exec", "-e", "A=1", "hello", "-t"));
  words = {"exec", "hello", "-e", "A=1", "status", "-t"};
  EXPECT_THAT(*cut_foreign_words(app, words), ElementsAre("status", "-t"));
  words = {"exec", "hello", "-t"};
  EXPECT_FALSE(cut_foreign_words(app, words).has_value());
}

TEST(Completion, OffersCommandsOptionsValuesAndNames) {
  CLI::App app;
  small_program(app);
  const CompletionSources sources{{kWorkspaceName, [] { return std::vector<std::string>{"hello", "help", "api"}; }}};
  const auto complete = [&](std::vector<std::string> words) { return complete_words(app, words, sources); };
  EXPECT_THAT(complete({""}), ElementsAre("exec", "status"));
  EXPECT_THAT(complete({"st"}), ElementsAre("status"));
  EXPECT_THAT(complete({"exec", "--e"}), ElementsAre("--env"));
  EXPECT_THAT(complete({"exec", "he"}), ElementsAre("hello", "help"));
  EXPECT_THAT(complete({"exec", "-o", ""}), ElementsAre("json", "table"));
  EXPECT_THAT(complete({"exec", "hello", ""}), IsEmpty());
}

TEST(Completion, AsksTheHubAndStaysSilentWithoutOne) {
  Bench bench;
  bench.hub.data("GET /v1/workspaces?limit=100", R"([{"name":"hello"},{"name":"api"}])");
  EXPECT_EQ(bench.run({"__complete", "--words", "workspace", "show", ""}), kOk);
  EXPECT_EQ(bench.out, "api\nhello\n");
  bench.environment.clear();
  EXPECT_EQ(bench.run({"__complete", "--words", "ssh", ""}), kOk);
  EXPECT_EQ(bench.out, "");
  EXPECT_EQ(bench.err, "");
}

TEST(Completion, HidesWhatOnlyTheScriptsCall) {
  Bench bench;
  EXPECT_EQ(bench.run({"__complete", "--words", "_"}), kOk);
  EXPECT_EQ(bench.out, "");
  EXPECT_EQ(bench.run({"completion", "bash"}), kOk);
  EXPECT_THAT(bench.out, HasSubstr("__complete --words"));
}

}  // namespace
}  // namespace slipway::app::cli
