#pragma once
// One end of a WebSocket over Beast. For websocket_session.cpp and websocket_client.cpp only: Beast compiles slowly.

#include <boost/asio/co_spawn.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>

#include "base/error.h"
#include "net/timer.h"
#include "net/websocket_session.h"

namespace slipway::net {

// After the close frames: lets the peer read what we said last. A server ends its sending first (RFC 6455
// section 7.1.1); what still comes is thrown away, for a bounded time. Beast's own version gives up after the first
// bytes, and the connection is reset.
Awaitable<void> drain_after_close(std::shared_ptr<Transport> transport, boost::beast::role_type role);

// How Beast ends the connection below; found by its type.
template <class Handler>
void async_teardown(boost::beast::role_type role, Transport& transport, Handler&& handler) {
  boost::asio::co_spawn(transport.get_executor(), drain_after_close(transport.shared_from_this(), role),
                        [handler = std::forward<Handler>(handler)](const std::exception_ptr&) mutable {
                          std::move(handler)(error_code());
                        });
}
inline void teardown(boost::beast::role_type, Transport& transport, error_code&) { transport.close(); }
inline void beast_close_socket(Transport& transport) { transport.close(); }

// Lets one writer after another have its turn, in the order of their asking.
class Turns {
 public:
  explicit Turns(IoContext& io) : io_(io) {}

  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(&turns) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_) turns_->pass_on();
    }

   private:
    Turns* turns_;
  };
  Awaitable<Turn> take();

 private:
  struct Waiter {
    Timer timer;
    bool granted = false;
  };
  void pass_on();

  IoContext& io_;
  bool taken_ = false;
  std::deque<Waiter*> waiting_;
};

class WebSocketSession final : public OpenWebSocket, public std::enable_shared_from_this<WebSocketSession> {
 public:
  using Stream = boost::beast::websocket::stream<Transport&, false>;

  WebSocketSession(std::shared_ptr<Transport> transport, WebSocketLimits limits);
  ~WebSocketSession() override;

  Stream& stream() { return stream_; }
  // After the handshake.
  void begin(std::string subprotocol, ServerSide server_side);

  Awaitable<std::optional<Message>> read();
  Awaitable<void> write(Message message);
  void close(std::uint16_t code, std::string reason) override;
  void break_off() override;

  bool closed() const { return closed_; }
  std::uint16_t close_code() const { return close_code_; }
  const std::string& close_reason() const { return close_reason_; }
  std::size_t buffered_bytes() const { return buffered_bytes_; }
  const std::string& subprotocol() const { return subprotocol_; }

 private:
  static Awaitable<void> keep_alive(std::shared_ptr<WebSocketSession> self);
  static Awaitable<void> ping(std::shared_ptr<WebSocketSession> self);
  static Awaitable<void> send_close(std::shared_ptr<WebSocketSession> self, std::uint16_t code, std::string reason);
  bool write_stalled() const;
  void mark_closed(const error_code& error);

  std::shared_ptr<Transport> transport_;
  Stream stream_;
  const WebSocketLimits limits_;
  IoContext& io_;
  TaskGroup tasks_;
  Turns writers_;
  Signal ended_;  // when `closed_` becomes true
  ServerSide server_side_;
  std::string subprotocol_;
  bool reading_ = false;
  bool heard_ = false;  // since the last look
  bool pinging_ = false;
  bool close_begun_ = false;  // our close frame has its turn
  bool closing_ = false;
  bool closed_ = false;
  std::optional<SteadyClock::time_point> write_must_end_;
  std::size_t buffered_bytes_ = 0;
  std::uint16_t close_code_ = 1006;
  std::string close_reason_;
};

// The public face: dropping it drops the connection.
std::unique_ptr<WebSocket> wrap(std::shared_ptr<WebSocketSession> session);

}  // namespace slipway::net
