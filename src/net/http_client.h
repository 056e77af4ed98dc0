#pragma once
// Outgoing HTTP over libcurl: one thread drives all transfers, connections are reused, TLS is verified.
// Programs that use it link slipway_http_client (the agent does not, so that it stays free of libcurl).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/time.h"
#include "net/asio.h"
#include "net/http.h"

namespace slipway::net {

class AddressGuard;

struct ClientRequest {
  Method method = Method::get;
  std::string url;  // http:// or https:// only
  Headers headers;
  std::string body;
  base::Duration timeout = std::chrono::seconds(30);  // of the whole exchange; 0: none, for event streams
  base::Duration connect_timeout = std::chrono::seconds(10);
  // The transfer ends when less than a byte a second came for so long; 0: never. For streams with keep-alives.
  base::Duration stall_timeout{0};
  std::string unix_socket;            // connect there instead of the URL's host
  std::string ca_file;                // PEM; empty: the system's
  std::size_t body_limit = 16 << 20;  // of the response; RESPONSE_TOO_LARGE beyond. Not for `on_data`
  bool truncate_body = false;         // what is beyond `body_limit` is left unread, and the answer is no error
  // Sent at most once. Without it a request whose kept connection turns out to be closed is sent again on a new one,
  // although the server may have acted on it: only for what may be done twice.
  bool send_once = false;
  bool follow_redirects = false;  // at most 5, never from https to http
  bool direct = false;            // do not use a proxy from the environment
  // Asked about every address before it is connected to, whatever name led there. The client must send nothing without
  // the same guard: a connection that stands is used again unasked.
  std::shared_ptr<const AddressGuard> guard;
  // Gets the pieces of a 2xx response's body as they come, instead of ClientResponse::body, on the client's thread.
  // False ends the transfer with code CANCELLED.
  std::function<bool(std::string_view)> on_data;
};

struct ClientResponse {
  int status = 0;  // any status is an answer, not an error: see `throw_for_status`
  Headers headers;
  std::string body;
};

// Errors: transient CONNECTION_FAILED, TIMEOUT, CONNECTION_CLOSED; internal TLS_FAILED, RESPONSE_TOO_LARGE, CANCELLED;
// user INVALID_URL, ADDRESS_REFUSED.
using ClientOutcome = std::expected<ClientResponse, base::Error>;

struct ClientLimits {
  std::size_t connections_per_host = 32;  // further requests wait
  std::size_t connections_total = 256;
};

// Thread-safe. The destructor cancels what is under way (its callbacks run with CANCELLED) and joins the thread.
class HttpClient {
 public:
  using RequestId = std::uint64_t;
  using Callback = std::move_only_function<void(ClientOutcome)>;

  explicit HttpClient(ClientLimits limits = {});
  ~HttpClient();

  // `callback` runs once, on the client's thread; it must not block or throw.
  RequestId send(ClientRequest request, Callback callback);
  void cancel(RequestId request);  // its callback runs with CANCELLED; nothing when it is done
  // Blocks: for workers and command lines, never for the loop or the client's own callbacks. Throws CANCELLED soon
  // after `stop` fires.
  ClientResponse fetch(ClientRequest request, std::stop_token stop = {});
  // The same for a coroutine.
  Awaitable<ClientResponse> fetch(IoContext& io, ClientRequest request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Throws for 4xx and 5xx: 429 throttled, 503 transient (both with Retry-After), 409 and 412 conflict, other 4xx user,
// 408 and 5xx transient. The code and message come from a JSON envelope if there is one, else HTTP_<status>.
void throw_for_status(const ClientResponse& response);

}  // namespace slipway::net
