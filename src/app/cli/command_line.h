#pragma once
// The program `slipway`: every command of the client, and the place where `serve` is hung on.

#include <functional>
#include <string>
#include <vector>

#include "app/cli/invocation.h"

namespace slipway::app::cli {

// Adds the subcommand `serve` to the program. Its CLI11 callback may block for as long as the hub serves; what it
// throws is reported like any other failure. `exit_code` becomes the program's.
using ServeCommand = std::function<void(CLI::App& app, int& exit_code)>;

// What `main` calls. Returns the exit code (exit_code.h). `serve` may be empty.
int run_command_line(int argc, char** argv, ServeCommand serve);

// The same on given surroundings; `arguments` without the program's name. For tests.
int run_arguments(std::vector<std::string> arguments, Invocation& invocation, const ServeCommand& serve = {});

}  // namespace slipway::app::cli
