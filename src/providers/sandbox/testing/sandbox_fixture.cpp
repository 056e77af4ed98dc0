#include "providers/sandbox/testing/sandbox_fixture.h"

#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "providers/sandbox/files.h"

namespace slipway::providers::sandbox::testing {
namespace {

namespace fs = std::filesystem;
constexpr uid_t kOrdinaryUser = 61234;  // nobody on this host

// Stands in for the agent. An answer to SIGTERM is a file, so that a test can see that it was asked.
constexpr const char* kScript = R"(#!/bin/sh
trap 'echo asked > "$HOME/terminated"; exit 0' TERM
echo start >> "$HOME/starts"
eval "$TEST_SCRIPT"
echo up > "$HOME/up"
sleep 1000000 &
wait
)";

std::string link_of(const fs::path& path) {
  std::error_code error;
  return fs::read_symlink(path, error).string();
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

SandboxTest::SandboxTest() {
  std::string pattern = (fs::temp_directory_path() / "slipway-sandbox-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw base::system_error("make a folder for the test", errno);
  folder_ = pattern;
  fs::create_directory(root());
  fs::create_directory(hub_folder());
  std::ofstream(folder_ / "agent.sh") << kScript;
  for (const auto& path : {folder_, hub_folder(), folder_ / "agent.sh"}) ::chmod(path.c_str(), 0755);
}

SandboxTest::~SandboxTest() {
  try {
    SandboxProvider cleaner(options(), clock_);
    for (const auto& machine : cleaner.list()) cleaner.destroy(machine.name, {});
    EXPECT_TRUE(eventually([&] { return processes().empty(); })) << "a test left processes behind";
    remove_tree(folder_);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "cleaning up failed: " << error.what();
  }
}

SandboxOptions SandboxTest::options() const {
  SandboxOptions options;
  options.root_dir = root();
  options.agent_binary = folder_ / "agent.sh";
  options.network = Network::host;
  options.machine_types.push_back({"tiny", 0.5, 96, 40});
  return options;
}

MachineSpec SandboxTest::spec(const std::string& name, const std::string& script) const {
  MachineSpec spec;
  spec.name = name;
  spec.machine_type = "tiny";
  spec.labels = {{"owner", "tester"}};
  spec.environment = {{"TEST_SCRIPT", script}};
  spec.hub_url = "unix:" + (hub_folder() / "hub.sock").string();
  spec.agent_token = base::Secret("slat_very-secret-token");
  return spec;
}

std::string SandboxTest::home_file(const std::string& name, const std::string& file) const {
  const auto path = machine(name).home() / file;
  const bool there = eventually([&] { return read_file(path).ends_with('\n'); });
  EXPECT_TRUE(there) << file << " did not appear in the home of " << name << ": " << machine(name).console_tail();
  return read_file(path);
}

void SandboxTest::as_ordinary_user(const std::function<void()>& body) {
  if (!is_root()) return body();
  fs::permissions(root(), fs::perms::owner_all);
  ASSERT_EQ(::chown(root().c_str(), kOrdinaryUser, kOrdinaryUser), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(kOrdinaryUser) != 0 || ::setuid(kOrdinaryUser) != 0) ::_exit(2);
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "as an ordinary user: %s\n", error.what());
      ::_exit(3);
    }
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see above; wait status " << status;
}

std::set<pid_t> SandboxTest::processes() const {
  std::set<pid_t> found;
  std::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (pid != ::getpid() && link_of(entry->path() / "fd/1").starts_with(root().string())) found.insert(pid);
  }
  return found;
}

std::set<std::string> SandboxTest::sandboxes(const std::string& name) const {
  const auto prefix = name.empty() ? root().string() : (root() / name / "").string();
  std::set<std::string> found;
  for (const pid_t pid : processes()) {
    const auto process = fs::path("/proc") / std::to_string(pid);
    const auto space = link_of(process / "ns/pid");
    if (space.empty() || space == link_of("/proc/self/ns/pid")) continue;
    if (link_of(process / "fd/1").starts_with(prefix)) found.insert(space);
  }
  return found;
}

}  // namespace slipway::providers::sandbox::testing
