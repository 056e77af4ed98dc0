#include "net/websocket_session.h"

#include <boost/asio/execution_context.hpp>

#include "net/websocket_stream.h"

namespace slipway::net {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;

namespace {

// What a client may take for a large message, beyond the time for a small one: slower than any line in use.
constexpr std::size_t kSlowestBytesPerSecond = 16 << 10;
constexpr std::size_t kWriteBufferBytes = 16 << 10;  // clients mask in pieces of this size
constexpr base::Duration kDrainAtMost = std::chrono::seconds(2);
constexpr std::size_t kDrainReadBytes = 16 << 10;
constexpr std::size_t kCloseReasonBytes = 123;  // RFC 6455 section 5.5

base::Error connection_closed() {
  return base::Error(base::ErrorClass::transient, "CONNECTION_CLOSED", "the WebSocket is closed");
}

class WebSocketFace final : public WebSocket {
 public:
  explicit WebSocketFace(std::shared_ptr<WebSocketSession> session) : session_(std::move(session)) {}
  ~WebSocketFace() override { session_->break_off(); }

  Awaitable<std::optional<Message>> read() override { return session_->read(); }
  Awaitable<void> write(Message message) override { return session_->write(std::move(message)); }
  void close(std::uint16_t code, std::string reason) override { session_->close(code, std::move(reason)); }
  bool closed() const override { return session_->closed(); }
  std::uint16_t close_code() const override { return session_->close_code(); }
  std::string close_reason() const override { return session_->close_reason(); }
  std::size_t buffered_bytes() const override { return session_->buffered_bytes(); }
  std::string subprotocol() const override { return session_->subprotocol(); }

