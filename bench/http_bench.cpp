// The HTTP server with nothing behind it: http_bench PORT answers every request with the same small JSON until it is
// ended by SIGTERM. The ceiling for every read of the hub.

#include <boost/asio/signal_set.hpp>
#include <iostream>
#include <string>

#include "net/server.h"

namespace slipway::bench {

namespace {

// As long as the answer for one workspace.
const std::string kBody = R"({"success":true,"data":")" + std::string(600, 'x') + R"("})";

}  // namespace

int run(std::uint16_t port) {
  net::IoContext io;
  net::Server server(io, {}, [](net::Exchange& exchange) -> net::Awaitable<void> {
    net::Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = kBody;
    co_await exchange.respond(std::move(response));
  });
  std::cout << server.listen_tcp("127.0.0.1", port) << std::endl;
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
  io.run();
  return 0;
}

}  // namespace slipway::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "Usage: http_bench PORT\n";
    return 2;
  }
  return slipway::bench::run(std::uint16_t(std::stoi(argv[1])));
}
