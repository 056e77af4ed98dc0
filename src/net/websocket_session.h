#pragma once
// What server and client share about WebSockets, without Beast's headers. For this room's .cpp files.

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "net/asio.h"
#include "net/transport.h"
#include "net/websocket.h"

namespace slipway::net {

// An open WebSocket, as the server sees it when it must end them all.
class OpenWebSocket {
 public:
  virtual ~OpenWebSocket() = default;
  virtual void close(std::uint16_t code, std::string reason) = 0;
  virtual void break_off() = 0;
};
using OpenWebSockets = std::set<OpenWebSocket*>;

// Kept by a session until its connection is gone: what it counts against.
struct ServerSide {
  std::shared_ptr<void> slot;
  std::shared_ptr<OpenWebSockets> open;
};

// Answers the upgrade request. Throws CONNECTION_CLOSED when the peer is gone, MALFORMED_REQUEST when the handshake's
// fields are wrong (an answer was sent then).
Awaitable<std::unique_ptr<WebSocket>> accept_upgrade(std::shared_ptr<Transport> transport, const Request& request,
                                                     std::optional<std::string> subprotocol, WebSocketLimits limits,
                                                     ServerSide server_side);

}  // namespace slipway::net
