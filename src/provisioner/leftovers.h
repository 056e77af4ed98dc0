#pragma once
// Ends what a provisioner's process has left: all of its session, and whoever carries its mark in the environment, also
// in a session or group of its own. A process that has given up both on purpose is not found: against such a one a
// daemon has to run in a container or a unit of systemd.

#include <sys/types.h>

#include <string>

namespace slipway::provisioner {

// A variable that is set for each provisioner's process, to a value of its own, and so for all that it starts.
inline constexpr const char* kSessionMark = "PROVISIONER_SESSION_ID";

// Kills them all and waits until they are gone (at most `kLeftoversBoundMs`: one that hangs in the kernel is left).
// Gives how many there were. `session`: the pid of the process that led it; it is not touched itself.
inline constexpr int kLeftoversBoundMs = 5'000;
int end_leftovers(pid_t session, const std::string& mark);

}  // namespace slipway::provisioner
