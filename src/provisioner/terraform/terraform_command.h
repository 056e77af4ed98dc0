#pragma once
// Runs one command of Terraform to its end (RUN-21): in a session and process group of its own, so that a signal to the
// group reaches it and the providers that it started, and so that nothing of it is left behind.

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::provisioner::terraform {

struct Command {
  std::string program;                 // an absolute path
  std::vector<std::string> arguments;  // without argv[0]
  std::map<std::string, std::string> environment;
  std::filesystem::path directory;
};

enum class Stream { output, error };

struct CommandWatch {
  // Each line, without its line break, in order; on a thread of the command's own. While it blocks nothing is read, so
  // that the command soon stands still too.
  std::function<void(Stream, std::string_view)> on_line;
  // Once: SIGINT to the group; after `interrupt_bound`, SIGKILL.
  std::stop_token cancelled;
  // SIGKILL to the group, at once.
  std::stop_token killed;
  std::chrono::milliseconds interrupt_bound = std::chrono::minutes(3);
};

struct CommandOutcome {
  int exit_code = -1;        // -1: a signal ended it
  int signal = 0;            // that one
  bool interrupted = false;  // SIGINT was sent
  bool timed_out = false;    // and did not end it within the bound

  bool ok() const { return exit_code == 0; }
};

// Blocks. When it returns no process of the group runs any more, and `on_line` has returned for the last time; what a
// descendant wrote that has left the group is not waited for. Lines have no bound; one beyond 64 MiB comes in pieces.
// Throws what agent::spawn throws where the program cannot be started.
CommandOutcome run_command(const Command& command, const CommandWatch& watch);

}  // namespace slipway::provisioner::terraform
