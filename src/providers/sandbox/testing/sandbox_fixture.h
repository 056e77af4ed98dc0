#pragma once
// A root folder for real sandboxes whose main process is a script in place of the agent, and eyes on the host to count
// what really runs. What a test leaves behind is destroyed with the fixture.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "providers/sandbox/sandbox_provider.h"

namespace slipway::providers::sandbox::testing {

// Waits for what another process brings about; the bound only ends a test that has failed already.
bool eventually(const std::function<bool()>& condition);

class SandboxTest : public ::testing::Test {
 protected:
  SandboxTest();
  ~SandboxTest() override;

  // The usual options: the host's network (fast), a machine type `tiny` of 96 MiB and 40 processes.
  SandboxOptions options() const;
  // `script` runs inside, in the home, before the main process waits for its end; then the file `up` is there.
  MachineSpec spec(const std::string& name, const std::string& script = ":") const;
  std::filesystem::path root() const { return folder_ / "machines"; }
  std::filesystem::path hub_folder() const { return folder_ / "agent"; }
  MachineFolder machine(const std::string& name) const { return {root(), name}; }
  // Waits until the file is in the home with a whole last line, and returns its text; fails the test otherwise.
  std::string home_file(const std::string& name, const std::string& file) const;
  void await_up(const std::string& name) const { home_file(name, "up"); }
  // Runs `body` in a child process as a user without rights (as ourselves when we are one already); what it throws, or
  // a test failure in it, fails the test.
  void as_ordinary_user(const std::function<void()>& body);

  // Distinct process namespaces whose processes print into consoles below our root; `name` empty: of all machines.
  std::set<std::string> sandboxes(const std::string& name = "") const;
  // Every process, inside or outside, that has to do with our root.
  std::set<pid_t> processes() const;
  bool is_root() const { return ::geteuid() == 0; }

  base::SystemClock clock_;

 private:
  std::filesystem::path folder_;
};

}  // namespace slipway::providers::sandbox::testing
