#include "providers/sandbox/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "providers/sandbox/files.h"

namespace slipway::providers::sandbox {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Command shell(const std::string& script) {
  Command command;
  command.argv = {"/bin/sh", "-c", script};
  return command;
}

TEST(Process, OutputAndExitCodeOfAHelperAreReturned) {
  const auto outcome = run(shell("echo out; echo err >&2; exit 3"), seconds(30));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.output, "out\nerr\n");
  EXPECT_FALSE(outcome.timed_out);
}

TEST(Process, AHelperThatHangsIsKilled) {
  const auto outcome = run(shell("exec sleep 1000"), milliseconds(50));
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.signal, SIGKILL);
}

TEST(Process, ABabblingHelperIsReadToItsEndAndItsOutputCut) {
  const auto outcome = run(shell("head -c 1000000 /dev/zero"), seconds(30));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output.size(), kOutputMaxBytes);
}

TEST(Process, AMissingProgramIsAnErrorThatNamesIt) {
  Command command;
  command.argv = {"/no/such/program"};
  try {
    run(command, seconds(30));
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_NE(error.message().find("/no/such/program"), std::string::npos);
    EXPECT_EQ(error.details().at("errno").as_int64(), ENOENT);
  }
}

TEST(Process, OnlyNamedDescriptorsAreInherited) {
  const base::UniqueFd leaked(::open("/etc/passwd", O_RDONLY));  // on purpose not closed on exec
  const auto first = memory_file("first", "one"), second = memory_file("second", "two");
  Command command = shell("cat <&3; cat <&4; ls /proc/self/fd | wc -l");
  EXPECT_EQ(command.pass(first.get()), 3);
  EXPECT_EQ(command.pass(second.get()), 4);
  // ls has 0 to 4, and the folder that it reads.
  EXPECT_EQ(run(command, seconds(30)).output, "onetwo6\n");
}

TEST(Process, TheEnvironmentIsOnlyWhatIsNamed) {
  Command command;
  command.argv = {"/usr/bin/env"};
  command.environment = {"A=1"};
  EXPECT_EQ(run(command, seconds(30)).output, "A=1\n");
}

TEST(Process, IgnoredAndBlockedSignalsAreNotInherited) {
  sigset_t some, before;
  ::sigemptyset(&some);
  ::sigaddset(&some, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &some, &before);
  const auto handler = ::signal(SIGPIPE, SIG_IGN);
  const auto outcome = run(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2"), seconds(30));
  ::signal(SIGPIPE, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(outcome.output, "0000000000000000\n0000000000000000\n");
}

TEST(Process, HelpersRunFromManyThreadsAtOnce) {
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&right, i] {
      for (int round = 0; round < 10; ++round) {
        const auto text = std::to_string(i * 100 + round);
        if (run(shell("echo " + text), seconds(60)).output == text + "\n") ++right;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 80);
}

TEST(Process, ADetachedProgramRunsOnlyWhenItIsReleased) {
  Pipe pipe;
  Command command = shell("echo ran; exec sleep 1000");
  command.stdout_fd = pipe.write.get();
  DetachedProcess process(command);
  EXPECT_NE(read_file("/proc/" + std::to_string(process.id().pid) + "/cmdline").find("test_"), std::string::npos);
  process.release();
  std::array<char, 4> text{};
  EXPECT_EQ(::read(pipe.read.get(), text.data(), 4), 4);
  EXPECT_EQ(children_of(::getpid()).size(), 0u) << "it is not our child";
  send_signal(process.pidfd(), SIGKILL);
  EXPECT_TRUE(wait_for_exit(process.pidfd(), std::chrono::steady_clock::now() + seconds(30), {}));
  EXPECT_FALSE(open_process(process.id()));
}

TEST(Process, ADetachedProgramVanishesWithWhoeverDoesNotReleaseIt) {
  std::optional<DetachedProcess> process(shell("exec sleep 1000"));
  const auto pidfd = open_process(process->id());
  ASSERT_TRUE(pidfd);
  process.reset();
  EXPECT_TRUE(wait_for_exit(pidfd, std::chrono::steady_clock::now() + seconds(30), {}));
}

TEST(Process, ADetachedProgramThatCannotBeExecutedIsAnError) {
  Command command;
  command.argv = {"/no/such/program"};
  DetachedProcess process(command);
  EXPECT_THROW(process.release(), base::Error);
}

TEST(Process, ANumberThatBelongsToAnotherProcessIsNotOpened) {
  auto self = *identify(::getpid());
  EXPECT_TRUE(open_process(self));
  ++self.started;
  EXPECT_FALSE(open_process(self));
  EXPECT_FALSE(open_process({}));
}

TEST(Process, AZombieIsNoProcess) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ::waitid(P_PID, id_t(child), &info, WEXITED | WNOWAIT);
  EXPECT_FALSE(identify(child));
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace slipway::providers::sandbox
