#pragma once
// Where an endpoint may point to. What can be known beforehand is refused with a reason; what a name resolves to is
// judged when it is connected to (net/address_guard.h).

#include <string>
#include <string_view>

#include "net/address_guard.h"

namespace slipway::notify {

inline constexpr std::size_t kUrlMax = 2'000;

// Throws VALIDATION_ERROR naming `field`.
void validate_target(std::string_view field, const std::string& url, const net::AddressGuard& guard);

// Of a URL that is valid: https://example.com:8443, for those who may know whom but not where.
std::string origin_of(const std::string& url);
// All up to the query, in which receivers like to have secrets.
std::string without_query(const std::string& url);

}  // namespace slipway::notify
