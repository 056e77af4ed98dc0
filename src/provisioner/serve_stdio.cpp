#include "provisioner/serve_stdio.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <mutex>

#include "base/unique_fd.h"
#include "provisioner/codec.h"
#include "provisioner/line_buffer.h"
#include "provisioner/session_order.h"

namespace slipway::provisioner {
namespace {

base::UniqueFd take_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::sigdelset(&signals, SIGPIPE);
  return base::UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

class StdioServer {
 public:
  StdioServer(Provisioner& provisioner, StdioEnds ends)
      : ends_(ends), signals_(take_signals()), closed_(::eventfd(0, EFD_CLOEXEC)) {
    const std::lock_guard lock(mutex_);
    session_ = provisioner.open({.on_message = [this](Message message) { tell(message); },
                                 .on_closed =
                                     [this](std::optional<base::Error> error) {
                                       if (error) fail(*error);
                                       ::eventfd_write(closed_.get(), 1);
                                     }});
  }

  int run() {
    while (turn()) {
    }
    session_.reset();
    return failed_ ? 1 : 0;
  }

 private:
  // On the session's thread: it is blocked while the reader does not read, and that is as it should be.
  void tell(const Message& message) {
    {
      const std::lock_guard lock(mutex_);
      if (!ended_ && std::holds_alternative<StateWritten>(message)) {
        session_->pause(true);
        ++unconfirmed_;
      }
    }
    std::string_view rest;
    const std::string line = encode(message);
    for (rest = line; !rest.empty();) {
      const ssize_t count = ::write(ends_.output, rest.data(), rest.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return;  // nobody reads any more; the end of the input tells it, too
      rest.remove_prefix(std::size_t(count));
    }
  }

  // Until the session is closed.
  bool turn() {
    std::array<pollfd, 3> watched{pollfd{.fd = closed_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                                  pollfd{.fd = input_ended_ ? -1 : ends_.input, .events = POLLIN, .revents = 0}};
    ::poll(watched.data(), watched.size(), -1);
    if (watched[0].revents != 0) return false;
    if (watched[1].revents != 0) on_signal();
    if (watched[2].revents != 0) read();
    return true;
  }

  void on_signal() {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
    end(info.ssi_signo == SIGTERM);
  }

  // A state that nobody can confirm any more holds nothing up.
  void end(bool force) {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    session_->close(force);
    session_->pause(false);
  }
  void confirm_one() {
    const std::lock_guard lock(mutex_);
    if (unconfirmed_ > 0 && --unconfirmed_ == 0) session_->pause(false);
  }

  void read() {
    const ssize_t count = ::read(ends_.input, block_.data(), block_.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count <= 0) {
      input_ended_ = true;
      return end(false);
    }
    lines_.append({block_.data(), std::size_t(count)});
    while (const auto line = lines_.next()) on_line(*line);
    if (lines_.partial_size() > kLineMax) refuse(protocol_error("a line is longer than 64 MiB"));
  }

  void on_line(std::string_view line) {
    try {
      auto received = decode_request(line);
      if (auto* request = std::get_if<Request>(&received)) {
        session_->send(std::move(*request));
      } else {
        confirm_one();
      }
    } catch (const base::Error& error) {
      refuse(error);
    }
  }

  void refuse(const base::Error& error) {
    fail(error);
    input_ended_ = true;
    end(true);
  }

  void fail(const base::Error& error) {
    failed_ = true;
    std::fprintf(stderr, "%s: %s\n", error.code().c_str(), error.message().c_str());
  }

  const StdioEnds ends_;
  const base::UniqueFd signals_, closed_;
  LineBuffer lines_;
  bool input_ended_ = false;
  std::atomic<bool> failed_ = false;
  std::array<char, 64 << 10> block_{};
  std::mutex mutex_;
  bool ended_ = false;
  std::size_t unconfirmed_ = 0;
  std::unique_ptr<Session> session_;
};

}  // namespace

int serve_stdio(Provisioner& provisioner, StdioEnds ends) { return StdioServer(provisioner, ends).run(); }

}  // namespace slipway::provisioner
