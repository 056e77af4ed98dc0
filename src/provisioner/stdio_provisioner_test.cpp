// What programs do to their daemon: garbage, floods, deaths, deafness and children of their own.

#include "provisioner/stdio_provisioner.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <set>

#include "provisioner/testing/session_recorder.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner {
namespace {

constexpr const char* kHello = R"(echo '{"type":"hello","protocol":1,"provisioner":"shell","version":"1"}')";

// A shell script as the provisioner; by default it says hello first.
StdioOptions shell(const std::string& script) { return {.type = "shell", .command = {"/bin/bash", "-c", script}}; }
StdioOptions greeting(const std::string& script) { return shell(std::string(kHello) + "\n" + script); }

std::unique_ptr<Session> open(SessionRecorder& recorder, StdioOptions options) {
  auto session = StdioProvisioner(std::move(options)).open(recorder.events());
  session->send(Config{});
  return session;
}

// Not one that has ended and that nobody has asked for.
bool is_running(pid_t pid) {
  const std::string stat = read_text("/proc/" + std::to_string(pid) + "/stat");
  const auto name_end = stat.rfind(')');
  return name_end != stat.npos && stat.substr(name_end + 2, 1) != "Z";
}

TEST(StdioProvisioner, GarbageOnStdoutEndsItAndIsShown) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting("echo 'Starting up...'; sleep 1000"));
  const auto error = recorder.wait_until_closed();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), "PROTOCOL_ERROR");
  EXPECT_TRUE(error->message().contains("Starting up...")) << error->message();
}

TEST(StdioProvisioner, AnotherVersionOfTheProtocolSaysWhatToUpdate) {
  SessionRecorder recorder;
  const auto session = open(recorder, shell(R"(echo '{"type":"hello","protocol":7}'; sleep 1000)"));
  const auto error = recorder.wait_until_closed();
  ASSERT_TRUE(error);
  EXPECT_TRUE(error->message().contains("update this program")) << error->message();
}

TEST(StdioProvisioner, LinesOfTenMegabytesArriveWhole) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting(R"(
    printf '{"type":"log","level":"info","output":"'; head -c 10000000 /dev/zero | tr '\0' x; echo '"}'
    cat >/dev/null)"));
  EXPECT_EQ(recorder.wait_for<Log>().output.size(), 10'000'000u);
}

TEST(StdioProvisioner, ALineWithoutEndIsRefused) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting("cat /dev/zero"));
  const auto error = recorder.wait_until_closed();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), "PROTOCOL_ERROR");
}

TEST(StdioProvisioner, WhatItPrintsToStderrIsLoggedCleanly) {
  SessionRecorder recorder;
  const auto session = open(recorder, shell("echo early >&2; " + std::string(kHello) +
                                            R"(; printf 'bad \xff byte\r\nlast' >&2; exec 2>&-; cat >/dev/null)"));
  recorder.wait_for<Hello>();
  std::set<std::string> lines{recorder.wait_for<Log>().output, recorder.wait_for<Log>().output};
  session->close(false);
  recorder.wait_until_closed();
  for (const auto& line : recorder.lines()) lines.insert(line);
  EXPECT_TRUE(lines.contains("early"));
  EXPECT_TRUE(lines.contains("bad \xEF\xBF\xBD byte"));
  EXPECT_TRUE(lines.contains("last"));
}

TEST(StdioProvisioner, ItsDeathIsToldWithItsLastWords) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting("echo 'Traceback: no cloud' >&2; exit 3"));
  const auto error = recorder.wait_until_closed();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), "PROVISIONER_DIED");
  EXPECT_TRUE(error->message().contains("code 3")) << error->message();
  EXPECT_TRUE(error->message().contains("Traceback: no cloud")) << error->message();
}

TEST(StdioProvisioner, WhatItSaidBeforeItDiedIsStillHeard) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting(R"(
    for i in $(seq 5000); do echo '{"type":"log","output":"line '$i'"}'; done; kill -9 $$)"));
  EXPECT_EQ(recorder.error_code(), "PROVISIONER_DIED");
  ASSERT_EQ(recorder.lines().size(), 5'000u);
  EXPECT_EQ(recorder.lines().back(), "line 5000");
}

TEST(StdioProvisioner, AProgramThatIsNotThereIsUnavailable) {
  const StdioOptions options{.type = "none", .command = {"/does/not/exist"}};
  try {
    StdioProvisioner(options).check();
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "PROVISIONER_UNAVAILABLE");
  }
  SessionRecorder recorder;
  const auto session = open(recorder, options);
  EXPECT_EQ(recorder.error_code(), "PROVISIONER_UNAVAILABLE");
}

TEST(StdioProvisioner, OneThatNeverSaysHelloIsGivenUp) {
  SessionRecorder recorder;
  auto options = shell("sleep 1000");
  options.hello_bound = base::Duration(20);
  const auto session = open(recorder, std::move(options));
  EXPECT_EQ(recorder.error_code(), "PROVISIONER_UNAVAILABLE");
}

TEST(StdioProvisioner, ClosedItIsToldToCancelAndThenSeesTheEndOfItsInput) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting(R"(
    read config; read parse
    echo '{"type":"log","output":"parsing"}'
    read cancel; cat > /dev/null
    case $cancel in *'"cancel"'*) echo '{"type":"log","output":"cancelled, and the input has ended"}';; esac
    echo '{"type":"parseComplete","error":{"code":"CANCELLED","errorClass":"user","message":"cancelled"}}')"));
  session->send(Parse{});
  recorder.wait_for_log("parsing");
  session->close(false);
  recorder.wait_for_log("the input has ended");
  EXPECT_EQ(recorder.wait_for<ParseComplete>().error->code, "CANCELLED");
  EXPECT_FALSE(recorder.wait_until_closed());
}

