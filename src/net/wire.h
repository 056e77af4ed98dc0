#pragma once
// HTTP/1.1 as bytes: reading one request from a transport, and the head of an answer. For this room's .cpp files.

#include <boost/beast/core/flat_buffer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "net/http.h"
#include "net/transport.h"

namespace slipway::net {

// What the server itself answers to a request that it does not hand on.
struct Refusal {
  int status;
  base::Error error;
};

// How a request's reading ended.
enum class ReadEnd {
  complete,
  refused,       // answer with `refusal`, then close
  disconnected,  // nobody to answer
};

struct ReadResult {
  ReadEnd end = ReadEnd::complete;
  std::optional<Refusal> refusal{};
  bool keep_alive = false;
  bool chunks_allowed = true;  // HTTP/1.1: the answer may come in chunks
};

// Reads one request after another from a connection.
class RequestReader {
 public:
  // The connection's view of where the reading stands: it keeps the time.
  struct Watch {
    std::function<void()> head_began;  // the first byte is there
    std::function<void()> body_began;
    std::function<bool()> timed_out;                   // why a read was cancelled
    std::function<void(std::size_t bytes)> body_grew;  // to so many
  };

  RequestReader(Transport& transport, std::size_t header_bytes, Watch watch);
  ~RequestReader();

  // How many bytes of body the request may bring; what it throws, `read` throws.
  using BodyLimit = std::function<Awaitable<std::size_t>(const Request&)>;
  // Fills all of `request` but `peer`, `local_socket` and `encrypted`.
  Awaitable<ReadResult> read(Request& request, BodyLimit body_limit);
  // Bytes of the next request, or of something else, are waiting.
  bool has_more() const { return buffer_.size() > 0; }
  // Gives back memory while the connection idles.
  void release_memory();

 private:
  struct Parser;
  Awaitable<std::optional<ReadResult>> read_head(Parser& parser);
  Awaitable<std::optional<ReadResult>> read_body(Parser& parser, const Request& request, std::size_t limit);
  Awaitable<std::optional<ReadResult>> read_more(bool in_head);

  Transport& transport_;
  std::size_t header_bytes_;
  Watch watch_;
  boost::beast::flat_buffer buffer_;
};

// "HTTP/1.1 200 OK\r\nDate: …" up to and with the empty line. The framing fields in `response` are left out.
enum class Framing { length, chunked, until_close, none };
std::string format_head(const Response& response, Framing framing, bool keep_alive, std::string_view date);

bool status_has_body(int status);

}  // namespace slipway::net
