#pragma once
// The hub's end of the agents: it keeps one connection for each workspace's agent and carries frames between it and the
// websockets of clients. It holds no state of a session: after a restart, agents and clients call again and go on.
//
// Everything runs on the thread of its IoContext. Who may connect is decided before, by the api room. What agents and
// clients send is hostile: whatever is not allowed closes that connection, with a reason, and touches no other.

#include <functional>
#include <memory>
#include <optional>

#include "agent/messages.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/time.h"
#include "net/asio.h"
#include "net/websocket.h"

namespace slipway::agent {

// Told on the loop; they must not throw and must not wait.
struct HubEvents {
  // The agent has kept its credential (its one-time token can be burnt now, not before) and serves sessions. Told for
  // each connection, so also after a restart of the hub.
  std::function<void(const base::WorkspaceId&, const Hello&)> on_ready;
  // Something moved in the workspace at that time by our clock. Only news: a time later than the last one told.
  std::function<void(const base::WorkspaceId&, SessionKind, base::Instant)> on_activity;
  // The last connection of the workspace's agent ended; it may be back in a moment.
  std::function<void(const base::WorkspaceId&)> on_disconnect;
};

struct HubOptions {
  base::Duration agent_wait = std::chrono::seconds(10);  // an open waits so long for an agent that is on its way back
  base::Duration heartbeat_interval = std::chrono::seconds(5);
  base::Duration greeting_time = std::chrono::seconds(10);  // for hello and ready
  std::size_t channels_per_client = 64;
  // What may wait for a client that does not read. Its windows are below that unless it acknowledges what it did not
  // take; it is cut off, and may come back.
  std::size_t client_queue_bytes = 16 << 20;
};

class AgentHub {
 public:
  // The clock must outlive the hub.
  AgentHub(net::IoContext& io, const base::Clock& clock, HubEvents events, HubOptions options = {});
  ~AgentHub();  // after `stop`

  // Returns when the connection has ended. `credential` is handed over in the welcome, in exchange for the token that
  // the agent came with. A newer connection of the same workspace replaces the older.
  net::Awaitable<void> serve_agent(base::WorkspaceId workspace, std::optional<base::Secret> credential,
                                   std::unique_ptr<net::WebSocket> socket);
  // Returns when the client has gone. Its sessions stay with the agent for a while.
  net::Awaitable<void> serve_client(base::WorkspaceId workspace, std::unique_ptr<net::WebSocket> socket);

  // An agent is here and ready.
  bool connected(const base::WorkspaceId& workspace) const;
  std::size_t agents() const;
  std::size_t clients() const;
  // The workspace is no more, or its credential was revoked: ends its agent's and its clients' connections.
  void disconnect(const base::WorkspaceId& workspace);
  // Closes every connection and returns when all `serve_` calls have.
  net::Awaitable<void> stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::agent
