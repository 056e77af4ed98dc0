#pragma once
// Answers in gzip (RFC 1952), for clients that take it. A resource's ETag is its version whatever the coding, because
// If-Match is about the resource; `Vary` keeps caches from mixing them up. There is nothing here for BREACH to guess:
// keys are not in answers, and browsers do not send them by themselves.

#include <string>
#include <string_view>

#include "net/http.h"

namespace slipway::api {

// Whether Accept-Encoding takes gzip, RFC 9110 section 12.5.3.
bool accepts_gzip(std::string_view accept_encoding);
// Whether it is worth it: text of some size, not coded already.
bool is_compressible(const net::Response& answer);
enum class Effort { fast, best };
std::string gzip(std::string_view text, Effort effort);

}  // namespace slipway::api
