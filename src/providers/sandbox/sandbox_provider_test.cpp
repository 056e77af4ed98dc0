// The life of a sandbox: made, adopted, stopped, started, suspended, lost, taken away.

#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <thread>

#include "base/error.h"
#include "providers/sandbox/files.h"
#include "providers/sandbox/testing/sandbox_fixture.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;

class SandboxProviderTest : public testing::SandboxTest {
 protected:
  SandboxProvider provider_{options(), clock_};

  std::string code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const base::Error& error) {
      return error.code();
    }
    return "";
  }
  void kill_machine(const std::string& name) {
    const auto launch = machine(name).launch();
    ASSERT_TRUE(launch);
    send_signal(open_process(launch->monitor), SIGKILL);
    ASSERT_TRUE(testing::eventually([&] { return sandboxes(name).empty(); }));
  }
};

TEST_F(SandboxProviderTest, ACreatedMachineRunsAndIsListedWithItsLabels) {
  provider_.create(spec("ws"), {});
  await_up("ws");
  EXPECT_EQ(provider_.status("ws").state, MachineState::running);
  EXPECT_TRUE(provider_.status("ws").since);
  const auto listed = provider_.list();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0].name, "ws");
  EXPECT_EQ(listed[0].labels.at("owner"), "tester");
  EXPECT_EQ(listed[0].status.state, MachineState::running);
}

TEST_F(SandboxProviderTest, CreatingAgainAdoptsTheSameMachine) {
  provider_.create(spec("ws"), {});
  await_up("ws");
  const auto before = sandboxes("ws");
  provider_.create(spec("ws"), {});
  SandboxProvider after_restart(options(), clock_);  // knows nothing but the folder
  after_restart.create(spec("ws"), {});
  EXPECT_EQ(after_restart.status("ws").state, MachineState::running);
  EXPECT_EQ(sandboxes("ws"), before);
  EXPECT_EQ(home_file("ws", "starts"), "start\n");
}

TEST_F(SandboxProviderTest, TheMachineIsNoChildOfTheHub) {
  provider_.create(spec("ws"), {});
  const auto children = children_of(::getpid());
  for (const pid_t pid : processes()) EXPECT_EQ(std::ranges::count(children, pid), 0);
}

TEST_F(SandboxProviderTest, StopAsksTheMainProcessThenFreesAllButTheHome) {  // HUB-15
  provider_.create(spec("ws", "echo kept > file"), {});
  await_up("ws");
  const auto cgroups = machine("ws").launch()->cgroups;
  provider_.stop("ws", {});
  EXPECT_EQ(provider_.status("ws").state, MachineState::stopped);
  EXPECT_EQ(home_file("ws", "terminated"), "asked\n");
  EXPECT_EQ(home_file("ws", "file"), "kept\n");
  EXPECT_TRUE(processes().empty());
  for (const auto& path : cgroups) EXPECT_FALSE(fs::exists(path)) << path;
  provider_.stop("ws", {});  // again: nothing to do
}

TEST_F(SandboxProviderTest, AMainProcessThatIgnoresTheRequestIsKilled) {
  auto impatient = options();
  impatient.stop_grace = std::chrono::milliseconds(100);
  SandboxProvider provider(impatient, clock_);
  provider.create(spec("ws", "trap '' TERM"), {});
  await_up("ws");
  provider.stop("ws", {});
  EXPECT_EQ(provider.status("ws").state, MachineState::stopped);
  EXPECT_TRUE(processes().empty());
}

TEST_F(SandboxProviderTest, StartAfterStopFindsTheHomeAsItWas) {  // HUB-15
  provider_.create(spec("ws", "echo line >> file"), {});
  await_up("ws");
  provider_.stop("ws", {});
  fs::remove(machine("ws").home() / "up");
  provider_.start(spec("ws", "echo line >> file"), {});
  await_up("ws");
  EXPECT_EQ(home_file("ws", "file"), "line\nline\n");
  EXPECT_EQ(provider_.status("ws").state, MachineState::running);
}

TEST_F(SandboxProviderTest, StartWithoutAHomeIsRefused) {
  EXPECT_EQ(code_of([&] { provider_.start(spec("ws"), {}); }), "NOT_FOUND");
  EXPECT_FALSE(machine("ws").exists());
}

TEST_F(SandboxProviderTest, DestroyTakesEverythingAway) {  // HUB-3
  provider_.create(spec("ws", "mkdir -p deep/er; echo x > deep/er/file; chmod 500 deep/er deep"), {});
  await_up("ws");
  const auto cgroups = machine("ws").launch()->cgroups;
  provider_.destroy("ws", {});
  EXPECT_EQ(provider_.status("ws").state, MachineState::absent);
  EXPECT_TRUE(fs::is_empty(root()));
  EXPECT_TRUE(processes().empty());
  for (const auto& path : cgroups) EXPECT_FALSE(fs::exists(path)) << path;
  provider_.destroy("ws", {});  // absent is fine
}

