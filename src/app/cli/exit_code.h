#pragma once
// What the program's exit code tells a script. The same table stands in `slipway --help` and docs/cli.md.

#include "base/error.h"

namespace slipway::app::cli {

enum ExitCode : int {
  kOk = 0,
  kFailed = 1,        // the hub or the run said no, for a reason that no other code names
  kUsage = 2,         // the command line is wrong, or the hub refused a value of it
  kNotFound = 3,      // no such workspace, run or key (or not ours)
  kConflict = 4,      // the name is taken, or the state does not allow it now
  kUnauthorized = 5,  // no key, a wrong key, or one that may not do this
  kUnreachable = 6,   // no hub found, none answers, or it cannot serve at the moment
  kTransport = 255,   // exec and ssh only, like ssh: the session could not be had or was lost
};

inline constexpr std::string_view kExitCodes =
    "Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 conflict or invalid state, 5 unauthorized,\n"
    "6 hub not reachable; exec and ssh return the remote command's code (128 + N when signal N ended it),\n"
    "or 255 when the session failed.";

ExitCode exit_code_for(const base::Error& error);

// What to try next, one line, or empty when the message says it all.
std::string hint_for(const base::Error& error);

}  // namespace slipway::app::cli
