#pragma once
// Starting other programs and holding on to them, safely from several threads.
//
// A child inherits exactly the descriptors that its Command names; everything else is closed before the program runs,
// whatever other threads have open. Processes are held by pidfd, never by number alone: a number that the kernel gave
// to somebody else is never signalled. No SIGCHLD handler is used or needed.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/unique_fd.h"

namespace slipway::providers::sandbox {

class Command {
 public:
  std::vector<std::string> argv;         // argv[0] is the absolute path of the program
  std::vector<std::string> environment;  // NAME=value; this is all that the program gets
  int stdin_fd = -1;                     // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<int> cgroups;  // open cgroup.procs files; the child joins them before the program runs

  // Lets the program inherit `fd` (which stays the caller's) and returns the number that it will have there.
  int pass(int fd);
  const std::vector<int>& passed() const { return passed_; }

 private:
  std::vector<int> passed_;
};

// A process for ever: the number and the moment of its start (clock ticks since boot, proc(5) field 22).
struct ProcessId {
  std::int64_t pid = 0;
  std::int64_t started = 0;
};
SLIPWAY_JSON_SNAKE(ProcessId, pid, started)

// Who has that number now; empty when nobody has, or only a zombie.
std::optional<ProcessId> identify(pid_t pid);
// Children of a process, oldest first.
std::vector<pid_t> children_of(pid_t pid);
// A pidfd of exactly this process; empty when it is gone. May be a zombie's.
base::UniqueFd open_process(const ProcessId& process);
// A pidfd of whoever has the number now. For callers that look again afterwards whether it is the one they mean.
base::UniqueFd open_pid(pid_t pid);
bool has_exited(const base::UniqueFd& pidfd);
// False when it is still there at the deadline, or `stop` was requested.
bool wait_for_exit(const base::UniqueFd& pidfd, std::chrono::steady_clock::time_point deadline, std::stop_token stop);
// No error when it is gone already.
void send_signal(const base::UniqueFd& pidfd, int signal);
// The kernel's name of this boot of the machine.
std::string boot_id();

struct Outcome {
  int exit_code = -1;  // -1 when a signal ended it, or it never ran
  int signal = 0;
  bool timed_out = false;
  std::string output;  // stdout and stderr together, cut at kOutputMaxBytes
};
inline constexpr std::size_t kOutputMaxBytes = 64 * 1024;  // enough for any message; a babbling program costs no memory
// Runs a helper to its end; kills it at the timeout.
Outcome run(const Command& command, std::chrono::milliseconds timeout);

// A program that outlives us: in a session of its own, child of the init process (or of the nearest subreaper). It is
// forked at once but waits; it runs when `release` is called and vanishes when this object, or our whole process, goes
// before that. So its id can be recorded before it does anything.
class DetachedProcess {
 public:
  explicit DetachedProcess(const Command& command);
  const ProcessId& id() const { return id_; }
  const base::UniqueFd& pidfd() const { return pidfd_; }
  // Returns when the program was executed; throws SYSTEM_ERROR naming what failed.
  void release();

 private:
  ProcessId id_;
  base::UniqueFd pidfd_;
  base::UniqueFd go_;
  base::UniqueFd report_;
  std::string program_;
};

// The program's absolute path, searched in PATH and the system's folders; empty when it is not installed.
std::string find_program(const std::string& name);
// A pipe that no child inherits by itself.
struct Pipe {
  Pipe();
  base::UniqueFd read;
  base::UniqueFd write;
};

}  // namespace slipway::providers::sandbox
