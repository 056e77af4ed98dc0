#include "net/wire.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace slipway::net {

namespace http = boost::beast::http;

namespace {

constexpr std::size_t kReadBytes = 4096;  // most requests fit
constexpr std::size_t kBodyReadBytes = 64 << 10;

ReadResult refuse(int status, std::string code, std::string message) {
  return {ReadEnd::refused, Refusal{status, base::Error(base::ErrorClass::user, std::move(code), std::move(message))}};
}

ReadResult refuse(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return refuse(431, "HEADER_TOO_LARGE", "the request's head is larger than the server takes");
  if (error == http::error::body_limit)
    return refuse(413, "PAYLOAD_TOO_LARGE", "the request's body is larger than the server takes");
  if (error == http::error::bad_version)
    return refuse(505, "HTTP_VERSION_NOT_SUPPORTED", "the server speaks HTTP/1.0 and HTTP/1.1");
  return refuse(400, "MALFORMED_REQUEST", "this is no valid HTTP request: " + error.message());
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// Removes what would let two readers of the same bytes disagree.
std::optional<ReadResult> check_head(const http::request<http::string_body>& head) {
  const auto hosts = head.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && head.version() == 11))
    return refuse(400, "MALFORMED_REQUEST", "the request needs exactly one Host header");
  if (head.version() == 10 && head.count(http::field::transfer_encoding) > 0)
    return refuse(400, "MALFORMED_REQUEST", "HTTP/1.0 knows no Transfer-Encoding");
  if (head.count(http::field::transfer_encoding) > 0 && !head.chunked())
    return refuse(501, "TRANSFER_ENCODING_NOT_SUPPORTED",
                  "the only transfer encoding that the server takes is chunked");
  return std::nullopt;
}

std::optional<ReadResult> take_head(const http::request<http::string_body>& head, Request& request) {
  if (auto refusal = check_head(head)) return refusal;
  const auto method = parse_method(view(head.method_string()));
  if (!method) return refuse(501, "METHOD_NOT_IMPLEMENTED", "the server does not know this method");
  request.method = *method;
  try {
    set_target(request, view(head.target()));
    for (const auto& field : head) request.headers.add(view(field.name_string()), view(field.value()));
  } catch (const base::Error& error) {
    return refuse(400, "MALFORMED_REQUEST", error.message());
  }
  return std::nullopt;
}

}  // namespace

struct RequestReader::Parser : http::request_parser<http::string_body> {};

RequestReader::RequestReader(Transport& transport, std::size_t header_bytes, Watch watch)
    : transport_(transport), header_bytes_(header_bytes), watch_(std::move(watch)) {}

RequestReader::~RequestReader() = default;

void RequestReader::release_memory() {
  if (buffer_.size() == 0) buffer_.shrink_to_fit();
}

Awaitable<ReadResult> RequestReader::read(Request& request, BodyLimit body_limit) {
  // On the heap: the parser is large, and the connection's frame lives as long as the connection.
  const auto parser = std::make_unique<Parser>();
  parser->header_limit(std::uint32_t(header_bytes_));
  parser->body_limit(boost::none);  // set when the head has told who asks for what
  if (auto ended = co_await read_head(*parser)) co_return std::move(*ended);
  if (auto refusal = take_head(parser->get(), request)) co_return std::move(*refusal);
  const std::size_t limit = co_await body_limit(request);
  if (auto ended = co_await read_body(*parser, request, limit)) co_return std::move(*ended);
  request.body = std::move(parser->get().body());
  co_return ReadResult{ReadEnd::complete, std::nullopt, parser->get().keep_alive(), parser->get().version() == 11};
}

// Reads on while the parser needs more; empty when the head is complete.
Awaitable<std::optional<ReadResult>> RequestReader::read_head(Parser& parser) {
  bool begun = false;
  while (!parser.is_header_done()) {
    if (buffer_.size() > 0) {
      if (!std::exchange(begun, true)) watch_.head_began();
      error_code error;
      buffer_.consume(parser.put(buffer_.data(), error));
      if (error && error != http::error::need_more) co_return refuse(error);
      if (!error) continue;
    }
    if (auto ended = co_await read_more(begun)) co_return ended;
  }
  co_return std::nullopt;
}

Awaitable<std::optional<ReadResult>> RequestReader::read_body(Parser& parser, const Request& request,
                                                              std::size_t limit) {
  if (const auto length = parser.content_length(); length && *length > limit) co_return refuse(http::error::body_limit);
  parser.body_limit(limit);
  if (const auto expectation = request.headers.get("Expect"); expectation && !parser.is_done()) {
    if (!equal_ignoring_case(*expectation, "100-continue"))
      co_return refuse(417, "EXPECTATION_FAILED", "the only expectation that the server meets is 100-continue");
    if (parser.get().version() == 11 && buffer_.size() == 0) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto [error, sent] =
          co_await boost::asio::async_write(transport_, boost::asio::buffer(kContinue), use_result);
      if (error) co_return ReadResult{ReadEnd::disconnected};
    }
  }
  watch_.body_began();
  parser.eager(true);
  while (!parser.is_done()) {
    if (buffer_.size() > 0) {
      error_code error;
      buffer_.consume(parser.put(buffer_.data(), error));
      watch_.body_grew(parser.get().body().size());
      if (error && error != http::error::need_more) co_return refuse(error);
      if (!error) continue;
    }
    if (auto ended = co_await read_more(true)) co_return ended;
  }
  co_return std::nullopt;
}

Awaitable<std::optional<ReadResult>> RequestReader::read_more(bool in_request) {
  const std::size_t wanted = buffer_.size() >= kReadBytes ? kBodyReadBytes : kReadBytes;
  const auto [error, received] = co_await transport_.async_read_some(buffer_.prepare(wanted), use_result);
  if (!error) {
    buffer_.commit(received);
    co_return std::nullopt;
  }
  if (!in_request) co_return ReadResult{ReadEnd::disconnected};
  if (watch_.timed_out()) co_return refuse(408, "REQUEST_TIMEOUT", "the request took too long to arrive");
  // A peer that only ended its own sending can still be told.
  if (error == boost::asio::error::eof) co_return refuse(400, "MALFORMED_REQUEST", "the request is incomplete");
  co_return ReadResult{ReadEnd::disconnected};
}

// ---- answers

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string format_head(const Response& response, Framing framing, bool keep_alive, std::string_view date) {
  std::string head;
  head.reserve(256);
  head.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ").append(status_text(response.status));
  head.append("\r\nDate: ").append(date).append("\r\n");
  for (const auto& [name, value] : response.headers) {
    const bool ours = equal_ignoring_case(name, "Content-Length") || equal_ignoring_case(name, "Transfer-Encoding") ||
                      equal_ignoring_case(name, "Connection") || equal_ignoring_case(name, "Date");
    if (!ours) head.append(name).append(": ").append(value).append("\r\n");
  }
  if (framing == Framing::length)
    head.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  if (framing == Framing::chunked) head.append("Transfer-Encoding: chunked\r\n");
  head.append(keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
  return head;
}

}  // namespace slipway::net
