#pragma once
// Programs started by the agent: with pipes or with a terminal of their own, each leading its own session, so that a
// signal to its group reaches it and what it started.

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/messages.h"
#include "base/unique_fd.h"
#include "net/asio.h"

namespace slipway::agent {

struct ProcessSpec {
  std::string program;                 // an absolute path, or a name looked up in the environment's PATH
  std::vector<std::string> arguments;  // with argv[0]
  std::map<std::string, std::string> environment;
  std::string directory;
  std::optional<TerminalSize> terminal;  // a terminal instead of pipes
};

// Our ends, non-blocking and close-on-exec. With a terminal `input` and `output` are the same one, and there is no
// `error`.
struct Process {
  pid_t pid = -1;
  base::UniqueFd input, output, error;
};

// Throws user COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, DIRECTORY_NOT_FOUND; transient for want of resources.
Process spawn(const ProcessSpec& spec);
void resize_terminal(int terminal, const TerminalSize& size);

// Hears of every ended child. Whoever spawns must `watch` before it returns to the loop. With `orphans`, processes that
// were left to us (as process 1, or as a subreaper) are reaped too: then nothing else in the program may wait for
// children. One for each program.
enum class Orphans { left_alone, reaped };

class ChildReaper {
 public:
  ChildReaper(net::IoContext& io, Orphans orphans);
  ~ChildReaper();
  // `on_exit` is called once, on the loop, with the status that waitpid gives.
  void watch(pid_t pid, std::function<void(int status)> on_exit);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// A waitpid status as a session's exit.
Exit exit_of_status(int status);

}  // namespace slipway::agent