TEST_F(SandboxProviderTest, AFrozenMachineIsSuspendedUntilItIsStarted) {  // HUB-15
  provider_.create(spec("ws", "(while :; do echo x >> ticks; sleep 0.01; done) &"), {});
  const auto ticks = machine("ws").home() / "ticks";
  ASSERT_TRUE(testing::eventually([&] { return fs::exists(ticks); }));
  if (provider_.status("ws").limits.at("suspend") != "possible") {
    EXPECT_EQ(code_of([&] { provider_.suspend("ws", {}); }), "SUSPEND_UNSUPPORTED");
    return;
  }
  provider_.suspend("ws", {});
  provider_.suspend("ws", {});
  EXPECT_EQ(provider_.status("ws").state, MachineState::suspended);
  const auto frozen_at = fs::file_size(ticks);
  EXPECT_EQ(sandboxes("ws").size(), 1u);
  provider_.start(spec("ws"), {});
  EXPECT_EQ(provider_.status("ws").state, MachineState::running);
  EXPECT_TRUE(testing::eventually([&] { return fs::file_size(ticks) > frozen_at; }));
  EXPECT_EQ(home_file("ws", "starts"), "start\n");
}

TEST_F(SandboxProviderTest, AFrozenMachineCanBeStoppedAndDestroyed) {
  if (CgroupHost::detect().unavailable().contains("suspend")) GTEST_SKIP() << "SKIPPED: no freezer for this user";
  provider_.create(spec("ws"), {});
  await_up("ws");
  provider_.suspend("ws", {});
  provider_.stop("ws", {});
  EXPECT_EQ(home_file("ws", "terminated"), "asked\n");
  provider_.start(spec("ws"), {});
  provider_.suspend("ws", {});
  provider_.destroy("ws", {});
  EXPECT_TRUE(processes().empty());
}

TEST_F(SandboxProviderTest, OnlyARunningMachineCanBeSuspended) {
  EXPECT_EQ(code_of([&] { provider_.suspend("ws", {}); }), "NOT_FOUND");
  provider_.create(spec("ws"), {});
  provider_.stop("ws", {});
  EXPECT_EQ(code_of([&] { provider_.suspend("ws", {}); }), "INVALID_STATE_TRANSITION");
}

TEST_F(SandboxProviderTest, AMainProcessThatEndsIsReportedWithItsCodeAndLastWords) {  // HUB-17
  provider_.create(spec("ws", "echo no disk left >&2; exit 7"), {});
  ASSERT_TRUE(testing::eventually([&] { return provider_.status("ws").state == MachineState::failed; }));
  const auto detail = provider_.status("ws").detail;
  EXPECT_NE(detail.find("exit code 7"), std::string::npos) << detail;
  EXPECT_NE(detail.find("no disk left"), std::string::npos) << detail;
}

TEST_F(SandboxProviderTest, AProgramThatCannotBeExecutedIsReported) {
  auto broken = options();
  const auto program = root() / "no-interpreter";
  std::ofstream(program) << "#!/no/such/interpreter\n";
  fs::permissions(program, fs::perms::owner_all);
  broken.agent_binary = program;
  SandboxProvider provider(broken, clock_);
  provider.create(spec("ws"), {});
  ASSERT_TRUE(testing::eventually([&] { return provider.status("ws").state == MachineState::failed; }));
  EXPECT_NE(provider.status("ws").detail.find("No such file"), std::string::npos) << provider.status("ws").detail;
}

TEST_F(SandboxProviderTest, AMachineKilledFromOutsideIsReportedAndCreatedAnew) {  // HUB-17
  provider_.create(spec("ws"), {});
  await_up("ws");
  kill_machine("ws");
  EXPECT_EQ(provider_.status("ws").state, MachineState::failed);
  provider_.create(spec("ws"), {});
  EXPECT_EQ(provider_.status("ws").state, MachineState::running);
  EXPECT_EQ(sandboxes("ws").size(), 1u);
}

TEST_F(SandboxProviderTest, DaemonsOfTheUserDieWithTheMainProcess) {
  provider_.create(spec("ws", "setsid sleep 1000 & sleep 0.01; exit 0"), {});
  ASSERT_TRUE(testing::eventually([&] { return provider_.status("ws").state == MachineState::failed; }));
  EXPECT_TRUE(testing::eventually([&] { return processes().empty(); }));
}

