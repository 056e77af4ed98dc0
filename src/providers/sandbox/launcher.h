#pragma once
// Brings a sandbox up around its home, so that a hub killed at any instant leaves either no process, or one that waits
// at the gate with its id on record, or a complete machine. The order of the steps in launch() is the whole point.

#include <chrono>
#include <map>
#include <stop_token>
#include <string>

#include "providers/sandbox/bwrap.h"
#include "providers/sandbox/cgroups.h"

namespace slipway::providers::sandbox {

struct LaunchPlan {
  const MachineSpec& spec;
  const MachineType& type;
  BwrapInput bwrap;
  NetworkPlan network;
  MachineCgroups cgroups;
  std::map<std::string, std::string> unavailable_limits;  // by limit: why
  std::chrono::milliseconds timeout{};
};

// The caller holds the operation lock, and nothing of an earlier launch is left. On failure nothing is left either, and
// the error is SANDBOX_FAILED or NETWORK_UNAVAILABLE with what the tools said, CANCELLED, or SYSTEM_ERROR.
void launch(const MachineFolder& folder, const LaunchPlan& plan, const base::Clock& clock, const std::stop_token& stop);

// Whether a complete machine of this boot lives in the folder.
bool is_alive(const MachineFolder& folder, const LaunchRecord& record);

}  // namespace slipway::providers::sandbox
