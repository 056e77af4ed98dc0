// The program `slipway-simulator`: a cloud on one port, for trying and testing without an account.

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <iostream>

#include "net/server.h"
#include "simulator/files.h"
#include "simulator/gateway.h"
#include "simulator/options.h"
#include "simulator/pusher.h"

namespace slipway::simulator {

namespace {

constexpr std::chrono::milliseconds kSaveEvery{100};
constexpr int kSaveShare = 10;  // of the time, at most a tenth goes into saving, however much there is
constexpr std::chrono::seconds kDrainPatience{1};
constexpr std::size_t kBodyBytesMax = 12 << 20;  // a publish is up to 10 MB

net::Awaitable<void> keep_saved(const World& world, const std::string& path) {
  const base::SystemClock clock;
  for (std::uint64_t saved = 0;;) {
    base::Duration pause = kSaveEvery;
    if (world.version() != saved) {
      saved = world.version();
      const base::Instant began = clock.monotonic();
      write_state(world, path);
      pause = std::max(pause, (clock.monotonic() - began) * kSaveShare);
    }
    co_await net::sleep_for(pause);
  }
}

int serve(const ProgramOptions& options) {
  const base::SystemClock clock;
  net::IoContext io;
  World world(clock, options.world, options.state_file.empty() ? WorldState{} : read_state(options.state_file));
  Gateway gateway(io, world);
  net::ServerLimits limits;
  limits.body_bytes = kBodyBytesMax;
  limits.header_bytes = 64 << 10;
  net::Server server(io, limits, [&](net::Exchange& exchange) { return gateway.handle(exchange); });
  const std::uint16_t port = server.listen_tcp(options.address, options.port);
  world.base_url = "http://" + options.address + ":" + std::to_string(port);
  furnish(world, options);
  if (!options.credentials.empty()) write_credentials(world, options.credentials);
  net::HttpClient client;
  Pusher pusher(io, world, client);
  net::TaskGroup tasks(io, [](std::exception_ptr failure) {
    std::cerr << "slipway-simulator: " << base::as_error(failure).what() << std::endl;
    std::_Exit(1);  // a simulator that forgets would let tests pass that should not
  });
  tasks.spawn(pusher.run());
  if (!options.state_file.empty()) {
    write_state(world, options.state_file);
    tasks.spawn(keep_saved(world, options.state_file));
  }
  std::cout << json::print_value(
                   json::Object{{"url", world.base_url}, {"port", port}, {"project", options.world.project}})
            << std::endl;
  boost::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code&, int) {
    gateway.stop();
    boost::asio::co_spawn(io.get_executor(), server.drain(kDrainPatience), [&](std::exception_ptr) { io.stop(); });
  });
  io.run();
  if (!options.state_file.empty()) write_state(world, options.state_file);
  return 0;
}

}  // namespace

}  // namespace slipway::simulator

int main(int argc, char** argv) {
  CLI::App app("A simulated Google Cloud: Workstations, the view of Compute Engine on them, Pub/Sub, and identity.");
  slipway::simulator::ProgramOptions options;
  slipway::simulator::add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    slipway::simulator::set_delays(options);
    return slipway::simulator::serve(options);
  } catch (const std::exception& error) {
    std::cerr << "slipway-simulator: " << error.what() << "\n";
    return 1;
  }
}
