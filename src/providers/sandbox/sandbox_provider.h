#pragma once
// Machines made with bubblewrap on the host that the hub runs on: processes, files and limits of their own, the kernel
// shared. Not a VM (HUB-20); docs/sandbox.md says what that means.
//
// A sandbox belongs to nobody: its parent is the host's init process, so it outlives the hub, and a hub that starts
// again finds it by its folder. Everything true about it is on disk or in the kernel, nothing in this object; several
// hubs may share one root folder. Thread-safe.

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "providers/provider.h"
#include "providers/sandbox/cgroups.h"
#include "providers/sandbox/launcher.h"
#include "providers/sandbox/locks.h"
#include "providers/sandbox/machine_folder.h"
#include "providers/sandbox/network.h"

namespace slipway::providers::sandbox {

struct SandboxOptions {
  std::filesystem::path root_dir;      // made when absent, mode 0700
  std::filesystem::path agent_binary;  // run inside as `slipway-agent run`
  Network network = Network::automatic;
  std::vector<MachineType> machine_types = {
      {"small", 1, 1024, 512}, {"medium", 2, 4096, 2048}, {"large", 4, 8192, 4096}};
  bool limits = true;                                               // false: no control groups at all
  std::chrono::milliseconds stop_grace = std::chrono::seconds(10);  // between asking the agent to end and killing all
  std::chrono::milliseconds start_timeout = std::chrono::seconds(30);
  std::chrono::milliseconds lock_patience = std::chrono::seconds(60);  // for another operation on the same machine
};

class SandboxProvider final : public Provider {
 public:
  // Finds out what this host allows (a few ms). Does not fail on a host that allows nothing: `validate` does.
  SandboxProvider(SandboxOptions options, const base::Clock& clock);

  std::string_view name() const override { return "sandbox"; }
  bool is_local() const override { return true; }
  std::vector<MachineType> machine_types() const override { return options_.machine_types; }
  std::string default_zone() const override { return "local"; }

  // Also SANDBOX_UNAVAILABLE (class internal), naming the package, where bubblewrap is missing or not allowed.
  void validate(const MachineSpec& spec) const override;
  // SANDBOX_FAILED (class internal) with bwrap's own words when it does not come up.
  void create(const MachineSpec& spec, std::stop_token stop) override;
  // NOT_FOUND when there is no home to start around.
  void start(const MachineSpec& spec, std::stop_token stop) override;
  void stop(const std::string& name, std::stop_token stop) override;
  void suspend(const std::string& name, std::stop_token stop) override;
  void destroy(const std::string& name, std::stop_token stop) override;
  MachineStatus status(const std::string& name) const override;
  std::vector<Listed> list() const override;

 private:
  std::optional<OperationLock> lock(const MachineFolder& folder, OperationLock::Folder mode,
                                    const std::stop_token& stop) const;
  void ensure_running(const MachineFolder& folder, const MachineSpec& spec, const std::stop_token& stop);
  void launch_once(const MachineFolder& folder, const MachineSpec& spec, const std::stop_token& stop) const;
  NetworkPlan plan() const;
  std::string cgroup_id(const std::string& name) const;
  MachineStatus status_of(const MachineFolder& folder) const;

  SandboxOptions options_;
  const base::Clock& clock_;
  CgroupHost cgroups_;
  std::string bwrap_;
  std::string unusable_;  // why this host cannot run sandboxes; empty when it can
  mutable std::mutex mutex_;
  std::string why_not_isolated_;  // guarded by mutex_: may turn out only at the first try
};

}  // namespace slipway::providers::sandbox
