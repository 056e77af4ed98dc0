#include "provisioner/terraform/terraform_command.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <thread>

#include "agent/process.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "provisioner/line_buffer.h"

namespace slipway::provisioner::terraform {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kLineMaxBytes = 64 << 20;  // more is no line but a leak

// Wakes a poll() from any thread.
class Alarm {
 public:
  Alarm() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!fd_) throw base::system_error("make an eventfd", errno);
  }
  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_.get(), &one, sizeof one);  // full: it rings already
  }
  void silence() const {
    std::uint64_t count;
    [[maybe_unused]] const auto got = ::read(fd_.get(), &count, sizeof count);
  }
  int fd() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

// Tells the lines of one stream.
class Lines {
 public:
  Lines(Stream stream, const CommandWatch& watch) : stream_(stream), watch_(watch) {}

  void take(std::string_view bytes) {
    buffer_.append(bytes);
    while (const auto line = buffer_.next()) give(*line);
    if (buffer_.partial_size() >= kLineMaxBytes) flush();
  }
  void flush() {
    if (buffer_.partial_size() > 0) give(buffer_.take_partial());
  }

 private:
  void give(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (watch_.on_line) watch_.on_line(stream_, line);
  }

  Stream stream_;
  const CommandWatch& watch_;
  LineBuffer buffer_;
};

// Reads both pipes until their ends, or until `leave` rings and what was in them then has been read.
class Reader {
 public:
  Reader(int output, int error, const CommandWatch& watch)
      : pipes_{pollfd{output, POLLIN, 0}, pollfd{error, POLLIN, 0}, pollfd{leave_.fd(), POLLIN, 0}},
        lines_{Lines(Stream::output, watch), Lines(Stream::error, watch)},
        thread_([this] { run(); }) {}
  ~Reader() { leave(); }

  // The command is over: soon comes back.
  void leave() {
    leave_.ring();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    while (pipes_[0].fd >= 0 || pipes_[1].fd >= 0) {
      if (::poll(pipes_.data(), pipes_.size(), -1) < 0 && errno != EINTR) break;
      if (pipes_[2].revents != 0) {
        take_the_rest();
        break;
      }
      for (std::size_t i = 0; i < lines_.size(); ++i)
        if (pipes_[i].fd >= 0 && pipes_[i].revents != 0) read(i, buffer_.size());
    }
    for (auto& lines : lines_) lines.flush();
  }

  // All that the dead have written is in the pipes by now.
  void take_the_rest() {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      int left = 0;
      if (pipes_[i].fd >= 0) ::ioctl(pipes_[i].fd, FIONREAD, &left);
      while (left > 0 && pipes_[i].fd >= 0) left -= int(read(i, std::min(buffer_.size(), std::size_t(left))));
    }
  }

  std::size_t read(std::size_t i, std::size_t most) {
    const auto got = ::read(pipes_[i].fd, buffer_.data(), most);
    if (got > 0) {
      lines_[i].take({buffer_.data(), std::size_t(got)});
      return std::size_t(got);
    }
    if (got == 0 || (errno != EINTR && errno != EAGAIN)) pipes_[i].fd = -1;
    return 0;
  }

  Alarm leave_;
  std::array<pollfd, 3> pipes_;
  std::array<Lines, 2> lines_;
  std::vector<char> buffer_ = std::vector<char>(kReadBytes);
  std::thread thread_;
};

// The command while it runs: who may still have to be killed, and what has been asked of it.
class Running {
 public:
  Running(pid_t pid, const CommandWatch& watch)
      : pid_(pid), pidfd_(int(::syscall(SYS_pidfd_open, pid, 0))), watch_(watch) {}

  CommandOutcome wait() {
    const std::stop_callback on_cancel(watch_.cancelled, [this] { alarm_.ring(); });
    const std::stop_callback on_kill(watch_.killed, [this] { alarm_.ring(); });
    std::array<pollfd, 2> waits{pollfd{pidfd_.get(), POLLIN, 0}, pollfd{alarm_.fd(), POLLIN, 0}};
    while (true) {
      obey();
      if (::poll(waits.data(), waits.size(), timeout_ms()) < 0 && errno != EINTR) break;
      if (waits[0].revents != 0) break;
      alarm_.silence();
    }
    // Whoever of the group is left has no master any more. The zombie keeps the group's number from others.
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
    return outcome_;
  }

 private:
  void obey() {
    if (watch_.killed.stop_requested()) return kill();
    if (watch_.cancelled.stop_requested() && !interrupted_at_) {
      // One only: at the second one Terraform drops everything.
      ::kill(-pid_, SIGINT);
      outcome_.interrupted = true;
      interrupted_at_ = Clock::now();
    }
    if (interrupted_at_ && Clock::now() >= *interrupted_at_ + watch_.interrupt_bound) {
      outcome_.timed_out = true;
      kill();
    }
  }
  void kill() {
    if (killed_) return;
    killed_ = true;
    ::kill(-pid_, SIGKILL);
  }
  int timeout_ms() const {
    if (!interrupted_at_ || killed_) return -1;
    const auto left = *interrupted_at_ + watch_.interrupt_bound - Clock::now();
    return int(std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }

  pid_t pid_;
  base::UniqueFd pidfd_;
  const CommandWatch& watch_;
  Alarm alarm_;
  CommandOutcome outcome_;
  std::optional<Clock::time_point> interrupted_at_;
  bool killed_ = false;
};

}  // namespace

CommandOutcome run_command(const Command& command, const CommandWatch& watch) {
  agent::ProcessSpec spec{.program = command.program,
                          .arguments = {command.program},
                          .environment = command.environment,
                          .directory = command.directory};
  spec.arguments.insert(spec.arguments.end(), command.arguments.begin(), command.arguments.end());
  auto process = agent::spawn(spec);
  process.input.reset();  // it has nothing to ask
  Running running(process.pid, watch);
  Reader reader(process.output.get(), process.error.get(), watch);
  const auto outcome = running.wait();
  reader.leave();
  return outcome;
}

}  // namespace slipway::provisioner::terraform
