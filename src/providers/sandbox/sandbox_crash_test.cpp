// A hub that is killed at any instant, and hubs that race: never two sandboxes for one name, never an orphan.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "providers/sandbox/testing/sandbox_fixture.h"

namespace slipway::providers::sandbox {
namespace {

class SandboxCrashTest : public testing::SandboxTest {
 protected:
  // Another hub: a process of its own that does this and ends.
  pid_t hub(const std::function<void()>& body) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    try {
      body();
    } catch (const base::Error& error) {
      // Operations that do not fit the state, such as suspending nothing, are part of the game.
      const bool expected = error.error_class() == base::ErrorClass::user || error.code() == "INVALID_STATE_TRANSITION";
      if (!expected) std::fprintf(stderr, "hub: %s\n", error.what());
      ::_exit(expected ? 0 : 1);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "hub: %s\n", error.what());
      ::_exit(1);
    }
    ::_exit(0);
  }
  void kill_after(pid_t pid, std::chrono::microseconds delay) {
    std::this_thread::sleep_for(delay);  // not a wait for something: the random moment of the crash
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  int exit_code(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Kills hubs in the middle of random operations on one name, and after each looks whether the next hub can make it
  // whole.
  void crash_often(SandboxProvider& provider, int rounds, std::int64_t longest_us) {
    base::SeededRandom random(20251);
    for (int round = 0; round < rounds; ++round) {
      const auto operation = random.below(8);
      kill_after(hub([&] {
                   if (operation < 5)
                     provider.create(spec("ws"), {});
                   else if (operation == 5)
                     provider.stop("ws", {});
                   else if (operation == 6)
                     provider.destroy("ws", {});
                   else
                     provider.suspend("ws", {});
                 }),
                 std::chrono::microseconds(random.below(std::uint64_t(longest_us))));
      EXPECT_LE(sandboxes("ws").size(), 1u) << "round " << round;
      if (random.below(3) == 0) {
        provider.create(spec("ws"), {});
        ASSERT_EQ(provider.status("ws").state, MachineState::running) << "round " << round;
        ASSERT_EQ(sandboxes("ws").size(), 1u) << "round " << round;
        await_up("ws");
      }
      if (random.below(4) == 0) {
        provider.destroy("ws", {});
        ASSERT_TRUE(std::filesystem::is_empty(root())) << "round " << round;
        ASSERT_TRUE(testing::eventually([&] { return processes().empty(); })) << "round " << round;
      }
    }
  }
};

TEST_F(SandboxCrashTest, AHubKilledAtAnyInstantLeavesOneMachineOrNone) {
  SandboxProvider provider(options(), clock_);
  crash_often(provider, 200, 60'000);
}

TEST_F(SandboxCrashTest, AHubKilledWhileItSetsUpANetworkLeavesOneMachineOrNone) {
  if (const auto why = why_not_isolated(); !why.empty()) GTEST_SKIP() << "SKIPPED: " << why;
  auto chosen = options();
  chosen.network = Network::isolated;
  SandboxProvider provider(chosen, clock_);
  crash_often(provider, 40, 120'000);
}

TEST_F(SandboxCrashTest, AnOrdinaryUsersHubKilledAtAnyInstantLeavesOneMachineOrNone) {
  as_ordinary_user([&] {
    SandboxProvider provider(options(), clock_);
    crash_often(provider, 80, 60'000);
    if (machine("ws").exists()) provider.destroy("ws", {});
  });
}

TEST_F(SandboxCrashTest, TwoHubsThatCreateOneNameMakeOneMachine) {
  SandboxProvider provider(options(), clock_);
  for (int round = 0; round < 20; ++round) {
    const auto create = [&] { provider.create(spec("ws"), {}); };
    const pid_t first = hub(create), second = hub(create);
    EXPECT_EQ(exit_code(first), 0);
    EXPECT_EQ(exit_code(second), 0);
    ASSERT_EQ(sandboxes("ws").size(), 1u);
    EXPECT_EQ(home_file("ws", "starts"), "start\n");
    const pid_t third = hub([&] { provider.destroy("ws", {}); });
    const pid_t fourth = hub([&] { provider.destroy("ws", {}); });
    EXPECT_EQ(exit_code(third), 0);
    EXPECT_EQ(exit_code(fourth), 0);
    ASSERT_TRUE(std::filesystem::is_empty(root()));
  }
}

TEST_F(SandboxCrashTest, ASandboxThatWaitsAtTheGateOfADeadHubIsReplaced) {
  SandboxProvider provider(options(), clock_);
  provider.create(spec("ws"), {});
  await_up("ws");
  auto launch = *machine("ws").launch();
  const auto before = launch.init;
  launch.stage = LaunchStage::spawned;  // as if the hub had died before the machine was complete
  launch.init = {};
  machine("ws").write_launch(launch);
  EXPECT_EQ(provider.status("ws").state, MachineState::stopped);
  provider.create(spec("ws"), {});
  EXPECT_EQ(provider.status("ws").state, MachineState::running);
  EXPECT_EQ(sandboxes("ws").size(), 1u);
  // Told apart by the process and its start: the kernel gives numbers of namespaces out again.
  const auto now = identify(pid_t(before.pid));
  EXPECT_TRUE(!now || now->started != before.started);
}

TEST_F(SandboxCrashTest, ASandboxThatNoRecordKnowsIsFoundByTheLockThatItHolds) {
  SandboxProvider provider(options(), clock_);
  provider.create(spec("ws"), {});
  await_up("ws");
  const auto cgroups = machine("ws").launch()->cgroups;
  machine("ws").forget_launch();
  provider.destroy("ws", {});
  for (const auto& path : cgroups) EXPECT_FALSE(std::filesystem::exists(path)) << path;
  EXPECT_TRUE(testing::eventually([&] { return processes().empty(); }));
  EXPECT_FALSE(machine("ws").exists());
}

}  // namespace
}  // namespace slipway::providers::sandbox
