#include "net/connection.h"

#include "net/exchange.h"

namespace slipway::net {

namespace {
// Read and thrown away while we wait for the peer to take our last answer.
constexpr std::size_t kLingerReadBytes = 16 << 10;
}  // namespace

const std::string& ServerShared::http_date() {
  const auto now = std::chrono::floor<base::Duration>(std::chrono::system_clock::now());
  const std::int64_t second = base::to_unix_ms(now) / 1000;
  if (second != date_second_) {
    date_second_ = second;
    date_ = format_http_date(now);
  }
  return date_;
}

Response ServerShared::answer_to(const Request& request, std::exception_ptr thrown) const {
  if (hooks.on_error) return hooks.on_error(request, thrown);
  return json_response(500, R"({"error":{"code":")" + base::as_error(thrown).code() + "\"}}");
}

Connection::Connection(std::shared_ptr<ServerShared> shared, std::shared_ptr<Transport> transport, Origin origin,
                       std::shared_ptr<void> slot)
    : shared_(std::move(shared)),
      transport_(std::move(transport)),
      origin_(std::move(origin)),
      slot_(std::move(slot)),
      reader_(*transport_, shared_->limits.header_bytes, make_watch()) {
  place_ = shared_->connections.insert(shared_->connections.end(), this);
}

Connection::~Connection() {
  shared_->connections.erase(place_);
  shared_->changed.notify_all();
}

RequestReader::Watch Connection::make_watch() {
  return {.head_began = [this] { enter(Phase::reading, shared_->limits.head_time); },
          .body_began =
              [this] {
                enter(Phase::reading, shared_->limits.body_time);
                body_milestone_ = shared_->limits.body_progress_bytes;
              },
          .timed_out = [this] { return timed_out_; },
          .body_grew =
              [this](std::size_t bytes) {
                if (bytes < body_milestone_) return;
                enter(Phase::reading, shared_->limits.body_time);
                body_milestone_ = bytes + shared_->limits.body_progress_bytes;
              }};
}

// ---- time

void Connection::enter(Phase phase, base::Duration limit) {
  phase_ = phase;
  timed_out_ = false;
  deadline_ = SteadyClock::now() + limit;
}

void Connection::enter_untimed(Phase phase) {
  phase_ = phase;
  timed_out_ = false;
  deadline_ = SteadyClock::time_point::max();
}

void Connection::check_time(SteadyClock::time_point now) {
  if (now < deadline_) return;
  deadline_ = SteadyClock::time_point::max();
  timed_out_ = true;
  if (phase_ != Phase::idle && phase_ != Phase::ending) ++shared_->statistics.timed_out_total;
  transport_->cancel();
}

void Connection::wind_down() {
  if (phase_ == Phase::idle) return break_off();
  if (on_wind_down_) on_wind_down_();
}

void Connection::break_off() {
  broken_ = true;
  if (phase_ != Phase::handed_over) transport_->close();
}

// ---- serving

Awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  if (transport_->encrypted() && !co_await handshake()) co_return;
  enter(Phase::idle, shared_->limits.head_time);  // a new connection comes with a request
  for (std::size_t served = 0; co_await serve_one(served); ++served) {
    enter(Phase::idle, shared_->limits.idle_time);
    reader_.release_memory();
  }
  if (phase_ != Phase::handed_over) co_await end();
}

Awaitable<bool> Connection::handshake() {
  enter(Phase::reading, shared_->limits.head_time);
  const auto [error] = co_await transport_->tls().async_handshake(boost::asio::ssl::stream_base::server, use_result);
  co_return !error;
}

