#include "net/server.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>

#include "net/connection.h"

namespace slipway::net {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

constexpr int kListenBacklog = 4096;  // the kernel caps it at net.core.somaxconn
// Out of descriptors or memory: accepting again at once would only burn the processor.
constexpr base::Duration kAcceptPause = std::chrono::milliseconds(100);
constexpr base::Duration kSweepAtLeast = std::chrono::milliseconds(5);
constexpr base::Duration kSweepAtMost = std::chrono::seconds(1);
// So many get a 503; beyond that, connections are closed without a word, since words would cost what is short.
constexpr std::size_t kTurnedAwayAtOnce = 256;

base::Error address_unavailable(const std::string& address, const std::string& reason) {
  return base::Error(base::ErrorClass::user, "ADDRESS_UNAVAILABLE", "cannot listen on " + address + ": " + reason,
                     boost::json::object{{"address", address}});
}

std::string describe(const Tcp::endpoint& peer) {
  const auto address = peer.address();
  const std::string text = address.to_string();
  return (address.is_v6() ? "[" + text + "]" : text) + ":" + std::to_string(peer.port());
}

std::shared_ptr<Transport::TlsContext> make_tls_context(const TlsFiles& files) {
  auto context = std::make_shared<Transport::TlsContext>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  error_code error;
  context->use_certificate_chain_file(files.certificate_chain, error);
  if (!error) context->use_private_key_file(files.private_key, asio::ssl::context::pem, error);
  if (error)
    throw base::Error(base::ErrorClass::user, "TLS_FILES_UNUSABLE",
                      "cannot use " + files.certificate_chain + " and " + files.private_key + ": " + error.message());
  return context;
}

// Whether a process listens on the socket file.
bool is_listened_on(const std::string& path) {
  IoContext io;
  asio::basic_stream_socket<Local, Executor> probe(io);
  error_code error;
  probe.connect(Local::endpoint(path), error);
  return !error;
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Impl> {
  template <class Protocol>
  using Acceptor = asio::basic_socket_acceptor<Protocol, Executor>;
  struct Listening {
    virtual ~Listening() = default;
    virtual void close() = 0;
  };
  template <class Protocol>
  struct Listener final : Listening {
    explicit Listener(IoContext& io) : acceptor(io) {}
    void close() override {
      error_code ignored;
      acceptor.close(ignored);
      if (!unix_path.empty()) ::unlink(std::exchange(unix_path, {}).c_str());
    }
    Acceptor<Protocol> acceptor;
    std::string unix_path;
    std::shared_ptr<Transport::TlsContext> tls;
  };

  Impl(IoContext& io, ServerLimits limits, Handler handler, ServerHooks hooks)
      : shared(std::make_shared<ServerShared>(io, limits, std::move(handler), std::move(hooks))),
        tasks(io,
              [weak = std::weak_ptr(shared)](std::exception_ptr failure) {
                if (const auto live = weak.lock()) live->trouble(base::as_error(failure));
              }),
        sweep_timer(io) {}

  template <class Protocol>
  static Awaitable<void> accept(std::shared_ptr<Impl> self, std::shared_ptr<Listener<Protocol>> listener);
  void admit(std::shared_ptr<Transport> transport, Origin origin);
  void accept_failed(const error_code& error);
  void arm_sweep();
  void break_all();
  void stop_listening();

  std::shared_ptr<ServerShared> shared;
  TaskGroup tasks;
  std::vector<std::shared_ptr<Listening>> listeners;
  Timer sweep_timer;
  bool sweeping = false;
  std::size_t turned_away = 0;
  bool closed = false;
};

// ---- accepting

template <class Protocol>
Awaitable<void> Server::Impl::accept(std::shared_ptr<Impl> self, std::shared_ptr<Listener<Protocol>> listener) {
  while (listener->acceptor.is_open()) {
    typename Protocol::endpoint peer;
    auto [error, socket] = co_await listener->acceptor.async_accept(peer, use_result);
    if (!error) {
      close_on_exec(socket.native_handle());
      Origin origin{"unix", true};
      if constexpr (std::is_same_v<Protocol, Tcp>) {
        error_code ignored;
        socket.set_option(Tcp::no_delay(true), ignored);
        origin = {describe(peer), false};
      }
      Transport::Socket generic(std::move(socket));
      self->admit(listener->tls ? std::make_shared<Transport>(std::move(generic), listener->tls)
                                : std::make_shared<Transport>(std::move(generic)),
                  std::move(origin));
    } else if (error != asio::error::operation_aborted) {
      self->accept_failed(error);
      co_await sleep_for(kAcceptPause);
    }
  }
}

// Holds the connection from before its coroutine begins.
static Awaitable<void> serve(std::shared_ptr<Connection> connection, bool full) {
  if (full)
    co_await connection->turn_away();
  else
    co_await connection->run();
}

void Server::Impl::admit(std::shared_ptr<Transport> transport, Origin origin) {
  auto& statistics = shared->statistics;
  ++statistics.connections_total;
  const bool full = statistics.connections >= shared->limits.connections + turned_away;
  if (full && (turned_away >= kTurnedAwayAtOnce || transport->encrypted())) return transport->close();
  ++statistics.connections;
  if (full) ++turned_away;
  const std::shared_ptr<void> slot(nullptr, [self = shared_from_this(), full](std::nullptr_t) {
    --self->shared->statistics.connections;
    if (full) --self->turned_away;
    self->shared->changed.notify_all();
  });
  auto connection = std::make_shared<Connection>(shared, std::move(transport), std::move(origin), slot);
  tasks.spawn(serve(std::move(connection), full));
  arm_sweep();
}

void Server::Impl::accept_failed(const error_code& error) {
  ++shared->statistics.accept_failures_total;
  shared->trouble(base::system_error("accepting a connection", error.value()));
}

// ---- time

void Server::Impl::arm_sweep() {
  if (sweeping || closed) return;
  const ServerLimits& limits = shared->limits;
  const auto shortest =
      std::min({limits.head_time, limits.body_time, limits.idle_time, limits.write_stall, limits.linger_time});
  sweeping = true;
  sweep_timer.expires_after(std::clamp(shortest / 4, kSweepAtLeast, kSweepAtMost));
  sweep_timer.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!self) return;
    self->sweeping = false;
    if (error || self->shared->connections.empty()) return;
    const auto now = SteadyClock::now();
    for (Connection* connection : self->shared->connections) connection->check_time(now);
    self->arm_sweep();
  });
}

