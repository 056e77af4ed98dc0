#pragma once
// Which provisioners a daemon of this program runs, and how.

#include <string>
#include <vector>

#include "runner/daemon.h"

namespace slipway::app {

// `TYPE`: one that is built in. `TYPE=COMMAND`: a program of somebody else, with its arguments after spaces
// (docs/provisioners.md). None given: all that are built in. Throws PROVISIONER_UNKNOWN, VALIDATION_ERROR (user).
//
// Those that are built in run as processes of this program, so that they outlive a daemon that is killed for long
// enough to end well; only `scripted`, which has nothing to end, stays within.
runner::Provisioners daemon_provisioners(const std::vector<std::string>& wanted);

}  // namespace slipway::app
