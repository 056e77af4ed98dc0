#pragma once
// What a URL consists of, as the HTTP client itself will read it: a check that reads it otherwise can be tricked.
// Programs that use it link slipway_http_client.

#include <cstdint>
#include <optional>
#include <string>

#include "net/address_guard.h"

namespace slipway::net {

struct Url {
  std::string scheme;  // lower case
  std::string host;    // lower case; IPv4 in its one canonical spelling, IPv6 without brackets
  std::uint16_t port = 0;
  bool has_user = false;
  bool has_fragment = false;

  // The host as an address, when it is one in any of its spellings.
  std::optional<Address> address() const;
};

// Empty when it is no absolute URL that the client would take.
std::optional<Url> parse_url(const std::string& text);

}  // namespace slipway::net
