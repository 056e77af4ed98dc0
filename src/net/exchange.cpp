#include "net/exchange.h"

#include <cstdio>

namespace slipway::net {

namespace {

// A client of a stream has nothing more to say; what it sends anyway is thrown away, up to here.
constexpr std::size_t kStrayInputBytes = 64 << 10;

std::string chunk_head(std::size_t bytes) {
  char text[24];
  std::snprintf(text, sizeof text, "%zx\r\n", bytes);
  return text;
}

}  // namespace

// Shared by the stream, which the handler may drop at any time, and the task that watches for the peer's going.
struct HttpExchange::StreamState {
  StreamState(std::shared_ptr<Connection> owner, Framing form)
      : connection(std::move(owner)), framing(form), watcher(connection->shared().io, nullptr) {
    ++connection->shared().statistics.streams;
  }
  ~StreamState() { --connection->shared().statistics.streams; }

  void mark_closed() {
    closed = true;
    if (auto callback = std::exchange(on_closed, nullptr)) callback();
  }

  // Reads until the peer ends the connection: nothing else would notice that while we have nothing to say.
  static Awaitable<void> watch(std::shared_ptr<StreamState> state) {
    const auto transport = state->connection->transport();
    std::array<char, 512> waste;
    // The handler may be done before this task begins.
    for (std::size_t total = 0; total <= kStrayInputBytes && !state->settling;) {
      const auto [error, received] = co_await transport->async_read_some(boost::asio::buffer(waste), use_result);
      if (error) break;
      total += received;
    }
    if (state->settling) co_return;
    state->gone = true;
    state->mark_closed();
  }

  std::shared_ptr<Connection> connection;
  const Framing framing;  // none: the answer to HEAD
  TaskGroup watcher;
  std::function<void()> on_closed;
  bool closed = false;    // no more is wanted
  bool gone = false;      // no more can be written
  bool finished = false;  // the body is whole
  bool settling = false;  // the handler is done; the watcher is being called back
};

class HttpStream final : public Stream {
 public:
  explicit HttpStream(std::shared_ptr<HttpExchange::StreamState> state) : state_(std::move(state)) {}
  ~HttpStream() override { state_->on_closed = nullptr; }

  Awaitable<bool> write(std::string bytes) override {
    const auto state = state_;
    if (state->closed || state->gone || state->finished) co_return false;
    if (bytes.empty() || state->framing == Framing::none) co_return true;
    std::string head;
    if (state->framing == Framing::chunked) {
      head = chunk_head(bytes.size());
      bytes += "\r\n";
    }
    co_return co_await put(state, std::move(head), std::move(bytes));
  }

  Awaitable<void> finish() override {
    const auto state = state_;
    if (state->gone || std::exchange(state->finished, true)) co_return;
    if (state->framing == Framing::chunked) co_await put(state, "0\r\n\r\n", {});
  }

  bool closed() const override { return state_->closed; }

  void on_closed(std::function<void()> callback) override {
    if (state_->closed) return callback();
    state_->on_closed = std::move(callback);
  }

 private:
  static Awaitable<bool> put(std::shared_ptr<HttpExchange::StreamState> state, std::string head, std::string body) {
    if (co_await state->connection->write(std::move(head), std::move(body))) co_return true;
    state->gone = true;
    state->mark_closed();
    co_return false;
  }

  std::shared_ptr<HttpExchange::StreamState> state_;
};

// ---- HttpExchange

HttpExchange::HttpExchange(Connection& connection, Request request, Terms terms)
    : connection_(connection), request_(std::move(request)), terms_(terms) {}

HttpExchange::~HttpExchange() = default;

void HttpExchange::begin_answer() {
  if (std::exchange(answered_, true)) throw base::internal_error("the request was answered already");
}

Awaitable<void> HttpExchange::respond(Response response) {
  begin_answer();
  const bool keep_alive =
      terms_.keep_alive && !connection_.shared().draining && !response.headers.contains_token("Connection", "close");
  const Framing framing = status_has_body(response.status) ? Framing::length : Framing::none;
  std::string head = format_head(response, framing, keep_alive, connection_.shared().http_date());
  const bool with_body = framing == Framing::length && request_.method != Method::head;
  const bool written = co_await connection_.write(std::move(head), with_body ? std::move(response.body) : "");
  reusable_ = written && keep_alive;
}

Awaitable<std::unique_ptr<Stream>> HttpExchange::start_stream(Response head) {
  begin_answer();
  const Framing framing = request_.method == Method::head ? Framing::none
                          : terms_.chunks_allowed         ? Framing::chunked
                                                          : Framing::until_close;
  stream_ = std::make_shared<StreamState>(connection_.shared_from_this(), framing);
  connection_.on_wind_down([weak = std::weak_ptr(stream_)] {
    if (const auto state = weak.lock()) state->mark_closed();
  });
  connection_.release_memory();
  auto stream = std::make_unique<HttpStream>(stream_);
  const Framing announced = framing == Framing::none ? Framing::chunked : framing;
  const bool written =
      co_await connection_.write(format_head(head, announced, false, connection_.shared().http_date()));
  if (!written) {
    stream_->gone = true;
    stream_->mark_closed();
    co_return stream;
  }
  stream_->watcher.spawn(StreamState::watch(stream_));
  if (!head.body.empty()) co_await stream->write(std::move(head.body));
  if (connection_.shared().draining) stream_->mark_closed();
  co_return stream;
}

bool HttpExchange::wants_websocket() const {
  return request_.method == Method::get && terms_.chunks_allowed &&
         request_.headers.contains_token("Connection", "upgrade") &&
         request_.headers.contains_token("Upgrade", "websocket");
}

Awaitable<std::unique_ptr<WebSocket>> HttpExchange::accept_websocket(std::optional<std::string> subprotocol) {
  if (answered_) throw base::internal_error("the request was answered already");
  if (!wants_websocket())
    throw base::Error(base::ErrorClass::user, "UPGRADE_REQUIRED",
                      "this address speaks WebSocket: upgrade the connection");
  // RFC 6455 section 4.2.1; a peer that sends frames before our answer breaks section 4.1.
  if (request_.headers.get("Sec-WebSocket-Version") != "13" || !request_.headers.get("Sec-WebSocket-Key") ||
      connection_.has_unread_input())
    throw base::Error(base::ErrorClass::user, "MALFORMED_REQUEST", "the WebSocket handshake is not that of RFC 6455");
  begin_answer();
  auto socket = co_await accept_upgrade(connection_.transport(), request_, std::move(subprotocol),
                                        connection_.shared().limits.websocket, connection_.hand_over());
  if (connection_.shared().draining) socket->close(1001, "the server is going away");
  co_return socket;
}

void HttpExchange::abandon() {
  begin_answer();
  connection_.transport()->reset_on_close();
  connection_.break_off();
}

Awaitable<void> HttpExchange::fail(std::exception_ptr failure) {
  if (answered_) {
    connection_.shared().trouble(base::as_error(failure));
    co_return connection_.break_off();
  }
  co_await respond(connection_.shared().answer_to(request_, failure));
}

Awaitable<void> HttpExchange::settle() {
  if (!stream_) co_return;
  connection_.on_wind_down(nullptr);
  if (!stream_->finished) connection_.break_off();  // the client must not take a part for the whole
  stream_->settling = true;
  stream_->gone = true;
  stream_->closed = true;
  connection_.transport()->cancel();
  co_await stream_->watcher.join();
}

}  // namespace slipway::net