// ---- ending

void Server::Impl::stop_listening() {
  for (const auto& listener : listeners) listener->close();
  listeners.clear();
}

void Server::Impl::break_all() {
  for (Connection* connection : shared->connections) connection->break_off();
  const OpenWebSockets open = *shared->websockets;
  for (OpenWebSocket* socket : open) socket->break_off();
}

// ---- Server

Server::Server(IoContext& io, ServerLimits limits, Handler handler, ServerHooks hooks)
    : impl_(std::make_shared<Impl>(io, limits, std::move(handler), std::move(hooks))) {}

Server::~Server() {
  impl_->closed = true;
  impl_->stop_listening();
  impl_->sweep_timer.cancel();
  impl_->break_all();
  impl_->tasks.cancel();
}

std::uint16_t Server::listen_tcp(const std::string& address, std::uint16_t port, std::optional<TlsFiles> tls) {
  const std::string shown = address + ":" + std::to_string(port);
  error_code error;
  const auto numeric = asio::ip::make_address(address, error);
  if (error) throw address_unavailable(shown, "this is no IP address");
  const Tcp::endpoint endpoint(numeric, port);
  auto listener = std::make_shared<Impl::Listener<Tcp>>(impl_->shared->io);
  if (tls) listener->tls = make_tls_context(*tls);
  listener->acceptor.open(endpoint.protocol(), error);
  if (!error) close_on_exec(listener->acceptor.native_handle());
  if (!error) listener->acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) listener->acceptor.bind(endpoint, error);
  if (!error) listener->acceptor.listen(kListenBacklog, error);
  if (error) throw address_unavailable(shown, error.message());
  const std::uint16_t given = listener->acceptor.local_endpoint().port();
  impl_->listeners.push_back(listener);
  impl_->tasks.spawn(Impl::accept<Tcp>(impl_, std::move(listener)));
  return given;
}

void Server::listen_unix(const std::string& path, unsigned mode) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    throw address_unavailable(path, "the path is too long for a socket");
  std::error_code ignored;
  if (std::filesystem::is_socket(path, ignored)) {
    if (is_listened_on(path)) throw address_unavailable(path, "another process listens there");
    std::filesystem::remove(path, ignored);
  }
  auto listener = std::make_shared<Impl::Listener<Local>>(impl_->shared->io);
  error_code error;
  listener->acceptor.open(Local(), error);
  if (!error) close_on_exec(listener->acceptor.native_handle());
  if (!error) listener->acceptor.bind(Local::endpoint(path), error);
  // Before `listen`: nobody can connect until the mode is right.
  if (!error && ::chmod(path.c_str(), mode) != 0) error.assign(errno, boost::system::system_category());
  if (!error) listener->acceptor.listen(kListenBacklog, error);
  if (error) throw address_unavailable(path, error.message());
  listener->unix_path = path;
  impl_->listeners.push_back(listener);
  impl_->tasks.spawn(Impl::accept<Local>(impl_, std::move(listener)));
}

Awaitable<void> Server::drain(base::Duration patience) {
  const auto impl = impl_;
  const auto shared = impl->shared;
  const auto until = SteadyClock::now() + patience;
  shared->draining = true;
  impl->stop_listening();
  for (Connection* connection : shared->connections) connection->wind_down();
  const OpenWebSockets open = *shared->websockets;
  for (OpenWebSocket* socket : open) socket->close(1001, "the server is going away");
  while (!shared->connections.empty() || !shared->websockets->empty()) {
    const auto left = std::chrono::ceil<base::Duration>(until - SteadyClock::now());
    if (left.count() <= 0) break;
    co_await shared->changed.wait_for(left);
  }
  impl->break_all();
  impl->tasks.cancel();
  co_await impl->tasks.join();
}

ServerStatistics Server::statistics() const {
  ServerStatistics statistics = impl_->shared->statistics;
  statistics.websockets = impl_->shared->websockets->size();
  return statistics;
}

}  // namespace slipway::net
