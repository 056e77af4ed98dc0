#include "providers/sandbox/process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/program_path.h"
#include "providers/sandbox/files.h"

namespace slipway::providers::sandbox {
namespace {

using Clock = std::chrono::steady_clock;

// What went wrong in the child before the program ran; travels through the report pipe.
enum class Stage : int { forked, join_cgroup, descriptors, execute };
struct Report {
  Stage stage = Stage::forked;
  int value = 0;  // forked: the child's pid; otherwise an errno
};

const char* describe(Stage stage) {
  switch (stage) {
    case Stage::forked:
      return "fork";
    case Stage::join_cgroup:
      return "join the control group";
    case Stage::descriptors:
      return "arrange the descriptors";
    case Stage::execute:
      return "execute";
  }
  return "start";
}

// Everything that the child needs, laid out before the fork: after it only async-signal-safe calls are allowed.
struct Launch {
  explicit Launch(const Command& command);
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::array<int, 3> stdio;
  std::vector<int> passed;
  std::vector<int> moved;  // room for the child
  std::vector<int> cgroups;
  int report = -1;
  int go = -1;  // -1: runs at once
};

Launch::Launch(const Command& command)
    : stdio{command.stdin_fd, command.stdout_fd, command.stderr_fd},
      passed(command.passed()),
      moved(command.passed().size()),
      cgroups(command.cgroups) {
  for (const auto& text : command.argv) argv.push_back(const_cast<char*>(text.c_str()));
  for (const auto& text : command.environment) environment.push_back(const_cast<char*>(text.c_str()));
  argv.push_back(nullptr);
  environment.push_back(nullptr);
}

// ---- between fork and exec: no allocation, no locks, no exceptions

[[noreturn]] void give_up(int report, Stage stage) {
  const Report failure{stage, errno};
  [[maybe_unused]] const auto written = ::write(report, &failure, sizeof failure);
  ::_exit(127);
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// 0, 1, 2, then the passed ones from 3 on, then report and go (closed by exec); all others are closed.
void arrange_descriptors(Launch& launch) {
  const int count = int(launch.passed.size());
  const int first_free = 3 + count + 2;
  const auto move_up = [&](int fd) { return ::fcntl(fd, F_DUPFD_CLOEXEC, first_free); };
  const auto fail = [&] { give_up(launch.report, Stage::descriptors); };
  if ((launch.report = move_up(launch.report)) < 0) ::_exit(127);
  if (launch.go >= 0 && (launch.go = move_up(launch.go)) < 0) fail();
  for (int& fd : launch.stdio) {
    fd = fd >= 0 ? move_up(fd) : ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || (fd < first_free && (fd = move_up(fd)) < 0)) fail();
  }
  for (int i = 0; i < count; ++i) {
    if ((launch.moved[std::size_t(i)] = move_up(launch.passed[std::size_t(i)])) < 0) fail();
  }
  for (int i = 0; i < 3; ++i) {
    if (::dup2(launch.stdio[std::size_t(i)], i) < 0) fail();
  }
  for (int i = 0; i < count; ++i) {
    if (::dup2(launch.moved[std::size_t(i)], 3 + i) < 0) fail();
  }
  if (::dup3(launch.report, 3 + count, O_CLOEXEC) < 0) fail();
  launch.report = 3 + count;
  if (launch.go >= 0) {
    if (::dup3(launch.go, 3 + count + 1, O_CLOEXEC) < 0) fail();
    launch.go = 3 + count + 1;
  } else {
    ::close(3 + count + 1);
  }
  ::close_range(unsigned(first_free), ~0U, 0);
}

[[noreturn]] void become_program(Launch& launch) {
  for (const int group : launch.cgroups) {
    if (::write(group, "0", 1) != 1) give_up(launch.report, Stage::join_cgroup);
  }
  arrange_descriptors(launch);
  ::umask(022);
  if (::chdir("/") != 0) give_up(launch.report, Stage::descriptors);
  if (launch.go >= 0) {
    char byte = 0;
    if (::read(launch.go, &byte, 1) != 1) ::_exit(0);  // whoever wanted us is gone
  }
  reset_signals();
  ::execve(launch.argv[0], launch.argv.data(), launch.environment.data());
  give_up(launch.report, Stage::execute);
}

// ---- before fork and after exec

// No handler of ours may run in a forked child, so signals wait until it has reset them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

// Empty at the end of the pipe.
std::optional<Report> read_report(const base::UniqueFd& fd) {
  Report report;
  ssize_t got = 0;
  do {
    got = ::read(fd.get(), &report, sizeof report);
  } while (got < 0 && errno == EINTR);
  if (got != ssize_t(sizeof report)) return std::nullopt;
  return report;
}

[[noreturn]] void throw_report(const std::string& program, const Report& report) {
  throw base::system_error(std::string("cannot ") + describe(report.stage) + " " + program, report.value);
}

void reap(pid_t pid) {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// Collects output until the child has exited; true unless the deadline passed first.
bool collect(const base::UniqueFd& pidfd, const base::UniqueFd& output, Clock::time_point deadline, std::string& text) {
  std::array<char, 4096> buffer;
  bool open = true;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 2> waits{pollfd{pidfd.get(), POLLIN, 0}, pollfd{open ? output.get() : -1, POLLIN, 0}};
    ::poll(waits.data(), waits.size(), int(left));
    if (waits[1].revents != 0) {
      const auto got = ::read(output.get(), buffer.data(), buffer.size());
      if (got <= 0)
        open = false;
      else
        text.append(buffer.data(), std::min(std::size_t(got), kOutputMaxBytes - text.size()));
    } else if (waits[0].revents != 0) {
      return true;
    }
  }
}

// proc(5): the fields after the command's name, which may itself hold spaces and brackets.
std::vector<std::string> stat_fields(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream words(text.substr(end + 1));
  std::vector<std::string> fields;
  for (std::string word; words >> word;) fields.push_back(std::move(word));
  return fields;
}

}  // namespace

int Command::pass(int fd) {
  passed_.push_back(fd);
  return 2 + int(passed_.size());
}

Pipe::Pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw base::system_error("make a pipe", errno);
  read.reset(ends[0]);
  write.reset(ends[1]);
}

