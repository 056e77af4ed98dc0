#pragma once
// One connection of the server: reads requests, lets the handler answer, keeps the time. For this room's .cpp files.

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "net/asio.h"
#include "net/server.h"
#include "net/timer.h"
#include "net/transport.h"
#include "net/websocket_session.h"
#include "net/wire.h"

namespace slipway::net {

class Connection;

// What all connections of a server share.
struct ServerShared {
  ServerShared(IoContext& context, ServerLimits bounds, Handler handle, ServerHooks hook)
      : io(context), limits(bounds), handler(std::move(handle)), hooks(std::move(hook)), changed(context) {}

  IoContext& io;
  const ServerLimits limits;
  const Handler handler;
  const ServerHooks hooks;
  ServerStatistics statistics;
  std::list<Connection*> connections;
  std::shared_ptr<OpenWebSockets> websockets = std::make_shared<OpenWebSockets>();
  Signal changed;  // a connection or websocket went
  bool draining = false;

  const std::string& http_date();
  // To what was thrown while `request` was read or handled.
  Response answer_to(const Request& request, std::exception_ptr thrown) const;
  void trouble(const base::Error& error) const {
    if (hooks.on_trouble) hooks.on_trouble(error);
  }

 private:
  std::int64_t date_second_ = 0;
  std::string date_;
};

// Where a connection came from.
struct Origin {
  std::string peer;
  bool local_socket = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `slot` is kept until the socket is closed.
  Connection(std::shared_ptr<ServerShared> shared, std::shared_ptr<Transport> transport, Origin origin,
             std::shared_ptr<void> slot);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Serves requests until the connection ends.
  Awaitable<void> run();
  // Answers 503 without reading, for when there are too many.
  Awaitable<void> turn_away();

  // By the sweep: ends what has taken too long.
  void check_time(SteadyClock::time_point now);
  // By the drain: ends when nothing is in flight.
  void wind_down();
  void break_off();

  // For answers that are under way (exchange.cpp).
  ServerShared& shared() { return *shared_; }
  const std::shared_ptr<Transport>& transport() { return transport_; }
  // All of `parts` in order, each progress within the write stall limit. False when the peer is gone.
  Awaitable<bool> write(std::string head, std::string body = {});
  bool peer_gone() const { return broken_ || transport_->peer_has_closed(); }
  bool has_unread_input() const { return reader_.has_more(); }
  void release_memory() { reader_.release_memory(); }
  ServerSide hand_over();  // the socket belongs to a WebSocket now
  // A stream wants to hear when the connection winds down; empty to stop.
  void on_wind_down(std::function<void()> callback) { on_wind_down_ = std::move(callback); }

 private:
  // What may happen to the connection right now.
  enum class Phase { idle, reading, handling, writing, ending, handed_over };

  void enter(Phase phase, base::Duration limit);
  void enter_untimed(Phase phase);
  Awaitable<bool> handshake();
  Awaitable<bool> serve_one(std::size_t served);
  Awaitable<BodyAllowance> body_limit(const Request& request);
  Awaitable<bool> handle(Request request, bool keep_alive, bool chunks_allowed);
  Awaitable<void> refuse(Refusal refusal);
  Awaitable<void> refuse(Response answer);
  Awaitable<void> end();
  RequestReader::Watch make_watch();

  std::shared_ptr<ServerShared> shared_;
  std::shared_ptr<Transport> transport_;
  Origin origin_;
  std::shared_ptr<void> slot_;
  RequestReader reader_;
  Phase phase_ = Phase::idle;
  SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
  std::size_t body_milestone_ = 0;  // with so many bytes of body, its time begins anew
  bool timed_out_ = false;
  bool broken_ = false;
  std::function<void()> on_wind_down_;
  std::list<Connection*>::iterator place_;
};

}  // namespace slipway::net
