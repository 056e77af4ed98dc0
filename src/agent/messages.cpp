#include "agent/messages.h"

#include <array>
#include <csignal>

namespace slipway::agent {
namespace {

constexpr std::size_t kMinSessionIdChars = 22;  // 128 bits
constexpr std::size_t kMaxSessionIdChars = 64;
constexpr std::size_t kMaxArguments = 1024;
constexpr std::size_t kMaxEnvironment = 512;
constexpr int kMaxTerminalSide = 10000;  // rows or columns
constexpr int kMaxPort = 65535;
constexpr int kMaxMode = 07777;

struct NamedSignal {
  std::string_view name;
  int number;
};
constexpr std::array kSignals = {
    NamedSignal{"HUP", SIGHUP},   NamedSignal{"INT", SIGINT},    NamedSignal{"QUIT", SIGQUIT},
    NamedSignal{"KILL", SIGKILL}, NamedSignal{"USR1", SIGUSR1},  NamedSignal{"USR2", SIGUSR2},
    NamedSignal{"TERM", SIGTERM}, NamedSignal{"CONT", SIGCONT},  NamedSignal{"STOP", SIGSTOP},
    NamedSignal{"TSTP", SIGTSTP}, NamedSignal{"WINCH", SIGWINCH}};

void check_text(std::string_view field, std::string_view text) {
  if (text.find('\0') != text.npos) throw base::validation_error(field, "must not contain a zero byte");
}

void validate_session(std::string_view session) {
  const bool fits = session.size() >= kMinSessionIdChars && session.size() <= kMaxSessionIdChars;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (!fits || !std::all_of(session.begin(), session.end(), allowed))
    throw base::validation_error("/session", "must be 22 to 64 characters of base64url");
}

void validate_command(const CommandRequest& command, SessionKind kind) {
  if (!command.argv.empty() && command.shell_command)
    throw base::validation_error("/command/shell_command", "must not stand beside argv");
  if (kind == SessionKind::exec && command.argv.empty() && !command.shell_command)
    throw base::validation_error("/command/argv", "is required, or shell_command");
  if (command.argv.size() > kMaxArguments) throw base::validation_error("/command/argv", "has more than 1024 items");
  if (!command.argv.empty() && command.argv[0].empty())
    throw base::validation_error("/command/argv", "begins with an empty program name");
  for (const auto& argument : command.argv) check_text("/command/argv", argument);
  if (command.shell_command) check_text("/command/shell_command", *command.shell_command);
  if (command.environment.size() > kMaxEnvironment)
    throw base::validation_error("/command/environment", "has more than 512 variables");
  for (const auto& [name, value] : command.environment) {
    if (name.empty() || name.find('=') != name.npos)
      throw base::validation_error("/command/environment", "has a name that is empty or contains '='");
    check_text("/command/environment", name);
    check_text("/command/environment", value);
  }
  if (command.directory) check_text("/command/directory", *command.directory);
  if (command.terminal) check_text("/command/terminal", *command.terminal);
  if (command.size) validate(*command.size, "/command/size");
}

void validate_files(const FilesRequest& files) {
  if (files.path.empty()) throw base::validation_error("/files/path", "is required");
  check_text("/files/path", files.path);
  if (files.mode && (*files.mode < 0 || *files.mode > kMaxMode))
    throw base::validation_error("/files/mode", "must be between 0 and 07777");
}

void validate_ssh(const SshRequest& ssh) {
  // One line, or a client could slip options or further keys into the file.
  for (const char c : ssh.authorized_key)
    if (std::uint8_t(c) < 0x20 || c == 0x7f)
      throw base::validation_error("/ssh/authorized_key", "must be a single line without control characters");
  const bool is_key = ssh.authorized_key.starts_with("ssh-") || ssh.authorized_key.starts_with("ecdsa-") ||
                      ssh.authorized_key.starts_with("sk-");
  if (!is_key) throw base::validation_error("/ssh/authorized_key", "must be a public key such as 'ssh-ed25519 AAAA…'");
}

template <class T>
const T& require(const std::optional<T>& part, std::string_view field) {
  if (!part) throw base::validation_error(field, "is required for this kind of session");
  return *part;
}

}  // namespace

std::uint64_t& Positions::operator[](StreamId stream) {
  switch (stream) {
    case StreamId::input:
      return input;
    case StreamId::output:
      return output;
    case StreamId::error:
      return error;
    case StreamId::commands:
      return commands;
    case StreamId::events:
      return events;
  }
  base::invariant_broken("stream is one of five", __FILE__, __LINE__);
}

void validate(const TerminalSize& size, std::string_view field) {
  if (size.rows < 1 || size.columns < 1 || size.rows > kMaxTerminalSide || size.columns > kMaxTerminalSide)
    throw base::validation_error(field, "must have 1 to 10000 rows and columns");
}

void validate(const OpenRequest& request) {
  validate_session(request.session);
  if (request.resume) return;  // it was looked at when the session began
  switch (request.kind) {
    case SessionKind::exec:
    case SessionKind::terminal:
      return validate_command(require(request.command, "/command"), request.kind);
    case SessionKind::tcp:
      if (const int port = require(request.tcp, "/tcp").port; port < 1 || port > kMaxPort)
        throw base::validation_error("/tcp/port", "must be between 1 and 65535");
      return;
    case SessionKind::ssh:
      return validate_ssh(require(request.ssh, "/ssh"));
    case SessionKind::files:
      return validate_files(require(request.files, "/files"));
  }
}

std::optional<int> signal_number(std::string_view name) {
  for (const auto& signal : kSignals)
    if (signal.name == name) return signal.number;
  return std::nullopt;
}

std::string signal_name(int number) {
  for (const auto& signal : kSignals)
    if (signal.number == number) return std::string(signal.name);
  switch (number) {
    case SIGSEGV:
      return "SEGV";
    case SIGABRT:
      return "ABRT";
    case SIGPIPE:
      return "PIPE";
    case SIGFPE:
      return "FPE";
    case SIGILL:
      return "ILL";
    case SIGBUS:
      return "BUS";
    case SIGALRM:
      return "ALRM";
    case SIGXCPU:
      return "XCPU";
    case SIGXFSZ:
      return "XFSZ";
    case SIGTRAP:
      return "TRAP";
    case SIGSYS:
      return "SYS";
    default:
      return std::to_string(number);
  }
}

}  // namespace slipway::agent
