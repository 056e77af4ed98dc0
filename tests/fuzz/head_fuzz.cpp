// A connection's bytes through the server's own reader: request lines, fields, bodies with a length and in chunks.

#include <sys/socket.h>

#include <boost/asio/local/stream_protocol.hpp>

#include "fuzz.h"
#include "net/testing/loop.h"
#include "net/wire.h"

namespace {

using namespace slipway;

constexpr std::size_t kHeaderBytes = 2'048;
constexpr std::size_t kBodyBytes = 4'096;

// All requests that the bytes hold, as the server sees them before the peer ends its sending.
net::Awaitable<void> read_all(net::Transport& transport) {
  net::RequestReader reader(
      transport, kHeaderBytes,
      {.head_began = [] {}, .body_began = [] {}, .timed_out = [] { return false; }, .body_grew = [](std::size_t) {}});
  const auto limit = [](const net::Request&) -> net::Awaitable<std::size_t> { co_return kBodyBytes; };
  for (;;) {
    net::Request request;
    const auto result = co_await reader.read(request, limit);
    if (result.end == net::ReadEnd::refused) {
      const int status = result.refusal ? result.refusal->status : 0;
      fuzz::must((status >= 400 && status < 500) || status == 501 || status == 505, "a refusal is the client's error");
      co_return;
    }
    if (result.end == net::ReadEnd::disconnected) co_return;
    fuzz::must(request.path == "*" || request.path.starts_with('/'), "a request has a path");
    fuzz::must(request.body.size() <= kBodyBytes, "a body keeps within its limit");
    if (!result.keep_alive) co_return;
  }
}

}  // namespace

SLIPWAY_FUZZ(input) {
  int ends[2];
  fuzz::must(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "there are sockets");
  std::size_t sent = 0;
  if (!input.empty()) {
    const auto written = ::send(ends[0], input.data(), input.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    sent = written > 0 ? std::size_t(written) : 0;
  }
  ::shutdown(ends[0], SHUT_WR);
  fuzz::must(sent == input.size(), "a socket holds the whole input");
  net::IoContext io(1);
  {
    net::Transport::Socket socket(io.get_executor());
    socket.assign(boost::asio::local::stream_protocol(), ends[1]);
    net::Transport transport(std::move(socket));
    net::testing::run(io, read_all(transport));
  }
  ::close(ends[0]);
}
