#pragma once
// A byte stream over TCP, TLS or a Unix socket: one type for all, so that HTTP and WebSocket code exists once.
// For this room's .cpp files: it brings Asio's SSL headers.

#include <fcntl.h>
#include <poll.h>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <optional>

#include "net/asio.h"

namespace slipway::net {

using boost::system::error_code;

// Asio opens sockets that child processes would inherit, and a child that lives on would keep a connection open.
inline void close_on_exec(int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }

// Models Asio's AsyncReadStream and AsyncWriteStream. One read and one write may be under way at a time. Shared by
// whoever reads and whoever writes; it stays in place because TLS refers to the socket.
class Transport : public std::enable_shared_from_this<Transport> {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, Executor>;
  using TlsContext = boost::asio::ssl::context;
  using executor_type = Executor;

  explicit Transport(Socket socket) : socket_(std::move(socket)) {}
  Transport(Socket socket, std::shared_ptr<TlsContext> context)
      : socket_(std::move(socket)), context_(std::move(context)) {
    tls_.emplace(socket_, *context_);
  }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }
  bool encrypted() const { return tls_.has_value(); }
  boost::asio::ssl::stream<Socket&>& tls() { return *tls_; }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

  // What is under way ends with operation_aborted.
  void cancel() {
    error_code ignored;
    socket_.cancel(ignored);
  }
  void shut_down_sending() {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  // Whether the peer's end, or a reset, has arrived; also while there is input before it that nobody has read.
  bool peer_has_closed() {
    pollfd state{.fd = socket_.native_handle(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&state, 1, 0) > 0;  // closed by us (POLLNVAL) is gone as well
  }
  void reset_on_close() {
    error_code ignored;
    socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  }
  // The peer sees the connection end, or a reset if it is still sending.
  void close() {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  Socket socket_;
  std::shared_ptr<TlsContext> context_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

}  // namespace slipway::net
