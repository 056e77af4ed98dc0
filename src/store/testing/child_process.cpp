#include "store/testing/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace slipway::store::testing {
namespace {

struct Pipe {
  base::UniqueFd in, out;
};

Pipe make_pipe() {
  int ends[2];
  SLIPWAY_ASSERT(::pipe2(ends, O_CLOEXEC) == 0);
  return {base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

}  // namespace

void Channel::send(std::int64_t number) {
  // Numbers are shorter than PIPE_BUF: written whole or not at all. A reader that is gone is its own affair.
  std::ignore = ::write(out_.get(), &number, sizeof number);
}

std::optional<std::int64_t> Channel::receive() {
  std::int64_t number = 0;
  ssize_t size;
  while ((size = ::read(in_.get(), &number, sizeof number)) < 0 && errno == EINTR) {
  }
  return size == ssize_t(sizeof number) ? std::optional(number) : std::nullopt;
}

ChildProcess::ChildProcess(const std::function<void(Channel&)>& body) {
  Pipe down = make_pipe(), up = make_pipe();
  child_ = ::fork();
  SLIPWAY_ASSERT(child_ >= 0);
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    down.out.reset();
    up.in.reset();
    Channel channel(std::move(down.in), std::move(up.out));
    try {
      body(channel);
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  channel_.emplace(std::move(up.in), std::move(down.out));
}

ChildProcess::~ChildProcess() { kill(); }

void ChildProcess::kill() {
  if (child_ == 0) return;
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = 0;
}

}  // namespace slipway::store::testing
