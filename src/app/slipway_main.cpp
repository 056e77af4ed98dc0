// The program `slipway`: the hub and its command line client.

#include <CLI/CLI.hpp>

#include "app/cli/command_line.h"
#include "app/hub_config.h"
#include "app/hub_process.h"
#include "app/provisioner_command.h"
#include "app/provisionerd_command.h"

namespace {

void add_serve(CLI::App& app) {
  auto config = std::make_shared<slipway::app::HubConfig>();
  auto* serve = app.add_subcommand("serve", "Run a hub in the foreground until SIGTERM or Ctrl-C");
  slipway::app::add_options(*serve, *config);
  serve->footer(
      "The data folder gets client.json with the address and an admin's key, for the command line.\n\n"
      "Examples:\n  slipway serve\n  slipway serve --data /var/lib/slipway --address 0.0.0.0 --port 8080\n"
      "  slipway serve --database postgres://slipway@db/slipway");
  serve->callback([config] { slipway::app::HubProcess(*config).run(); });
}

void add_servers(CLI::App& app, int& exit_code) {
  add_serve(app);
  slipway::app::add_provisioner_command(app, exit_code);
  slipway::app::add_provisionerd_command(app);
}

}  // namespace

int main(int argc, char** argv) { return slipway::app::cli::run_command_line(argc, argv, add_servers); }
