#pragma once
// One session with a workspace's agent, connected to descriptors of this process: what ssh, exec and cp run on.

#include <functional>
#include <string>
#include <string_view>

#include "agent/messages.h"
#include "app/cli/hub_address.h"

namespace slipway::app::cli {

struct SessionCall {
  agent::OpenRequest request;
  int input = -1;  // none: the input ends at once
  int output = -1;
  int error = -1;
  bool raw_terminal = false;  // `input` is a terminal: raw while the session lives, with resizes and the escape
  // INT, TERM, HUP, QUIT, USR1, USR2 go to the program, and only the second of a kind ends us. Else the first does.
  bool forward_signals = false;
  // Downloads: called once with what will come, before any of it; returns the descriptor to write it to.
  std::function<int(const agent::FileFacts&)> open_output{};
  std::function<void(std::string_view)> notice{};  // told when the connection has been lost for a while
};

// Blocks until the session has ended and all output is written. Throws what refused or lost it; SESSION_LEFT when the
// user left by the escape or a signal; OUTPUT_CLOSED when the reader of its output went.
agent::Exit run_session(const HubAddress& hub, const std::string& workspace_id, SessionCall call);

// What a shell would say of it: the code, or 128 and the signal's number. Throws for an end without either.
int exit_code_of(const agent::Exit& exit);

// ws://, wss:// or unix:socket:path of the session route of a workspace.
std::string session_url(const std::string& hub_url, const std::string& workspace_id);

}  // namespace slipway::app::cli
