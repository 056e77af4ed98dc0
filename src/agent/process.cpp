#include "agent/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/asio/signal_set.hpp>
#include <cerrno>
#include <system_error>
#include <unordered_map>

#include "base/program_path.h"

namespace slipway::agent {
namespace {

base::Error command_not_found(const std::string& program) {
  return base::Error(base::ErrorClass::user, "COMMAND_NOT_FOUND", "'" + program + "': command not found");
}

base::Error not_executable(const std::string& program) {
  return base::Error(base::ErrorClass::user, "COMMAND_NOT_EXECUTABLE", "'" + program + "' cannot be executed");
}

std::string find_program(const ProcessSpec& spec) {
  if (spec.program.find('/') != spec.program.npos) {
    // A relative path is one from the directory in which the program will run.
    const std::string path = spec.program.starts_with('/') ? spec.program : spec.directory + '/' + spec.program;
    if (base::is_program(path)) return path;
    throw ::access(path.c_str(), F_OK) == 0 ? not_executable(spec.program) : command_not_found(spec.program);
  }
  const auto set = spec.environment.find("PATH");
  const std::string_view folders = set == spec.environment.end() ? base::kDefaultPath : std::string_view(set->second);
  if (auto path = base::find_program(spec.program, folders)) return *std::move(path);
  throw command_not_found(spec.program);
}

void check_directory(const std::string& directory) {
  struct stat facts;
  if (::stat(directory.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode))
    throw base::Error(base::ErrorClass::user, "DIRECTORY_NOT_FOUND", "'" + directory + "' is not a directory");
}

struct Pipe {
  base::UniqueFd reader, writer;
};

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw base::system_error("make a pipe", errno);
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

void make_non_blocking(const base::UniqueFd& fd) {
  if (::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK) != 0)
    throw base::system_error("make a descriptor non-blocking", errno);
}

// posix_spawn's two structs, freed when they go.
class SpawnPlan {
 public:
  SpawnPlan() {
    check(::posix_spawn_file_actions_init(&actions_));
    check(::posix_spawnattr_init(&attributes_));
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    check(::posix_spawnattr_setsigmask(&attributes_, &none));
    check(::posix_spawnattr_setsigdefault(&attributes_, &all));
    check(
        ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void duplicate(int from, int to) { check(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
  void open(int to, const std::string& path) {
    check(::posix_spawn_file_actions_addopen(&actions_, to, path.c_str(), O_RDWR, 0));
  }
  void enter(const std::string& directory) {
    check(::posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str()));
  }
  // Not every library marks its descriptors close-on-exec: the user's shell must not hold the agent's connection.
  void close_the_rest() { check(::posix_spawn_file_actions_addclosefrom_np(&actions_, 3)); }

  pid_t run(const std::string& program, char* const* arguments, char* const* environment) {
    pid_t pid = -1;
    const int failure = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, arguments, environment);
    if (failure == ENOEXEC || failure == EACCES) throw not_executable(program);
    if (failure == ENOENT) throw command_not_found(program);  // a script's interpreter
    if (failure != 0) throw base::system_error("start '" + program + "'", failure);
    return pid;
  }

 private:
  static void check(int failure) {
    if (failure != 0) throw base::system_error("prepare a program's start", failure);
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

pid_t start(const ProcessSpec& spec, const std::string& program, SpawnPlan& plan) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : spec.environment) variables.push_back(name + '=' + value);
  std::vector<char*> arguments, environment;
  for (const auto& argument : spec.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  for (const auto& variable : variables) environment.push_back(const_cast<char*>(variable.c_str()));
  arguments.push_back(nullptr);
  environment.push_back(nullptr);
  plan.enter(spec.directory);
  plan.close_the_rest();
  return plan.run(program, arguments.data(), environment.data());
}

Process spawn_with_pipes(const ProcessSpec& spec, const std::string& program) {
  Pipe input = make_pipe(), output = make_pipe(), error = make_pipe();
  SpawnPlan plan;
  plan.duplicate(input.reader.get(), 0);
  plan.duplicate(output.writer.get(), 1);
  plan.duplicate(error.writer.get(), 2);
  Process process{.pid = start(spec, program, plan),
                  .input = std::move(input.writer),
                  .output = std::move(output.reader),
                  .error = std::move(error.reader)};
  for (const auto* fd : {&process.input, &process.output, &process.error}) make_non_blocking(*fd);
  return process;
}

Process spawn_with_terminal(const ProcessSpec& spec, const std::string& program) {
  base::UniqueFd terminal(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  std::array<char, 64> name{};
  if (!terminal || ::grantpt(terminal.get()) != 0 || ::unlockpt(terminal.get()) != 0 ||
      ::ptsname_r(terminal.get(), name.data(), name.size()) != 0)
    throw base::system_error("open a terminal", errno);
  resize_terminal(terminal.get(), *spec.terminal);
  SpawnPlan plan;
  // The leader of a new session that opens a terminal gets it as its controlling one: Ctrl-C works.
  plan.open(0, name.data());
  plan.duplicate(0, 1);
  plan.duplicate(0, 2);
  Process process;
  process.output.reset(::fcntl(terminal.get(), F_DUPFD_CLOEXEC, 3));
  if (!process.output) throw base::system_error("duplicate a terminal", errno);
  process.pid = start(spec, program, plan);
  process.input = std::move(terminal);
  make_non_blocking(process.input);  // shared by the duplicate
  return process;
}

}  // namespace

Process spawn(const ProcessSpec& spec) {
  check_directory(spec.directory);
  const std::string program = find_program(spec);
  return spec.terminal ? spawn_with_terminal(spec, program) : spawn_with_pipes(spec, program);
}

void resize_terminal(int terminal, const TerminalSize& size) {
  winsize wanted{};
  wanted.ws_row = static_cast<unsigned short>(size.rows);
  wanted.ws_col = static_cast<unsigned short>(size.columns);
  ::ioctl(terminal, TIOCSWINSZ, &wanted);  // fails only when the terminal is gone, and then nobody minds
}

Exit exit_of_status(int status) {
  Exit exit;
  if (WIFEXITED(status))
    exit.code = WEXITSTATUS(status);
  else
    exit.signal = signal_name(WTERMSIG(status));
  return exit;
}

struct ChildReaper::Impl : std::enable_shared_from_this<Impl> {
  Impl(net::IoContext& io, Orphans o) : orphans(o), signals(io.get_executor(), SIGCHLD) {}

  void listen() {
    signals.async_wait([self = weak_from_this()](const boost::system::error_code& failure, int) {
      const auto impl = self.lock();
      if (failure || !impl) return;
      impl->listen();
      impl->reap();
    });
  }

  // One signal may stand for many children.
  void reap() {
    if (orphans == Orphans::reaped) {
      int status = 0;
      for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) finish(pid, status);
      return;
    }
    std::vector<pid_t> pids;
    for (const auto& [pid, unused] : watched) pids.push_back(pid);
    for (const pid_t pid : pids)
      if (int status = 0; ::waitpid(pid, &status, WNOHANG) == pid) finish(pid, status);
  }

  void finish(pid_t pid, int status) {
    const auto found = watched.find(pid);
    if (found == watched.end()) return;
    const auto on_exit = std::move(found->second);
    watched.erase(found);
    on_exit(status);
  }

  Orphans orphans;
  boost::asio::basic_signal_set<net::Executor> signals;
  std::unordered_map<pid_t, std::function<void(int)>> watched;
};

ChildReaper::ChildReaper(net::IoContext& io, Orphans orphans) : impl_(std::make_shared<Impl>(io, orphans)) {
  impl_->listen();
}

ChildReaper::~ChildReaper() = default;

void ChildReaper::watch(pid_t pid, std::function<void(int)> on_exit) { impl_->watched[pid] = std::move(on_exit); }

}  // namespace slipway::agent
