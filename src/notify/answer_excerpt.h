#pragma once
// What is kept of a receiver's answer: its beginning, as text that can be stored and shown, whatever it was.

#include <cstddef>
#include <string>
#include <string_view>

#include "base/json.h"
#include "net/http.h"

namespace slipway::notify {

// At most `limit` bytes of valid UTF-8; what is none, and NUL, becomes '?'.
std::string excerpt(std::string_view text, std::size_t limit);
// Names and values, together at most `limit` bytes.
json::Value excerpt_headers(const net::Headers& headers, std::size_t limit);

}  // namespace slipway::notify
