#pragma once
// HTTP as values: what the server hands to handlers and what they answer. No sockets, no Beast.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace slipway::net {

// The last two are RFC 4918's: Terraform locks its states by them.
enum class Method { get, head, post, put, patch, del, options, lock, unlock };

std::string_view to_string(Method method);                   // "DELETE"
std::optional<Method> parse_method(std::string_view token);  // case-sensitive, RFC 9110 section 9.1

// Header fields in their order; names compare without regard to case. A name that is no token or a value with a line
// break or control character throws INTERNAL_ERROR: it would let data break out into the head.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  Headers() = default;
  Headers(std::initializer_list<Field> fields);

  std::optional<std::string_view> get(std::string_view name) const;          // the first of that name
  bool contains_token(std::string_view name, std::string_view token) const;  // in a comma-separated list
  void set(std::string_view name, std::string_view value);                   // instead of all of that name
  void add(std::string_view name, std::string_view value);
  void remove(std::string_view name);

  bool empty() const { return fields_.empty(); }
  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

struct Request {
  Method method = Method::get;
  std::string target;                 // as received: path and query, percent-encoded
  std::string path;                   // percent-decoded, valid UTF-8 without control characters, begins with '/'
  std::vector<std::string> segments;  // of the path, decoded one by one: an encoded '/' stays inside its segment
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order; a name without '=' has an empty value
  Headers headers;
  std::string body;
  std::string peer;           // "127.0.0.1:4711", "[::1]:4711", "unix"
  bool local_socket = false;  // came over a Unix socket
  bool encrypted = false;     // TLS ended in this process

  std::optional<std::string> query_value(std::string_view name) const;  // the first of that name
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

Response json_response(int status, std::string body);

std::string_view status_text(int status);  // "Not Found"; "Unknown" for what has no name

// Sets target, path, segments and query. Throws MALFORMED_REQUEST when the target is no origin form (RFC 9112 section
// 3.2.1), a percent sign is not followed by two hex digits, or the decoded text is not clean UTF-8.
void set_target(Request& request, std::string_view target);

// Everything but RFC 3986's unreserved characters becomes %XX.
std::string percent_encode(std::string_view text);
// Empty when malformed. '+' stays '+'.
std::optional<std::string> percent_decode(std::string_view text);
bool is_valid_utf8(std::string_view text);
// IMF-fixdate, RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string format_http_date(base::Instant at);

}  // namespace slipway::net