std::optional<ProcessId> identify(pid_t pid) {
  constexpr std::size_t kState = 0, kStartTime = 19;  // fields 3 and 22, counted after the name
  const auto fields = stat_fields(pid);
  if (fields.size() <= kStartTime || fields[kState] == "Z" || fields[kState] == "X") return std::nullopt;
  ProcessId process{pid, 0};
  const auto& text = fields[kStartTime];
  if (std::from_chars(text.data(), text.data() + text.size(), process.started).ec != std::errc()) return std::nullopt;
  return process;
}

std::vector<pid_t> children_of(pid_t pid) {
  const auto number = std::to_string(pid);
  std::istringstream words(read_file("/proc/" + number + "/task/" + number + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; words >> child;) children.push_back(child);
  return children;
}

base::UniqueFd open_process(const ProcessId& process) {
  if (process.pid <= 0) return {};
  auto pidfd = open_pid(pid_t(process.pid));
  // Looked at after opening: from then on the number cannot pass to another process unnoticed.
  const auto now = pidfd ? identify(pid_t(process.pid)) : std::nullopt;
  if (!now || now->started != process.started) return {};
  return pidfd;
}

// By number, because glibc 2.36 declares its wrappers for C only.
base::UniqueFd open_pid(pid_t pid) { return base::UniqueFd(int(::syscall(SYS_pidfd_open, pid, 0))); }

bool has_exited(const base::UniqueFd& pidfd) {
  if (!pidfd) return true;
  pollfd wait{pidfd.get(), POLLIN, 0};
  return ::poll(&wait, 1, 0) > 0;
}

bool wait_for_exit(const base::UniqueFd& pidfd, Clock::time_point deadline, std::stop_token stop) {
  constexpr auto kSlice = std::chrono::milliseconds(50);  // how soon a stop request is seen
  while (!has_exited(pidfd)) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || stop.stop_requested()) return false;
    pollfd wait{pidfd.get(), POLLIN, 0};
    ::poll(&wait, 1, int(std::min(left, kSlice).count()) + 1);
  }
  return true;
}

void send_signal(const base::UniqueFd& pidfd, int signal) {
  if (!pidfd || ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0 || errno == ESRCH) return;
  throw base::system_error("send a signal to a process of the machine", errno);
}

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Outcome run(const Command& command, std::chrono::milliseconds timeout) {
  Pipe report, output;
  Launch launch(command);
  launch.report = report.write.get();
  launch.stdio[1] = launch.stdio[2] = output.write.get();
  pid_t child = -1;
  {
    const SignalsBlocked blocked;
    child = ::fork();
    if (child == 0) become_program(launch);
  }
  if (child < 0) throw base::system_error("fork", errno);
  const auto pidfd = open_pid(child);
  report.write.reset();
  output.write.reset();
  if (const auto failure = read_report(report.read)) {
    reap(child);
    throw_report(command.argv.front(), *failure);
  }
  Outcome outcome;
  outcome.timed_out = !collect(pidfd, output.read, Clock::now() + timeout, outcome.output);
  if (outcome.timed_out) send_signal(pidfd, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw base::system_error("wait for " + command.argv.front(), errno);
  }
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  return outcome;
}

DetachedProcess::DetachedProcess(const Command& command) : program_(command.argv.front()) {
  Pipe report, go;
  Launch launch(command);
  launch.report = report.write.get();
  launch.go = go.read.get();
  pid_t between = -1;
  {
    const SignalsBlocked blocked;
    between = ::fork();
    if (between == 0) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::setsid();
        become_program(launch);
      }
      if (child < 0) give_up(launch.report, Stage::execute);
      const Report forked{Stage::forked, child};
      const bool told = ::write(launch.report, &forked, sizeof forked) == sizeof forked;
      ::_exit(told ? 0 : 127);
    }
  }
  if (between < 0) throw base::system_error("fork", errno);
  report.write.reset();
  go.read.reset();
  // Once it is reaped, the child has its lasting parent: a program that asks to die with its parent dies with that one.
  reap(between);
  const auto first = read_report(report.read);
  if (!first || first->stage != Stage::forked) throw_report(program_, first.value_or(Report{Stage::execute, ECHILD}));
  pidfd_ = open_pid(first->value);
  const auto found = identify(first->value);
  if (!pidfd_ || !found) throw_report(program_, read_report(report.read).value_or(Report{Stage::execute, ESRCH}));
  id_ = *found;
  go_ = std::move(go.write);
  report_ = std::move(report.read);
}

void DetachedProcess::release() {
  const char byte = 1;
  if (::write(go_.get(), &byte, 1) != 1) throw base::system_error("start " + program_, errno);
  go_.reset();
  if (const auto failure = read_report(report_)) throw_report(program_, *failure);
  report_.reset();
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  const auto folders = std::string(path == nullptr ? "" : path) + ":/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin";
  return base::find_program(name, folders).value_or("");
}

}  // namespace slipway::providers::sandbox
