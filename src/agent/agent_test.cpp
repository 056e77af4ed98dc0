// End to end: the real agent program, the hub's relay and the client's end (issue 2 item 6; HUB-13, HUB-14, HUB-16).

#include "agent/agent.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>

#include "agent/testing/world.h"
#include "base/digest.h"

namespace slipway::agent {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using net::Awaitable;

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    world.start_hub();
    world.start_agent(SLIPWAY_AGENT_PROGRAM);
    world.run([&] { return world.agent_ready(); });
  }

  Finished run_to_end(OpenRequest request, std::string input = {}) {
    const auto client = world.client(std::move(request));
    Finished finished;
    world.run([&]() -> Awaitable<void> { finished = co_await finish(*client, std::move(input)); });
    return finished;
  }

  // The error code with which opening is refused.
  std::string refusal(OpenRequest request) {
    const auto client = world.client(std::move(request));
    std::string code;
    world.run([&]() -> Awaitable<void> {
      code = co_await code_of(client->open());
      co_await client->close();
    });
    return code;
  }

  World world;
};

using Exec = AgentTest;
using Terminal = AgentTest;

TEST_F(Exec, GivesExitCodeAndBothOutputsApart) {
  const auto finished = run_to_end(exec({"sh", "-c", "echo out; echo err >&2; exit 7"}));
  EXPECT_EQ(finished.output, "out\n");
  EXPECT_EQ(finished.error, "err\n");
  EXPECT_EQ(finished.exit.code, 7);
}

TEST_F(Exec, TellsTheSignalThatEndedTheProgram) {
  EXPECT_EQ(run_to_end(shell_command("kill -TERM $$")).exit.signal, "TERM");
}

TEST_F(Exec, ProgramSeesTheEndOfItsInput) {
  const std::string input(1'000'000, 'x');
  EXPECT_EQ(run_to_end(exec({"wc", "-c"}), input).output, "1000000\n");
}

TEST_F(Exec, HasEnvironmentDirectoryAndNothingOfTheAgents) {
  auto request = shell_command("echo $GREETING; pwd; echo $HOME; env | grep -c SLIPWAY; ls /proc/self/fd | wc -l");
  std::filesystem::create_directories(world.home() / "work");
  request.command->environment["GREETING"] = "hello";
  request.command->directory = "work";
  const std::string home = world.home();
  // ls has its three and the folder that it reads.
  EXPECT_EQ(run_to_end(request).output, "hello\n" + home + "/work\n" + home + "\n0\n4\n");
}

TEST_F(Exec, InputThatNobodyReadsHoldsUpNobody) {
  EXPECT_EQ(run_to_end(exec({"true"}), std::string(2'000'000, 'x')).exit.code, 0);
}

TEST_F(Exec, AProgramLeftInTheBackgroundDoesNotHoldTheSession) {
  const auto finished = run_to_end(shell_command("sleep 1000 & echo $!"));
  EXPECT_EQ(finished.exit.code, 0);
  const pid_t left = std::stoi(finished.output);
  EXPECT_EQ(::kill(left, SIGKILL), 0) << "it goes on running";
}

TEST_F(Exec, WhatCannotBeStartedIsRefusedWithItsReason) {
  EXPECT_EQ(refusal(exec({"no-such-program"})), "COMMAND_NOT_FOUND");
  EXPECT_EQ(refusal(exec({"/etc/hostname"})), "COMMAND_NOT_EXECUTABLE");
  auto elsewhere = exec({"true"});
  elsewhere.command->directory = "/no/such/folder";
  EXPECT_EQ(refusal(elsewhere), "DIRECTORY_NOT_FOUND");
  EXPECT_EQ(refusal(exec({})), "VALIDATION_ERROR");
}

TEST_F(Exec, ClosingEndsTheProgram) {
  const auto client = world.client(shell_command("echo $$; exec sleep 1000"));
  pid_t pid = 0;
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    pid = std::stoi(co_await read_until(*client, "\n"));
    co_await client->close();
    while (::kill(pid, 0) == 0) co_await net::sleep_for(10ms);
  });
}

TEST_F(Exec, SignalReachesTheProgram) {
  const auto client =
      world.client(shell_command("trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.01; done"));
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await read_until(*client, "ready");
    co_await client->signal("USR1");
    co_await read_until(*client, "caught");
    EXPECT_EQ((co_await client->wait_exit()).code, 3);
    co_await client->close();
  });
}

TEST_F(Terminal, ResizesInterruptsAndGivesTheExitCode) {
  const auto client = world.client(terminal());
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await client->write("stty size; tty; echo TERM=$TERM\n");
    const std::string first = co_await read_until(*client, "TERM=xterm-256color");
    EXPECT_NE(first.find("24 80"), first.npos) << first;
    EXPECT_NE(first.find("/dev/pts/"), first.npos) << first;
    co_await client->resize({50, 132});
    co_await client->write("stty size\n");
    co_await read_until(*client, "50 132");
    // The echo of what is typed must not look like the answer.
    co_await client->write("sh -c 'printf be%s gun; exec sleep 1000'\n");
    co_await read_until(*client, "begun");
    co_await client->write("\x03");
    co_await client->write("echo status=$?\n");
    co_await read_until(*client, "status=130");
    co_await client->write("exit 9\n");
    EXPECT_EQ((co_await client->wait_exit()).code, 9);
    co_await client->close();
  });
}

TEST_F(Terminal, EndOfInputEndsTheShell) {
  const auto client = world.client(terminal({"cat"}));
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await client->write("line\n");
    co_await read_until(*client, "line\r\nline\r\n");
    co_await client->end_input();
    EXPECT_EQ((co_await client->wait_exit()).code, 0);
    co_await client->close();
  });
}

}  // namespace
}  // namespace slipway::agent
