#pragma once
// Hashes and the encodings that go with them.

#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

std::string sha256_hex(std::string_view data);
std::string hmac_sha256(std::string_view key, std::string_view data);  // the 32 bytes
std::string base64(std::string_view data);                             // RFC 4648 section 4, with padding
std::optional<std::string> from_base64(std::string_view text);         // as `base64` makes it, and nothing else
std::string base64url(std::string_view data);                          // RFC 4648 section 5, without padding
std::optional<std::string> from_base64url(std::string_view text);
std::string hex(std::string_view data);
// Takes the same time wherever the two differ: for comparing secrets.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace slipway::base
