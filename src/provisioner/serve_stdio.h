#pragma once
// The other end of stdio_provisioner.h: a provisioner of ours as the program that speaks on its stdin and stdout.

#include "provisioner/protocol.h"

namespace slipway::provisioner {

struct StdioEnds {
  int input = 0;
  int output = 1;
};

// Carries out one session and returns the program's exit code. At the end of the input, or SIGINT, the request under
// way is cancelled and awaited; at SIGTERM everything is dropped at once. Blocks both signals for all threads that
// begin after it: to be called by main before there are any.
int serve_stdio(Provisioner& provisioner, StdioEnds ends = {});

}  // namespace slipway::provisioner
