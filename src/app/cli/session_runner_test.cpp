#include "app/cli/session_runner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <thread>

#include "app/cli/session_io.h"
#include "app/cli/terminal.h"
#include "base/error.h"

namespace slipway::app::cli {
namespace {

TEST(SessionUrl, FollowsTheHubsAddress) {
  EXPECT_EQ(session_url("http://127.0.0.1:8080", "w1"), "ws://127.0.0.1:8080/v1/workspaces/w1/connect");
  EXPECT_EQ(session_url("https://hub.example/slipway/", "w1"), "wss://hub.example/slipway/v1/workspaces/w1/connect");
  EXPECT_EQ(session_url("unix:/run/hub.sock", "w1"), "unix:/run/hub.sock:/v1/workspaces/w1/connect");
}

TEST(SessionExit, IsSaidAsAShellSaysIt) {
  EXPECT_EQ(exit_code_of({.code = 42}), 42);
  EXPECT_EQ(exit_code_of({.signal = "TERM"}), 128 + SIGTERM);
  EXPECT_EQ(exit_code_of({.signal = "SEGV"}), 128 + SIGSEGV);
  EXPECT_THROW(exit_code_of({.error_code = "DISK_FULL", .error_message = "no room"}), base::Error);
}

class Pipe {
 public:
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  base::UniqueFd read_end, write_end;
};

TEST(SessionInput, EndsWhenItsWriterGoes) {
  Pipe pipe;
  InputReader reader(pipe.read_end.get());
  write_fully(pipe.write_end.get(), "abc");
  EXPECT_EQ(reader.read(), "abc");
  pipe.write_end.reset();
  EXPECT_EQ(reader.read(), "");
}

TEST(SessionInput, CanBeStoppedWhileItWaits) {
  Pipe pipe;
  InputReader reader(pipe.read_end.get());
  std::optional<std::string> last = "not read yet";
  std::thread waiting([&] { last = reader.read(); });
  reader.stop();
  waiting.join();
  EXPECT_FALSE(last.has_value());
}

TEST(SessionOutput, TellsThatNobodyReads) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.read_end.reset();
  try {
    write_fully(pipe.write_end.get(), "abc");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "OUTPUT_CLOSED");
  }
}

class RawTerminalTest : public ::testing::Test {
 protected:
  RawTerminalTest() {
    int master = -1, slave = -1;
    EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    master_.reset(master);
    slave_.reset(slave);
  }
  bool is_raw() {
    termios mode{};
    ::tcgetattr(slave_.get(), &mode);
    return (mode.c_lflag & ICANON) == 0;
  }
  base::UniqueFd master_, slave_;
};

TEST_F(RawTerminalTest, IsRestoredAtTheEnd) {
  {
    const RawTerminal raw(slave_.get());
    EXPECT_TRUE(is_raw());
  }
  EXPECT_FALSE(is_raw());
}

TEST_F(RawTerminalTest, IsRestoredWhenASignalEndsUs) {
  for (const int signal : {SIGHUP, SIGTERM, SIGQUIT}) {
    const pid_t child = ::fork();
    if (child == 0) {
      const RawTerminal raw(slave_.get());
      if (!is_raw()) ::_exit(1);
      ::raise(signal);
      ::_exit(2);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
    EXPECT_FALSE(is_raw());
  }
}

TEST(InterruptNoticeTest, CtrlCSaysWhatGoesOnAndEndsWith130) {
  EXPECT_EXIT(
      {
        const InterruptNotice notice("the run goes on\n");
        ::raise(SIGINT);
      },
      ::testing::ExitedWithCode(130), "the run goes on");
}

}  // namespace
}  // namespace slipway::app::cli
