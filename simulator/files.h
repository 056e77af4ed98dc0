#pragma once
// What the simulator writes to disk: its state, and credentials that lead to it.

#include <string>

#include "simulator/world.h"

namespace slipway::simulator {

// Empty state if there is no such file. Throws Error.
WorldState read_state(const std::string& path);
// Replaces the file at once or not at all.
void write_state(const World& world, const std::string& path);
void write_credentials(const World& world, const std::string& folder);

}  // namespace slipway::simulator