TEST(StdioProvisioner, OneThatDoesNotEndIsTerminatedAndThenKilled) {
  const auto ask_to_end = [](SessionRecorder& recorder, const std::string& trap, base::Duration terminate_bound) {
    // Its hello says that the trap is set.
    auto options = shell(trap + "\n" + kHello + "\nwhile true; do sleep 0.01; done");
    options.cancel_bound = base::Duration(20);
    options.terminate_bound = terminate_bound;
    auto session = open(recorder, std::move(options));
    recorder.wait_for<Hello>();
    session->close(false);
    recorder.wait_for_log("did not end within");
    return session;
  };
  // However long it takes to say so.
  SessionRecorder heard;
  const auto willing = ask_to_end(heard, R"(trap 'echo "{\"type\":\"log\",\"output\":\"SIGTERM\"}"; exit' TERM)",
                                  std::chrono::minutes(1));
  heard.wait_for_log("SIGTERM");
  EXPECT_FALSE(heard.wait_until_closed());
  // Nothing but SIGKILL ends this one.
  SessionRecorder killed;
  const auto deaf = ask_to_end(killed, "trap '' TERM", base::Duration(20));
  EXPECT_FALSE(killed.wait_until_closed());
}

// In its own group, deaf to SIGTERM; in a session of its own; and one whose parent is gone.
constexpr const char* kFamily = R"(
  ( trap '' TERM; while true; do sleep 100; done ) >/dev/null 2>&1 &
  echo '{"type":"log","output":"'$!'"}'
  setsid sh -c 'trap "" TERM HUP; while true; do sleep 100; done' &
  echo '{"type":"log","output":"'$!'"}'
  orphan=$( ( setsid sleep 1000 >/dev/null 2>&1 & echo $! ) )
  echo '{"type":"log","output":"'$orphan'"}')";

std::vector<pid_t> wait_for_family(SessionRecorder& recorder) {
  std::vector<pid_t> family;
  for (int i = 0; i < 3; ++i) family.push_back(std::stoi(recorder.wait_for<Log>().output));
  return family;
}

TEST(StdioProvisioner, NothingThatItStartedOutlivesAForcedClose) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting(std::string(kFamily) + "\nsleep 1000"));
  const auto family = wait_for_family(recorder);
  for (const pid_t pid : family) EXPECT_TRUE(is_running(pid));
  session->close(true);
  EXPECT_FALSE(recorder.wait_until_closed());
  for (const pid_t pid : family) EXPECT_FALSE(is_running(pid)) << pid;
}

TEST(StdioProvisioner, NothingThatItStartedOutlivesItsOwnEnd) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting(std::string(kFamily) + "\ncat >/dev/null"));
  const auto family = wait_for_family(recorder);
  session->close(false);
  EXPECT_FALSE(recorder.wait_until_closed());
  for (const pid_t pid : family) EXPECT_FALSE(is_running(pid)) << pid;
  EXPECT_TRUE(recorder.lines().back().contains("processes that the provisioner left were ended"));
}

TEST(StdioProvisioner, AChildThatHoldsItsOutputHoldsNothingUp) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting("setsid sleep 1000 & exit 0"));
  EXPECT_EQ(recorder.error_code(), "PROVISIONER_DIED");
}

TEST(StdioProvisioner, GetsOurEnvironmentButNotOurKeys) {
  ::setenv("SLIPWAY_KEY", "secret", 1);
  ::setenv("AWS_TEST_REGION", "eu", 1);
  ::setenv("PGPASSWORD", "secret", 1);
  SessionRecorder recorder;
  auto options =
      greeting(R"(echo '{"type":"log","output":"'"${SLIPWAY_KEY-none} $AWS_TEST_REGION ${PGPASSWORD-none} $MORE"'"}')");
  options.environment = {{"MORE", "more"}};
  const auto session = open(recorder, std::move(options));
  EXPECT_EQ(recorder.wait_for<Log>().output, "none eu none more");
  for (const char* name : {"SLIPWAY_KEY", "AWS_TEST_REGION", "PGPASSWORD"}) ::unsetenv(name);
}

TEST(StdioProvisioner, PausedItIsNotReadAndStandsStill) {
  const TemporaryFolder folder;
  SessionRecorder recorder;
  std::unique_ptr<Session> session;
  recorder.on_message = [&](const Message& message) {
    if (const auto* log = std::get_if<Log>(&message); log && log->output == "begin") session->pause(true);
  };
  auto options = greeting(
      "read config; read go; echo '{\"type\":\"log\",\"output\":\"begin\"}'\n"
      "yes '{\"type\":\"log\",\"output\":\"flood\"}' | head -n 20000\n"
      "echo '{\"type\":\"parseComplete\"}'; cat >/dev/null");
  session = open(recorder, std::move(options));
  recorder.wait_for<Hello>();
  session->send(Parse{});
  recorder.wait_for_log("begin");
  EXPECT_EQ(recorder.lines().size(), 1u);
  session->pause(false);
  recorder.wait_for<ParseComplete>();
  EXPECT_EQ(recorder.lines().size(), 20'001u);
}

TEST(StdioProvisioner, ForcedWhilePausedItEnds) {
  SessionRecorder recorder;
  const auto session = open(recorder, greeting("yes '{\"type\":\"log\",\"output\":\"flood\"}'"));
  recorder.wait_for<Log>();
  session->pause(true);
  session->close(true);
  EXPECT_FALSE(recorder.wait_until_closed());
}

}  // namespace
}  // namespace slipway::provisioner