// One request and its answer; false when the connection is to end.
Awaitable<bool> Connection::serve_one(std::size_t served) {
  if (broken_ || (shared_->draining && !reader_.has_more())) co_return false;
  Request request;
  BodyAllowance allowance;
  ReadResult read;
  std::exception_ptr refused;
  try {
    read = co_await reader_.read(request, [&](this auto, const Request& head) -> Awaitable<std::size_t> {
      allowance = co_await body_limit(head);
      co_return allowance.bytes;
    });
  } catch (...) {
    refused = std::current_exception();
  }
  if (refused) {
    co_await refuse(shared_->answer_to(request, refused));
    co_return false;
  }
  if (read.end == ReadEnd::disconnected || broken_) co_return false;
  if (read.end == ReadEnd::refused) {
    co_await refuse(std::move(*read.refusal));
    co_return false;
  }
  request.peer = origin_.peer;
  request.local_socket = origin_.local_socket;
  request.encrypted = transport_->encrypted();
  const std::size_t most = shared_->limits.requests_per_connection;
  const bool keep_alive = read.keep_alive && read.chunks_allowed && (most == 0 || served + 1 < most);
  co_return co_await handle(std::move(request), keep_alive, read.chunks_allowed) && !broken_;
}

// What asks the store may take longer than a head: that is our time, not the peer's.
Awaitable<BodyAllowance> Connection::body_limit(const Request& request) {
  if (!shared_->hooks.body_limit) co_return BodyAllowance{.bytes = shared_->limits.body_bytes};
  enter_untimed(Phase::reading);
  co_return co_await shared_->hooks.body_limit(request);
}

// True when the connection can be used again.
Awaitable<bool> Connection::handle(Request request, bool keep_alive, bool chunks_allowed) {
  ++shared_->statistics.requests_total;
  enter_untimed(Phase::handling);
  HttpExchange exchange(*this, std::move(request), {keep_alive, chunks_allowed});
  std::exception_ptr failure;
  try {
    co_await shared_->handler(exchange);
    if (!exchange.answered()) throw base::internal_error("the handler gave no answer");
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure && !broken_) co_await exchange.fail(failure);
  co_await exchange.settle();
  co_return exchange.connection_reusable();
}

Awaitable<void> Connection::refuse(Refusal refusal) {
  Response response = shared_->hooks.on_refused
                          ? shared_->hooks.on_refused(refusal.status, refusal.error)
                          : json_response(refusal.status, R"({"error":{"code":")" + refusal.error.code() + "\"}}");
  response.status = refusal.status;
  co_await refuse(std::move(response));
}

Awaitable<void> Connection::refuse(Response answer) {
  ++shared_->statistics.refused_total;
  std::string head = format_head(answer, Framing::length, false, shared_->http_date());
  co_await write(std::move(head), std::move(answer.body));
}

Awaitable<void> Connection::turn_away() {
  const auto self = shared_from_this();
  co_await refuse({503, base::Error(base::ErrorClass::transient, "TOO_MANY_CONNECTIONS",
                                    "the server has as many connections as it takes; try again later")});
  co_await end();
}

Awaitable<bool> Connection::write(std::string head, std::string body) {
  const Phase before = phase_;
  std::array<boost::asio::const_buffer, 2> parts{boost::asio::buffer(head), boost::asio::buffer(body)};
  while (parts[0].size() + parts[1].size() > 0) {
    if (broken_) co_return false;
    enter(Phase::writing, shared_->limits.write_stall);
    auto [error, sent] = co_await transport_->async_write_some(parts, use_result);
    if (error) {
      broken_ = true;
      transport_->close();
      co_return false;
    }
    const std::size_t of_head = std::min(sent, parts[0].size());
    parts[0] += of_head;
    parts[1] += sent - of_head;
  }
  enter_untimed(before);
  co_return !broken_;
}

// Closes so that the peer can still read our last answer: a close with unread input would reset the connection.
Awaitable<void> Connection::end() {
  if (broken_) co_return;
  enter(Phase::ending, shared_->limits.linger_time);
  if (transport_->encrypted()) {
    co_await transport_->tls().async_shutdown(use_result);
  } else {
    transport_->shut_down_sending();
    const auto waste = std::make_unique<std::array<char, kLingerReadBytes>>();
    for (bool open = true; open && !timed_out_ && !broken_;) {
      const auto [error, received] = co_await transport_->async_read_some(boost::asio::buffer(*waste), use_result);
      open = !error;
    }
  }
  transport_->close();
}

ServerSide Connection::hand_over() {
  enter_untimed(Phase::handed_over);
  return {slot_, shared_->websockets};
}

}  // namespace slipway::net
