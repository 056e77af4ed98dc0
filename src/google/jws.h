#pragma once
// For this room: the outside of a compact JWS (RFC 7515 §3.1), read before anything in it is believed.

#include <string>
#include <string_view>

#include "base/json.h"

namespace slipway::google {

struct Jws {
  std::string algorithm;  // of the head: "RS256"
  std::string key_id;     // of the head; empty: none
  json::Value claims;     // an object. Not verified
};

// Strict: three parts of base64url, each of the first two a JSON object without duplicate members, no critical
// extensions. Throws UNAUTHENTICATED (class user), which never quotes the token.
Jws parse_jws(std::string_view token);

// "token refused: `why`"
[[noreturn]] void refuse_token(const std::string& why);

}  // namespace slipway::google
