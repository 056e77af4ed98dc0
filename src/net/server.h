#pragma once
// The HTTP/1.1 server: connections are coroutines on one IoContext, so that a slow or idle one costs memory but no
// thread. Time limits are kept by one sweep over all connections, not by a timer each.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "net/asio.h"
#include "net/http.h"
#include "net/websocket.h"

namespace slipway::net {

// A response body that is written while it comes about: server-sent events, logs. Destroying it without `finish`
// breaks the connection, so that the client knows that something is missing.
class Stream {
 public:
  virtual ~Stream() = default;
  // Returns when the bytes are handed to the system; false, without an exception, when the peer is gone or the server
  // closes. One writer at a time.
  virtual Awaitable<bool> write(std::string bytes) = 0;
  // Ends the body properly. Also right after `closed`.
  virtual Awaitable<void> finish() = 0;
  // The peer went away (noticed even when nothing is written) or the server drains: time to return.
  virtual bool closed() const = 0;
  // Called once, at once if already closed, on the loop. Dropped with the stream.
  virtual void on_closed(std::function<void()> callback) = 0;
};

// One request that is being answered. Exactly one of the four answers is given; a handler that returns without one is
// an INTERNAL_ERROR. Lives until the handler returns.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  // Content-Length, Date and Connection are set by the server; the body is left out for HEAD, 204 and 304. Returns when
  // all is handed to the system, or the peer is gone: that is no error.
  virtual Awaitable<void> respond(Response response) = 0;
  // `head.body` is the first piece of the body. The connection closes after the stream.
  virtual Awaitable<std::unique_ptr<Stream>> start_stream(Response head) = 0;
  virtual bool wants_websocket() const = 0;
  // Throws user UPGRADE_REQUIRED when the request asks for none; the handler can still answer. The WebSocket may
  // outlive the handler; the server still closes it (1001) when it drains.
  virtual Awaitable<std::unique_ptr<WebSocket>> accept_websocket(std::optional<std::string> subprotocol = {}) = 0;
  // No answer: the peer sees a reset. For those who simulate failing servers, and for peers that deserve none.
  virtual void abandon() = 0;
  virtual bool answered() const = 0;
  // The peer has closed its side: nobody will read the answer. Looked up in the socket at each call; for handlers that
  // wait long, and hand out what must not get lost.
  virtual bool peer_gone() const = 0;
};

using Handler = std::function<Awaitable<void>(Exchange&)>;

struct ServerLimits {
  std::size_t header_bytes = 16 * 1024;  // 431; room for a token and cookies, not for an attack
  std::size_t body_bytes = 1 << 20;      // 413; the API's largest document. See `body_limit` for exceptions
  base::Duration head_time = std::chrono::seconds(10);  // 408; from the first byte: a drip-feeding client gains nothing
  base::Duration body_time = std::chrono::seconds(30);  // 408; for each `body_progress_bytes` anew, see there
  std::size_t body_progress_bytes = 1 << 20;  // large uploads may take long, but not slower than this in `body_time`
  base::Duration idle_time = std::chrono::seconds(60);    // between requests; above that, a proxy should reconnect
  base::Duration write_stall = std::chrono::seconds(30);  // a peer that takes nothing for so long is dropped
  base::Duration linger_time = std::chrono::seconds(2);   // for the peer to read our last answer before we close
  std::size_t connections = 10'000;         // 503 and close; keeps us below the usual descriptor limit of 20,000
  std::size_t requests_per_connection = 0;  // 0: no bound. A bound lets a load balancer spread again
  WebSocketLimits websocket;
};

// How large a body may be. `slot` is let go when the request is answered: what large bodies hold in memory is counted.
struct BodyAllowance {
  std::size_t bytes = 0;
  std::shared_ptr<void> slot = {};
};

struct ServerHooks {
  // What a handler or `body_limit` threw, as an answer. Not called when the handler had answered already.
  std::function<Response(const Request&, std::exception_ptr)> on_error;
  // The body for a request that never reached a handler: 400, 408, 413, 417, 431, 501, 503, 505.
  std::function<Response(int status, const base::Error&)> on_refused;
  // For this request (head only, the body is not read yet). What it throws is answered by `on_error`, and the body is
  // never read. Absent: ServerLimits::body_bytes.
  std::function<Awaitable<BodyAllowance>(const Request&)> body_limit;
  // What nobody else hears of: a failed accept, an exception after the answer. Must not throw.
  std::function<void(const base::Error&)> on_trouble;
};

struct TlsFiles {
  std::string certificate_chain;  // PEM
  std::string private_key;        // PEM
};

struct ServerStatistics {
  std::size_t connections = 0;          // open now, websockets and streams included
  std::size_t streams = 0;              // open now
  std::size_t websockets = 0;           // open now
  std::uint64_t connections_total = 0;  // accepted
  std::uint64_t requests_total = 0;     // handed to the handler
  std::uint64_t refused_total = 0;      // answered by the server itself
  std::uint64_t timed_out_total = 0;    // dropped by a time limit
  std::uint64_t accept_failures_total = 0;
};

// All members are for the loop's thread, or for before it runs. Destroying the server breaks all connections; `drain`
// first, because handlers may refer to what goes next.
class Server {
 public:
  Server(IoContext& io, ServerLimits limits, Handler handler, ServerHooks hooks = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `address` is numeric; port 0 picks a free one. Gives the port. Throws ADDRESS_UNAVAILABLE.
  std::uint16_t listen_tcp(const std::string& address, std::uint16_t port, std::optional<TlsFiles> tls = {});
  // A socket file that nobody listens on is replaced; one in use throws ADDRESS_UNAVAILABLE. Removed at drain.
  void listen_unix(const std::string& path, unsigned mode = 0600);
  // Stops accepting; idle connections close at once; requests in flight finish; streams and websockets are told. What
  // is left after `patience` is broken. Returns when no handler runs any more: blocking work is waited for beyond
  // `patience`. WebSockets that outlive their handler are broken, not waited for.
  Awaitable<void> drain(base::Duration patience);
  ServerStatistics statistics() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::net
