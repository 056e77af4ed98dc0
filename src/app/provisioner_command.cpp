#include "app/provisioner_command.h"

#include <CLI/CLI.hpp>

#include "provisioner/registry.h"
#include "provisioner/serve_stdio.h"

namespace slipway::app {

void add_provisioner_command(CLI::App& app, int& exit_code) {
  const auto type = std::make_shared<std::string>();
  auto* command = app.add_subcommand("provisioner", "Carry out one session of a provisioner on stdin and stdout");
  command->add_option("type", *type, "which one is built in")
      ->required()
      ->check(CLI::IsMember(provisioner::built_in_types()));
  const auto tool = std::make_shared<std::string>();
  command->add_option("--tool", *tool, "program that it runs, as a path or a name: of terraform, for example tofu")
      ->envname("SLIPWAY_TERRAFORM");
  command->footer(
      "Daemons start this by themselves. By hand it shows what a provisioner answers, one JSON message a line\n"
      "(docs/provisioners.md); the end of the input cancels what is under way.\n\n"
      "Example:\n  slipway provisioner scripted");
  command->callback([type, tool, &exit_code] {
    const auto provisioner = provisioner::make_built_in(*type, *tool);
    exit_code = provisioner::serve_stdio(*provisioner);
  });
}

}  // namespace slipway::app
