// A provisioner of ours as a program: what it does when its daemon closes, signals, errs, or dies.

#include "provisioner/serve_stdio.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/process.h"
#include "provisioner/codec.h"
#include "provisioner/line_buffer.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner {
namespace {

// The scripted provisioner's program, and the daemon's ends of its pipes.
class Program {
 public:
  explicit Program(const TemporaryFolder& folder, std::string_view script)
      : process_(agent::spawn(
            {.program = SLIPWAY_SCRIPTED_PROVISIONER, .arguments = {SLIPWAY_SCRIPTED_PROVISIONER}, .directory = "/"})) {
    folder.write("script.json", script);
    for (const int fd : {process_.input.get(), process_.output.get(), process_.error.get()})
      ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    say(encode(Request(Config{.directory = folder.path()})));
  }
  ~Program() {
    if (!ended_) ::kill(process_.pid, SIGKILL), end();
  }

  void say(const std::string& line) {
    ASSERT_EQ(::write(process_.input.get(), line.data(), line.size()), ssize_t(line.size()));
  }
  void say(const Request& request) { say(encode(request)); }
  template <class Kind>
  Kind wait_for() {
    for (;;) {
      if (const auto line = lines_.next()) {
        auto message = decode_message(*line);
        if (auto* found = std::get_if<Kind>(&message)) return *found;
        continue;
      }
      char block[4096];
      const ssize_t count = ::read(process_.output.get(), block, sizeof block);
      if (count <= 0) throw base::internal_error("the program has ended");
      lines_.append({block, std::size_t(count)});
    }
  }
  void signal(int number) const { ::kill(process_.pid, number); }
  void close_input() { process_.input.reset(); }
  // As if the daemon were killed.
  void abandon() {
    process_.input.reset();
    process_.output.reset();
  }
  // A waitpid status.
  int end() {
    int status = -1;
    ::waitpid(process_.pid, &status, 0);
    ended_ = true;
    return status;
  }
  std::string errors() const {
    char block[4096];
    const ssize_t count = ::read(process_.error.get(), block, sizeof block);
    return {block, std::size_t(std::max<ssize_t>(count, 0))};
  }

 private:
  agent::Process process_;
  LineBuffer lines_;
  bool ended_ = false;
};

constexpr const char* kHang = R"({"plan": {"start": [{"log": "hanging"}, {"hang": true}]}})";
constexpr const char* kDeaf = R"({"plan": {"start": [{"ignore_cancel": true, "log": "hanging"}, {"hang": true}]}})";

TEST(ServeStdio, TheEndOfItsInputCancelsAndIsAnswered) {
  const TemporaryFolder folder;
  Program program(folder, kHang);
  program.say(Plan{});
  program.wait_for<Log>();
  program.close_input();
  EXPECT_EQ(program.wait_for<PlanComplete>().error->code, "CANCELLED");
  EXPECT_EQ(program.end(), 0);
}

TEST(ServeStdio, SigintCancelsAndSigtermDropsEverything) {
  const TemporaryFolder folder;
  Program interrupted(folder, kHang);
  interrupted.say(Plan{});
  interrupted.wait_for<Log>();
  interrupted.signal(SIGINT);
  EXPECT_EQ(interrupted.wait_for<PlanComplete>().error->code, "CANCELLED");
  EXPECT_EQ(interrupted.end(), 0);
  Program terminated(folder, kDeaf);
  terminated.say(Plan{});
  terminated.wait_for<Log>();
  terminated.signal(SIGINT);
  terminated.signal(SIGTERM);
  EXPECT_EQ(terminated.end(), 0);
}

TEST(ServeStdio, AnOrphanEndsByItselfWhateverItIsDoing) {
  const TemporaryFolder folder;
  Program flooding(folder, R"({"plan": {"start": [{"storm": 1000000}]}})");
  flooding.say(Plan{});
  flooding.wait_for<Log>();
  flooding.abandon();
  EXPECT_EQ(flooding.end(), 0);
}

// RUN-15: nobody has kept the state that announces it, so it is not made.
TEST(ServeStdio, AnOrphanMakesNothingThatNobodyKnowsOf) {
  const TemporaryFolder folder, world;
  Program program(folder, R"({"variables": [{"name": "world"}], "world": "${variable.world}",
                             "resources": [{"type": "t", "name": "n", "count": 5}]})");
  program.say(Plan{.variables = {{.name = "world", .value = (world.path() / "made").string()}}});
  program.wait_for<PlanComplete>();
  program.say(Apply{});
  program.wait_for<StateWritten>();
  program.abandon();
  EXPECT_EQ(program.end(), 0);
  EXPECT_FALSE(std::filesystem::exists(world.path() / "made" / "journal"));
}

TEST(ServeStdio, AMistakeOfTheDaemonIsToldOnStderr) {
  const TemporaryFolder folder;
  Program program(folder, kHang);
  program.say("nonsense\n");
  EXPECT_EQ(WEXITSTATUS(program.end()), 1);
  EXPECT_TRUE(program.errors().contains("PROTOCOL_ERROR"));
  Program disordered(folder, kHang);
  disordered.say(Apply{});
  EXPECT_EQ(WEXITSTATUS(disordered.end()), 1);
  EXPECT_TRUE(disordered.errors().contains("without a plan"));
}

}  // namespace
}  // namespace slipway::provisioner
