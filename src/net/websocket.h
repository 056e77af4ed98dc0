#pragma once
// WebSockets (RFC 6455), both ends, over TCP, TLS and Unix sockets. Without compression: messages carry terminals and
// files, where it costs memory and time and gives little.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/time.h"
#include "net/asio.h"
#include "net/http.h"

namespace slipway::net {

struct Message {
  bool text = true;
  std::string data;
};

struct WebSocketLimits {
  std::size_t message_bytes = 1 << 20;  // a larger message from the peer closes with 1009: bounds memory
  base::Duration ping_after = std::chrono::seconds(20);   // idle time before a ping; below the 30-60 s of usual proxies
  int pings_missed_max = 2;                               // so many without a sign of life: the peer is dead
  base::Duration write_stall = std::chrono::seconds(30);  // a write that moves nothing for so long: the peer is dead
  base::Duration close_wait = std::chrono::seconds(5);    // for the peer's answer to our close frame
};

// Lives on its IoContext's thread. Destroying it drops the connection at once; what still waits in `read` or `write`
// must have ended before.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // The next message; empty when the connection is closed, however that came. One reader at a time. Pings are answered
  // and the peer's death is noticed only while a read is pending, so that a slow reader holds back its peer.
  virtual Awaitable<std::optional<Message>> read() = 0;
  // Returns when the message is handed to the system. Concurrent writers take turns in order. Throws transient
  // CONNECTION_CLOSED.
  virtual Awaitable<void> write(Message message) = 0;
  // After the writes that were begun before. `read` then ends; a second close does nothing. RFC 6455 section 7.4 names
  // codes. At most 123 bytes of `reason` are sent.
  virtual void close(std::uint16_t code, std::string reason) = 0;
  virtual bool closed() const = 0;
  // Why it closed: the peer's code and reason, or 1006 when the connection just ended. Meaningful once `read` is empty.
  virtual std::uint16_t close_code() const = 0;
  virtual std::string close_reason() const = 0;
  // Bytes of messages given to `write` and not yet handed to the system.
  virtual std::size_t buffered_bytes() const = 0;
  virtual std::string subprotocol() const = 0;
};

struct WebSocketOptions {
  WebSocketLimits limits;
  std::string ca_file;      // PEM; empty: the system's certificate authorities
  std::string subprotocol;  // asked for when not empty
};

// `url` is ws://host[:port]/path, wss://host[:port]/path (certificate and name verified), or
// unix:/path/to.sock:/http/path. `timeout` bounds all of name lookup, connection, TLS and upgrade.
// Throws transient CONNECTION_FAILED, TIMEOUT; user INVALID_URL; internal TLS_FAILED. An upgrade that the server
// answers with a status throws CONNECTION_REFUSED by the peer's error code if its body is a JSON envelope
// ({"error":{"code":…,"message":…}}), UPGRADE_REFUSED otherwise, with details.status; 5xx transient, 429 throttled,
// else user.
Awaitable<std::unique_ptr<WebSocket>> connect_websocket(IoContext& io, std::string url, Headers headers,
                                                        base::Duration timeout, WebSocketOptions options = {});

}  // namespace slipway::net
