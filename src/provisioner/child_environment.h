#pragma once
// The environment of a provisioner's process: ours, with what clouds and tools are reached with, but without what is
// the daemon's own, or the hub's in whose process the daemon may be.

#include <map>
#include <string>

namespace slipway::provisioner {

// Without SLIPWAY_… (keys of the hub) and PG… (the way to its database).
std::map<std::string, std::string> child_environment(const char* const* environment);

}  // namespace slipway::provisioner
