#pragma once
// The sandbox's inside, as a command line for bubblewrap: what is mounted, what is seen, what is hidden.

#include <filesystem>
#include <string>
#include <vector>

#include "providers/sandbox/machine_folder.h"
#include "providers/sandbox/network.h"

namespace slipway::providers::sandbox {

inline constexpr const char* kUser = "dev";
inline constexpr int kUserId = 1000;
inline constexpr const char* kHomeInside = "/home/dev";
inline constexpr const char* kAgentInside = "/opt/slipway/slipway-agent";
inline constexpr const char* kTokenInside = "/secrets/agent-token";
inline constexpr const char* kHubFolderInside = "/run/slipway";

struct BwrapInput {
  std::string program;                 // bwrap
  std::filesystem::path home;          // outside
  std::filesystem::path agent_binary;  // outside
  Network network = Network::host;
};

// What must reach bwrap besides words. All stay the caller's.
struct BwrapDescriptors {
  int life_lock = -1;
  int gate = -1;
  int status = -1;
  int info = -1;  // bwrap writes the first process's id here and closes it
};

// A command and the files in memory that it refers to. Words travel in one of them, so that neither a secret nor
// anything else of the user's stands on a command line of the host.
struct BwrapCommand {
  Command command;
  std::vector<base::UniqueFd> files;
};

BwrapCommand bwrap_command(const BwrapInput& input, const MachineSpec& spec, const MachineType& type,
                           const BwrapDescriptors& descriptors);

}  // namespace slipway::providers::sandbox
