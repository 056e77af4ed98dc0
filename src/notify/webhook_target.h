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

}  // namespace slipway::notify
