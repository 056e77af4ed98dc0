#include "app/cli/command_line.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "app/cli/command_words.h"
#include "app/cli/commands.h"
#include "app/cli/http_transport.h"
#include "app/version.h"
#include "base/program_path.h"

namespace slipway::app::cli {

namespace {

namespace fs = std::filesystem;

void build_commands(CLI::App& app, Invocation& invocation, const ServeCommand& serve, int& serve_exit_code) {
  app.require_subcommand(1);
  app.footer("`slipway COMMAND --help` tells more, with examples.\n\n" + std::string(kExitCodes));
  app.add_option("--url", invocation.url, "the hub: http://…, https://… or unix:/path (SLIPWAY_URL)")->type_name("URL");
  app.add_option("--key", invocation.key, "API key (SLIPWAY_KEY)")->type_name("KEY");
  app.add_option("--data", invocation.data_dir, "data folder of a hub on this machine (SLIPWAY_DATA)")
      ->type_name("DIR");
  app.set_version_flag("--version", [] { return std::string("slipway ") + std::string(kVersion); });
  add_workspace_commands(app, invocation);
  add_build_commands(app, invocation);
  add_job_commands(app, invocation);
  add_daemon_commands(app, invocation);
  add_template_commands(app, invocation);
  add_quota_commands(app, invocation);
  add_copy_command(app, invocation);
  add_ssh_config_command(app, invocation);
  add_workstation_commands(app, invocation);
  add_run_commands(app, invocation);
  add_schedule_commands(app, invocation);
  add_hub_commands(app, invocation);
  add_queue_commands(app, invocation);
  add_alert_commands(app, invocation);
  add_audit_commands(app, invocation);
  add_message_commands(app, invocation);
  add_mail_commands(app, invocation);
  add_webhook_commands(app, invocation);
  add_key_commands(app, invocation);
  add_completion_commands(app, invocation);
  if (serve) serve(app, serve_exit_code);
}

// The deepest command that was named: whose help helps.
const CLI::App& chosen_command(const CLI::App& app) {
  const CLI::App* chosen = &app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  return *chosen;
}

std::string full_name(const CLI::App& command) {
  if (command.get_parent() == nullptr) return "slipway";
  return full_name(*command.get_parent()) + " " + command.get_name();
}

int report_usage(const CLI::App& app, const CLI::ParseError& error, const Invocation& invocation) {
  if (error.get_exit_code() == 0)
    return app.exit(error, invocation.world.out, invocation.world.err);  // --help, --version
  const CLI::App& command = chosen_command(app);
  invocation.world.err << invocation.err_style().red("slipway:") << ' ' << printable(error.what()) << "\n  hint: `"
                       << full_name(command) << " --help` shows how\n";
  return kUsage;
}

// `serve` has options of its own of these names; one before the word would be lost without a word.
void refuse_options_before_serve(const CLI::App& app, const std::vector<std::string>& arguments) {
  CommandWords read(app);
  for (const std::string& argument : arguments) {
    read.take(argument);
    if (read.command().get_name() == "serve") break;
  }
  if (read.command().get_name() != "serve") return;
  for (const char* name : {"--url", "--key", "--data"})
    if (!read.option_value(name).empty()) throw base::validation_error(name, "belongs after `serve`");
}

std::optional<std::string> read_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

// The program as it was called, links kept: a later call should follow the link to what is current then.
fs::path called_program(const char* called) {
  const std::string name = called == nullptr ? "" : called;
  if (name.contains('/')) return fs::absolute(name).lexically_normal();
  if (const auto found = base::find_program(name, read_environment("PATH").value_or("")))
    return fs::path(*found).lexically_normal();
  std::error_code unknown;
  return fs::read_symlink("/proc/self/exe", unknown);
}

std::vector<fs::path> program_dirs(const fs::path& called) {
  std::vector<fs::path> dirs{called.parent_path()};
  std::error_code unknown;
  const fs::path resolved = fs::canonical(called, unknown).parent_path();
  if (!unknown && resolved != dirs.front()) dirs.push_back(resolved);
  return dirs;
}

}  // namespace

int run_arguments(std::vector<std::string> arguments, Invocation& invocation, const ServeCommand& serve) {
  CLI::App app("Slipway: machines that people work on. Make a workspace, get in, lose nothing.", "slipway");
  int serve_exit_code = kOk;
  build_commands(app, invocation, serve, serve_exit_code);
  try {
    if (arguments.empty()) {
      invocation.world.out << app.help();
      return kUsage;
    }
    if (auto remote = cut_foreign_words(app, arguments)) invocation.trailing = *std::move(remote);
    refuse_options_before_serve(app, arguments);
    std::ranges::reverse(arguments);  // CLI11 takes a vector from its end
    app.parse(arguments);
    if (!invocation.action) return serve_exit_code;
    const int exit_code = invocation.action();
    invocation.world.out.flush();
    if (!invocation.world.out)
      throw base::Error(base::ErrorClass::user, "OUTPUT_FAILED", "standard output cannot be written");
    return exit_code;
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error, invocation);
  } catch (const std::exception&) {
    return invocation.report(base::as_error(std::current_exception()));
  }
}

int run_command_line(int argc, char** argv, ServeCommand serve) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away (`| head`) is an error of that write, not our death
  base::SystemClock clock;
  base::SystemRandom random;
  const fs::path program = called_program(argc > 0 ? argv[0] : nullptr);
  std::error_code unknown;  // a working directory that was deleted
  Invocation invocation(Surroundings{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = ::isatty(STDIN_FILENO) == 1,
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .environment = read_environment,
      .working_directory = fs::current_path(unknown),
      .program = program,
      .program_dirs = program_dirs(program),
      .connect = [](const HubAddress& address) { return std::make_unique<HttpTransport>(address.url); },
      .clock = clock,
      .random = random,
      .sleep = [](base::Duration duration) { std::this_thread::sleep_for(duration); },
  });
  return run_arguments(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), invocation, serve);
}

}  // namespace slipway::app::cli
