#include "app/cli/session_io.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"

namespace slipway::app::cli {

namespace {

constexpr std::size_t kReadBytes = 64 << 10;  // a pipe's capacity: more never comes at once

}  // namespace

InputReader::InputReader(int fd) : fd_(fd), stopped_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stopped_) throw base::system_error("cannot make an event descriptor", errno);
}

std::optional<std::string> InputReader::read() {
  std::array<pollfd, 2> watched{pollfd{fd_, POLLIN, 0}, pollfd{stopped_.get(), POLLIN, 0}};
  std::string bytes(kReadBytes, '\0');
  while (true) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR)
      throw base::system_error("cannot wait for input", errno);
    if (watched[1].revents != 0) return std::nullopt;
    if (watched[0].revents == 0) continue;
    const ssize_t count = ::read(fd_, bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    // A terminal that is gone, or a closed descriptor, is the end of input.
    bytes.resize(count > 0 ? std::size_t(count) : 0);
    return bytes;
  }
}

void InputReader::stop() { ::eventfd_write(stopped_.get(), 1); }

void write_fully(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(std::size_t(count));
    } else if (errno == EAGAIN) {  // somebody else made it non-blocking
      pollfd watched{fd, POLLOUT, 0};
      ::poll(&watched, 1, -1);
    } else if (errno == EPIPE) {
      throw base::Error(base::ErrorClass::user, "OUTPUT_CLOSED", "nobody reads the output any more");
    } else if (errno != EINTR) {
      throw base::system_error("cannot write output", errno);
    }
  }
}

}  // namespace slipway::app::cli
