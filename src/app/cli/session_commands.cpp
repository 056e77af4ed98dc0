// ssh, exec: getting into a workspace, and running something in it.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <ostream>

#include "app/cli/commands.h"
#include "app/cli/session_runner.h"
#include "app/cli/ssh_config.h"
#include "app/cli/ssh_key.h"
#include "app/cli/views.h"

namespace slipway::app::cli {

namespace {

constexpr int kCommandNotFound = 127;  // as a shell says it
constexpr int kCommandNotExecutable = 126;

struct SessionOptions {
  std::string workspace, directory;
  std::vector<std::string> environment;
  bool terminal = false, stdio = false;
};

// ssh's convention: whatever kept the session from ending by itself is 255, however it is called.
int report_session(const Invocation& invocation, const base::Error& error) {
  if (error.code() == "OUTPUT_CLOSED") return 128 + SIGPIPE;
  if (error.code() == "SESSION_LEFT") {
    // To a person; ssh ends its ProxyCommand by a signal each time.
    if (invocation.world.in_is_terminal) invocation.say("the session was left");
    return kTransport;
  }
  invocation.report(error);
  if (error.code() == "COMMAND_NOT_FOUND") return kCommandNotFound;
  if (error.code() == "COMMAND_NOT_EXECUTABLE") return kCommandNotExecutable;
  return kTransport;
}

int run_reported(const Invocation& invocation, const std::function<int()>& session) {
  try {
    return session();
  } catch (const std::exception&) {
    return report_session(invocation, base::as_error(std::current_exception()));
  }
}

std::function<void(std::string_view)> notice_to(const Invocation& invocation) {
  return [&invocation](std::string_view text) {
    // In raw mode a line break does not return to the first column.
    invocation.world.err << (invocation.world.in_is_terminal ? "\r\n" : "");
    invocation.say(text);
    invocation.world.err << (invocation.world.in_is_terminal ? "\r" : "") << std::flush;
  };
}

agent::OpenRequest command_request(const Invocation& invocation, const SessionOptions& options, bool on_terminal) {
  agent::CommandRequest command;
  command.argv = invocation.trailing;
  for (const std::string& pair : options.environment) {
    const auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw base::validation_error("--env", "'" + pair + "' is not of the form NAME=VALUE");
    command.environment[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  if (!options.directory.empty()) command.directory = options.directory;
  agent::OpenRequest request;
  request.kind = on_terminal ? agent::SessionKind::terminal : agent::SessionKind::exec;
  if (on_terminal) {
    command.terminal = invocation.world.environment("TERM").value_or("xterm-256color");
    const TerminalSize size = terminal_size(STDIN_FILENO);
    command.size = agent::TerminalSize{.rows = size.rows, .columns = size.columns};
  }
  request.command = std::move(command);
  return request;
}

int run_command(Invocation& invocation, const SessionOptions& options, bool on_terminal) {
  const std::string id = running_workspace(invocation.hub(), options.workspace);
  SessionCall call{.request = command_request(invocation, options, on_terminal),
                   .input = STDIN_FILENO,
                   .output = STDOUT_FILENO,
                   .error = STDERR_FILENO,
                   .raw_terminal = on_terminal && invocation.world.in_is_terminal,
                   .forward_signals = true,
                   .notice = notice_to(invocation)};
  return exit_code_of(run_session(invocation.hub().address(), id, std::move(call)));
}

// Raw ssh on stdin and stdout. The name may be ssh's own for the workspace: `slipway.hello`.
int run_stdio(Invocation& invocation, std::string name) {
  if (name.starts_with(kSshHostPrefix)) name.erase(0, kSshHostPrefix.size());
  const std::string id = running_workspace(invocation.hub(), name);
  agent::OpenRequest request;
  request.kind = agent::SessionKind::ssh;
  request.ssh = agent::SshRequest{read_public_key(ensure_ssh_key(invocation.world.environment))};
  return exit_code_of(run_session(
      invocation.hub().address(), id,
      {.request = std::move(request), .input = STDIN_FILENO, .output = STDOUT_FILENO, .error = STDERR_FILENO}));
}

void add_ssh(CLI::App& parent, Invocation& invocation) {
  auto options = std::make_shared<SessionOptions>();
  CLI::App& command = add_command(
      parent, invocation, "ssh", "Open a shell in a workspace; ~. at the beginning of a line leaves it",
      "  slipway ssh hello\n  slipway ssh hello -- htop\n"
      "  ssh -o ProxyCommand='slipway ssh --stdio %h' dev@hello     # or: slipway ssh-config --install",
      [&invocation, options] {
        return run_reported(invocation, [&] {
          return options->stdio ? run_stdio(invocation, options->workspace) : run_command(invocation, *options, true);
        });
      });
  command.add_option("workspace", options->workspace, "name or id")->required()->type_name(kWorkspaceName);
  command.add_flag("--stdio", options->stdio, "speak ssh on stdin and stdout, for a ProxyCommand");
}

void add_exec(CLI::App& parent, Invocation& invocation) {
  auto options = std::make_shared<SessionOptions>();
  CLI::App& command = add_command(
      parent, invocation, "exec", "Run a command in a workspace, with its streams and exit code",
      "  slipway exec hello -- make -j4\n  slipway exec hello -t -- vim notes.txt\n"
      "  tar c . | slipway exec hello --workdir src -- tar x\n"
      "  slipway exec hello -- sh -c 'echo $HOME'",
      [&invocation, options] {
        if (invocation.trailing.empty()) throw base::validation_error("COMMAND", "is missing; put it after `--`");
        return run_reported(invocation, [&] { return run_command(invocation, *options, options->terminal); });
      });
  command.add_option("workspace", options->workspace, "name or id, then: -- COMMAND…")
      ->required()
      ->type_name(kWorkspaceName);
  command.add_flag("-t,--tty", options->terminal, "on a terminal, as editors and the like need it");
  command.add_option("-e,--env", options->environment, "NAME=VALUE for this command; repeatable")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all();
  command.add_option("-w,--workdir", options->directory, "folder to run in; relative to the home")->type_name("DIR");
}

}  // namespace

std::string running_workspace(HubClient& hub, const std::string& name_or_id) {
  const auto workspace = read_view<WorkspaceView>(hub.find_workspace(name_or_id));
  if (workspace.status == "SUSPENDED")
    throw base::Error(
        base::ErrorClass::conflict, "INVALID_STATE_TRANSITION",
        "workspace '" + workspace.name + "' is not running; start it: slipway workspace start " + workspace.name);
  return workspace.id;
}

void add_session_commands(CLI::App& app, CLI::App& workspace, Invocation& invocation) {
  for (CLI::App* parent : {&app, &workspace}) {
    add_ssh(*parent, invocation);
    add_exec(*parent, invocation);
  }
}

}  // namespace slipway::app::cli
