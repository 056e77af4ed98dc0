#pragma once
// Pages of other origins that may use the API (https://fetch.spec.whatwg.org/#http-cors-protocol): none, unless the
// operator names them. Keys travel in a header and never in cookies, so that credentials need not be allowed.

#include <string>
#include <vector>

#include "net/http.h"

namespace slipway::api {

class Cors {
 public:
  Cors() = default;
  // Origins such as https://portal.example.com, or `*` for all. Throws VALIDATION_ERROR for what is none.
  explicit Cors(std::vector<std::string> origins);

  bool is_preflight(const net::Request& request) const;
  // 204 with the methods and headers that are allowed; without where the origin is not one of ours. Whose origin it is
  // for is said by `set_fields`, as of every answer.
  net::Response answer_preflight(const net::Request& request) const;
  // What an answer to this request must say.
  void set_fields(net::Headers& headers, const net::Request& request) const;

 private:
  bool allows(std::string_view origin) const;
  std::vector<std::string> origins_;
};

}  // namespace slipway::api
