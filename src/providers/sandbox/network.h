#pragma once
// What network a sandbox has: one of its own with a way out through slirp4netns, the host's, or none.

#include <sys/types.h>

#include <string>

#include "providers/sandbox/cgroups.h"
#include "providers/sandbox/machine_folder.h"

namespace slipway::providers::sandbox {

enum class Network {
  automatic,  // isolated where this host can, else the host's
  isolated,   // its own, with a way out; the host's loopback is not reachable
  host,       // the host's, with everything that listens on its loopback
  none,       // its own, with loopback only
};
BOOST_DESCRIBE_ENUM(Network, automatic, isolated, host, none)

// What is done in the end (never `automatic`), in words for people.
struct NetworkPlan {
  Network kind = Network::host;
  std::string description;
};

// Why a network of its own cannot be given; empty when it can, as far as can be seen without trying.
std::string why_not_isolated();
// Throws NETWORK_UNAVAILABLE when `wanted` is isolated and cannot be.
NetworkPlan plan_network(Network wanted, const std::string& why_not);

// The address at which slirp4netns answers DNS.
inline constexpr const char* kIsolatedNameserver = "10.0.2.3";

// Gives the network of process `init` a way out, and returns when it stands. `lifeline` is a connected socket whose
// other end is held by the processes of the sandbox and nobody else: slirp4netns ends with the last of them.
// Throws NETWORK_UNAVAILABLE with what slirp4netns said.
void start_slirp(const MachineFolder& folder, const ProcessId& init, const base::UniqueFd& lifeline,
                 const MachineCgroups& cgroups);

}  // namespace slipway::providers::sandbox
