#include "effects.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"
#include "base/unique_fd.h"

namespace slipway::chaos {
namespace {

base::Error lost(const char* what) { return base::Error(base::ErrorClass::transient, "LOST", what); }

base::UniqueFd connect(const std::string& path) {
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw lost("nobody answers the call");
  return socket;
}

std::string read_line(int socket) {
  std::string line;
  std::array<char, 256> piece;
  while (!line.ends_with('\n')) {
    const ssize_t count = ::read(socket, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw lost("the answer was lost");
    line.append(piece.data(), std::size_t(count));
  }
  line.pop_back();
  return line;
}

}  // namespace

std::string Effects::ask(const std::string& verb, const std::string& thing, durable::Attempt& attempt) const {
  const base::UniqueFd socket = connect(socket_);
  const std::string line = verb + " " + life_ + " " + attempt.idempotency_key() + " " + thing + "\n";
  if (::send(socket.get(), line.data(), line.size(), MSG_NOSIGNAL) != ssize_t(line.size()))
    throw lost("the request was lost");
  return read_line(socket.get());
}

std::int64_t Effects::make(const std::string& thing, bool fails, durable::Attempt& attempt) const {
  if (ask(fails ? "refuse" : "make", thing, attempt) == "refused")
    throw base::Error(base::ErrorClass::user, "REFUSED", "this one never works");
  return 1;
}

void Effects::remove(const std::string& thing, durable::Attempt& attempt) const { ask("remove", thing, attempt); }

bool Effects::is_ready(const std::string& thing, durable::Attempt& attempt) const {
  return ask("look", thing, attempt) == "ready";
}

std::int64_t Effects::choose(const std::string& thing, durable::Attempt& attempt) const {
  return std::stoll(ask("choose", thing, attempt));
}

void Effects::confirm(const std::string& thing, std::int64_t chosen, durable::Attempt& attempt) const {
  ask("confirm:" + std::to_string(chosen), thing, attempt);
}

}  // namespace slipway::chaos