TEST_F(SandboxProviderTest, AfterARestartOfTheHostItIsStoppedAndStrangersWithItsNumbersAreLeftAlone) {
  provider_.create(spec("ws"), {});
  await_up("ws");
  auto launch = *machine("ws").launch();
  kill_machine("ws");
  const pid_t stranger = ::fork();
  if (stranger == 0) {
    ::pause();
    ::_exit(0);
  }
  launch.boot_id = "00000000-0000-0000-0000-000000000000";
  launch.monitor = launch.init = *identify(stranger);
  machine("ws").write_launch(launch);
  EXPECT_EQ(provider_.status("ws").state, MachineState::stopped);
  EXPECT_EQ(provider_.status("ws").detail, "this host was restarted");
  provider_.start(spec("ws"), {});
  EXPECT_EQ(provider_.status("ws").state, MachineState::running);

  launch = *machine("ws").launch();
  launch.monitor = *identify(stranger);
  ++launch.monitor.started;  // this boot, but another moment
  machine("ws").write_launch(launch);
  provider_.destroy("ws", {});
  EXPECT_EQ(::waitpid(stranger, nullptr, WNOHANG), 0) << "a stranger was killed";
  EXPECT_TRUE(sandboxes("ws").empty());
  ::kill(stranger, SIGKILL);
  ::waitpid(stranger, nullptr, 0);
}

TEST_F(SandboxProviderTest, TheConsoleLogIsBounded) {
  provider_.create(spec("ws", "head -c 3000000 /dev/zero | tr '\\0' x"), {});
  await_up("ws");
  EXPECT_EQ(provider_.status("ws").state, MachineState::running);
  EXPECT_LE(fs::file_size(machine("ws").path() / "console.log"), kConsoleMaxBytes);
}

TEST_F(SandboxProviderTest, ThreadsThatCreateOneNameMakeOneMachine) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { provider_.create(spec("ws"), {}); });
  threads.clear();
  await_up("ws");
  EXPECT_EQ(sandboxes("ws").size(), 1u);
  EXPECT_EQ(home_file("ws", "starts"), "start\n");
}

TEST_F(SandboxProviderTest, ManyMachinesAtOnceDoNotTouchEachOther) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) threads.emplace_back([&, i] { provider_.create(spec("ws" + std::to_string(i)), {}); });
  threads.clear();
  for (int i = 0; i < 6; ++i) await_up("ws" + std::to_string(i));
  EXPECT_EQ(sandboxes().size(), 6u);
  provider_.destroy("ws3", {});
  EXPECT_EQ(sandboxes().size(), 5u);
  EXPECT_EQ(provider_.list().size(), 5u);
}

TEST_F(SandboxProviderTest, SpecsThatCanNeverWorkAreRefusedBeforeAnythingIsMade) {
  const auto refused = [&](const std::function<void(MachineSpec&)>& spoil, const std::string& field) {
    auto bad = spec("ws");
    spoil(bad);
    try {
      provider_.create(bad, {});
      ADD_FAILURE() << field << " was accepted";
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), "VALIDATION_ERROR");
      EXPECT_EQ(error.details().at("field").as_string(), field);
    }
  };
  for (const char* name : {"", "Ws", "1ws", "ws-", "ws_1", "../ws", "a.b"}) {
    refused([&](auto& bad) { bad.name = name; }, "name");
  }
  refused([](auto& bad) { bad.name = std::string(64, 'a'); }, "name");
  refused([](auto& bad) { bad.machine_type = "huge"; }, "machine_type");
  refused([](auto& bad) { bad.environment["A B"] = "x"; }, "environment/A B");
  refused([](auto& bad) { bad.environment["SLIPWAY_HUB_URL"] = "x"; }, "environment/SLIPWAY_HUB_URL");
  refused([](auto& bad) { bad.hub_url = "ftp://x"; }, "hub_url");
  EXPECT_TRUE(fs::is_empty(root()));
}

TEST_F(SandboxProviderTest, AnUnknownMachineTypeIsAnsweredWithTheKnownOnes) {
  auto bad = spec("ws");
  bad.machine_type = "huge";
  try {
    provider_.validate(bad);
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(json::print_value(error.details().at("allowed")), R"(["small","medium","large","tiny"])");
  }
}

TEST_F(SandboxProviderTest, ACancelledCreateLeavesNoProcess) {
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(code_of([&] { provider_.create(spec("ws"), source.get_token()); }), "CANCELLED");
  EXPECT_TRUE(processes().empty());
}

}  // namespace
}  // namespace slipway::providers::sandbox
