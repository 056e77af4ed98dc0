#pragma once
// Ending a sandbox, whatever state a killed hub left it in, and telling how one ended by itself.

#include <chrono>
#include <stop_token>
#include <string>

#include "providers/sandbox/machine_folder.h"

namespace slipway::providers::sandbox {

// Asks the main process to end (SIGTERM) and waits for the whole sandbox, at most `grace`. A frozen one is thawed.
void end_gracefully(const MachineFolder& folder, std::chrono::milliseconds grace, const std::stop_token& stop);

// Kills every process of the sandbox, waits until none is left, removes its control groups and forgets the launch.
// The caller holds the operation lock. Never signals a process that is not the sandbox's, however stale the records.
void kill_and_clean(const MachineFolder& folder);

// For people: exit code or signal, memory shortage, the last lines that it printed.
std::string describe_death(const MachineFolder& folder, const LaunchRecord& launch);

}  // namespace slipway::providers::sandbox
