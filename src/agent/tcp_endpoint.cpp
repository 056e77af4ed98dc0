// A port of the machine's own loopback as an endpoint.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

#include "agent/endpoint.h"

namespace slipway::agent {
namespace {

using Tcp = boost::asio::ip::tcp;
using Socket = boost::asio::basic_stream_socket<Tcp, net::Executor>;
using Timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                boost::asio::wait_traits<std::chrono::steady_clock>, net::Executor>;

// A local program that does not accept for so long is stuck.
constexpr auto kConnectTime = std::chrono::seconds(10);

class TcpEndpoint final : public Endpoint {
 public:
  TcpEndpoint(net::IoContext& io, Socket socket) : socket_(std::move(socket)), changed_(io) {}

  net::Awaitable<std::string> read(StreamId stream, std::size_t limit) override {
    if (stream != StreamId::output || !socket_.is_open()) co_return "";
    std::string bytes(limit, '\0');
    const auto [failure, count] = co_await socket_.async_read_some(boost::asio::buffer(bytes), net::use_result);
    bytes.resize(failure ? 0 : count);
    if (bytes.empty()) output_ended_ = true;
    // After a reset nothing can be written either.
    if (failure && failure != boost::asio::error::eof) input_ended_ = true;
    changed_.notify_all();
    co_return bytes;
  }

  net::Awaitable<bool> write(std::string bytes) override {
    const auto [failure, count] =
        co_await boost::asio::async_write(socket_, boost::asio::buffer(bytes), net::use_result);
    if (failure) input_ended_ = true;
    changed_.notify_all();
    co_return !failure;
  }

  void end_input() override {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    input_ended_ = true;
    changed_.notify_all();
  }

  net::Awaitable<Exit> wait() override {
    while (!(input_ended_ && output_ended_)) co_await changed_.wait();
    Exit exit;
    exit.code = 0;
    co_return exit;
  }

  void hang_up() override { kill(); }

  void kill() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
    input_ended_ = output_ended_ = true;
    changed_.notify_all();
  }

 private:
  Socket socket_;
  net::Signal changed_;
  bool input_ended_ = false, output_ended_ = false;
};

}  // namespace

net::Awaitable<std::unique_ptr<Endpoint>> open_tcp(const Machine& machine, TcpRequest request) {
  Socket socket(machine.io);
  Timer limit(machine.io);
  limit.expires_after(kConnectTime);
  limit.async_wait([&socket](const boost::system::error_code& cancelled) {
    if (!cancelled) socket.close();
  });
  const Tcp::endpoint address(boost::asio::ip::address_v4::loopback(), static_cast<unsigned short>(request.port));
  const auto [failure] = co_await socket.async_connect(address, net::use_result);
  limit.cancel();
  if (failure) {
    const std::string port = "port " + std::to_string(request.port) + " of the workspace";
    throw base::Error(base::ErrorClass::user, "PORT_REFUSED", "nothing accepts connections on " + port);
  }
  boost::system::error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  co_return std::make_unique<TcpEndpoint>(machine.io, std::move(socket));
}

net::Awaitable<std::unique_ptr<Endpoint>> open_endpoint(const Machine& machine, OpenRequest request) {
  switch (request.kind) {
    case SessionKind::exec:
    case SessionKind::terminal:
      co_return open_command(machine, *request.command, request.kind);
    case SessionKind::tcp:
      co_return co_await open_tcp(machine, *request.tcp);
    case SessionKind::ssh:
      co_return co_await open_ssh(machine, *request.ssh);
    case SessionKind::files:
      co_return open_files(machine, *request.files);
  }
  base::invariant_broken("the kind was validated", __FILE__, __LINE__);
}

}  // namespace slipway::agent