 private:
  std::shared_ptr<WebSocketSession> session_;
};

}  // namespace

std::unique_ptr<WebSocket> wrap(std::shared_ptr<WebSocketSession> session) {
  return std::make_unique<WebSocketFace>(std::move(session));
}

Awaitable<void> drain_after_close(std::shared_ptr<Transport> transport, boost::beast::role_type role) {
  if (role == boost::beast::role_type::server) transport->shut_down_sending();
  Timer limit(transport->get_executor(), kDrainAtMost);
  limit.async_wait([weak = std::weak_ptr(transport)](const error_code& error) {
    if (const auto live = weak.lock(); live && !error) live->close();
  });
  const auto waste = std::make_unique<std::array<char, kDrainReadBytes>>();
  for (bool open = true; open;) {
    const auto [error, received] = co_await transport->async_read_some(asio::buffer(*waste), use_result);
    open = !error;
  }
  transport->close();
}

// ---- Turns

Awaitable<Turns::Turn> Turns::take() {
  if (!std::exchange(taken_, true)) co_return Turn(*this);
  Waiter waiter{Timer(io_, SteadyClock::time_point::max())};
  waiting_.push_back(&waiter);
  struct Enrolled {
    Turns& turns;
    Waiter& waiter;
    ~Enrolled() { std::erase(turns.waiting_, &waiter); }
  } enrolled{*this, waiter};
  co_await waiter.timer.async_wait(use_result);
  if (!waiter.granted) throw boost::system::system_error(asio::error::operation_aborted);
  co_return Turn(*this);
}

void Turns::pass_on() {
  if (waiting_.empty()) {
    taken_ = false;
    return;
  }
  Waiter* next = waiting_.front();
  waiting_.pop_front();
  next->granted = true;
  next->timer.cancel();
}

// ---- WebSocketSession

WebSocketSession::WebSocketSession(std::shared_ptr<Transport> transport, WebSocketLimits limits)
    : transport_(std::move(transport)),
      stream_(*transport_),
      limits_(limits),
      io_(transport_->get_executor().context()),
      tasks_(io_, nullptr),
      writers_(io_),
      ended_(io_) {
  stream_.set_option(websocket::stream_base::timeout{
      .handshake_timeout = limits.close_wait,  // Beast takes it for the closing too, the only use that it has here
      .idle_timeout = websocket::stream_base::none(),
      .keep_alive_pings = false});
  stream_.read_message_max(limits.message_bytes);
  stream_.auto_fragment(false);
  stream_.write_buffer_bytes(kWriteBufferBytes);
}

WebSocketSession::~WebSocketSession() { break_off(); }

void WebSocketSession::begin(std::string subprotocol, ServerSide server_side) {
  subprotocol_ = std::move(subprotocol);
  server_side_ = std::move(server_side);
  if (server_side_.open) server_side_.open->insert(this);
  stream_.control_callback([this](websocket::frame_type, boost::beast::string_view) { heard_ = true; });
  tasks_.spawn(keep_alive(shared_from_this()));
}

Awaitable<std::optional<Message>> WebSocketSession::read() {
  const auto self = shared_from_this();
  Message message;
  auto buffer = asio::dynamic_buffer(message.data);
  do {
    // Beast's closing reads for itself until the peer has answered. A read that begins beside it can lock up with it:
    // it holds what the closing waits for, and waits for what the closing holds.
    while (close_begun_ && !closed_) co_await ended_.wait();
    if (closed_) co_return std::nullopt;
    reading_ = true;
    const auto [error, received] = co_await stream_.async_read_some(buffer, limits_.message_bytes, use_result);
    reading_ = false;
    heard_ = true;
    if (error) {
      // Our own close frame is out: its sender hears the peer's answer.
      while (closing_ && !closed_ && error == asio::error::operation_aborted) co_await ended_.wait();
      mark_closed(error);
      co_return std::nullopt;
    }
  } while (!stream_.is_message_done());
  message.text = stream_.got_text();
  co_return message;
}

Awaitable<void> WebSocketSession::write(Message message) {
  const auto self = shared_from_this();
  struct Counted {
    std::size_t& total;
    const std::size_t bytes;
    ~Counted() { total -= bytes; }
  } counted{buffered_bytes_, message.data.size()};
  buffered_bytes_ += counted.bytes;
  if (closing_ || closed_) throw connection_closed();
  const Turns::Turn turn = co_await writers_.take();
  if (closed_) throw connection_closed();
  stream_.text(message.text);
  const auto allowance = std::chrono::seconds(counted.bytes / kSlowestBytesPerSecond);
  write_must_end_ = SteadyClock::now() + limits_.write_stall + allowance;
  const auto [error, written] = co_await stream_.async_write(asio::buffer(message.data), use_result);
  write_must_end_.reset();
  if (!error) co_return;
  if (!reading_) mark_closed(error);  // else the reader tells, with the peer's reason
  throw connection_closed();
}

void WebSocketSession::close(std::uint16_t code, std::string reason) {
  if (closed_ || std::exchange(closing_, true)) return;
  if (reason.size() > kCloseReasonBytes) {
    reason.resize(kCloseReasonBytes);
    while (!is_valid_utf8(reason)) reason.pop_back();
  }
  tasks_.spawn(send_close(shared_from_this(), code, std::move(reason)));
}

void WebSocketSession::break_off() {
  mark_closed(asio::error::operation_aborted);
  transport_->close();
  tasks_.cancel();
}

Awaitable<void> WebSocketSession::send_close(std::shared_ptr<WebSocketSession> self, std::uint16_t code,
                                             std::string reason) {
  const Turns::Turn turn = co_await self->writers_.take();
  if (self->closed_) co_return;
  self->close_begun_ = true;
  const websocket::close_reason why(websocket::close_code(code), reason);
  const auto [error] = co_await self->stream_.async_close(why, use_result);
  if (self->closed_) co_return;
  if (error) co_return self->mark_closed(error);
  self->close_code_ = code;
  self->close_reason_ = std::move(reason);
  self->mark_closed({});
}

void WebSocketSession::mark_closed(const error_code& error) {
  if (std::exchange(closed_, true)) return;
  closing_ = true;
  if (error == websocket::error::closed) {
    close_code_ = stream_.reason().code;
    close_reason_ = std::string(stream_.reason().reason.c_str());
  } else if (error == websocket::error::message_too_big) {
    close_code_ = websocket::close_code::too_big;
  }
  if (!stream_.is_open()) transport_->close();
  if (server_side_.open) server_side_.open->erase(this);
  server_side_ = {};
  ended_.notify_all();
  tasks_.cancel();
}

// ---- signs of life

bool WebSocketSession::write_stalled() const { return write_must_end_ && SteadyClock::now() > *write_must_end_; }

Awaitable<void> WebSocketSession::keep_alive(std::shared_ptr<WebSocketSession> self) {
  int missed = 0;
  for (;;) {
    co_await sleep_for(self->limits_.ping_after);
    if (self->closed_) co_return;
    if (self->write_stalled()) co_return self->break_off();
    // While nobody reads, a pong could not be seen.
    if (!self->reading_ || std::exchange(self->heard_, false)) {
      missed = 0;
      continue;
    }
    if (missed++ >= self->limits_.pings_missed_max) co_return self->break_off();
    if (!std::exchange(self->pinging_, true)) self->tasks_.spawn(ping(self));
  }
}

// A task of its own: behind a stalled write it would wait, and nobody would notice the stall.
Awaitable<void> WebSocketSession::ping(std::shared_ptr<WebSocketSession> self) {
  co_await self->stream_.async_ping({}, use_result);
  self->pinging_ = false;
}

// ---- the server's side

Awaitable<std::unique_ptr<WebSocket>> accept_upgrade(std::shared_ptr<Transport> transport, const Request& request,
                                                     std::optional<std::string> subprotocol, WebSocketLimits limits,
                                                     ServerSide server_side) {
  boost::beast::http::request<boost::beast::http::empty_body> upgrade(boost::beast::http::verb::get, request.target,
                                                                      11);
  for (const char* name : {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"})
    upgrade.set(name, request.headers.get(name).value_or(""));
  const auto session = std::make_shared<WebSocketSession>(transport, limits);
  session->stream().set_option(websocket::stream_base::decorator([subprotocol](websocket::response_type& response) {
    if (subprotocol) response.set(boost::beast::http::field::sec_websocket_protocol, *subprotocol);
  }));
  const auto [error] = co_await session->stream().async_accept(upgrade, use_result);
  if (error) {
    transport->close();
    throw connection_closed();
  }
  session->begin(subprotocol.value_or(""), std::move(server_side));
  co_return wrap(session);
}

}  // namespace slipway::net
