#include "net/address_guard.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace slipway::net {
namespace {

namespace ip = boost::asio::ip;

enum class Zone { world, inside, never };

struct RangeV4 {
  const char* network;
  Zone zone;
};
// IANA's registry of special-purpose addresses (RFC 6890 and its updates): what is not globally reachable; and services
// of clouds that tell their machines secrets. The first that fits decides.
constexpr RangeV4 kSpecialV4[] = {
    {"0.0.0.0/8", Zone::never},           // this network
    {"10.0.0.0/8", Zone::inside},         //
    {"100.100.100.200/32", Zone::never},  // a cloud's metadata, in the middle of the next
    {"100.64.0.0/10", Zone::inside},      // carrier-grade NAT
    {"127.0.0.0/8", Zone::inside},        //
    {"168.63.129.16/32", Zone::never},    // another cloud's metadata, at a public address
    {"169.254.0.0/16", Zone::never},      // link-local: cloud metadata
    {"172.16.0.0/12", Zone::inside},      //
    {"192.0.0.0/24", Zone::never},        // protocol assignments: metadata of some clouds
    {"192.0.2.0/24", Zone::never},        // documentation
    {"192.88.99.0/24", Zone::never},      // 6to4 relays
    {"192.168.0.0/16", Zone::inside},     //
    {"198.18.0.0/15", Zone::never},       // benchmarks
    {"198.51.100.0/24", Zone::never},     // documentation
    {"203.0.113.0/24", Zone::never},      // documentation
    {"224.0.0.0/4", Zone::never},         // multicast
    {"240.0.0.0/4", Zone::never},         // reserved, and broadcast
};

struct RangeV6 {
  const char* network;
  Zone zone;
};
// The first that fits decides; the last stands for all that is not allocated to anybody.
constexpr RangeV6 kRangesV6[] = {
    {"::1/128", Zone::inside},           //
    {"fd00:ec2::254/128", Zone::never},  // a cloud's metadata, in the middle of unique local addresses
    {"fd20:ce::254/128", Zone::never},   // another's
    {"fc00::/7", Zone::inside},          // unique local
    {"2001::/23", Zone::never},          // protocol assignments, Teredo
    {"2001:db8::/32", Zone::never},      // documentation
    {"2002::/16", Zone::never},          // 6to4: any IPv4 address in disguise
    {"3fff::/20", Zone::never},          // documentation
    {"2000::/3", Zone::world},           // global unicast
    {"::/0", Zone::never},
};

bool contains(const ip::network_v4& network, const ip::address_v4& address) {
  return ip::network_v4(address, network.prefix_length()).network() == network.network();
}
bool contains(const ip::network_v6& network, const ip::address_v6& address) {
  return ip::network_v6(address, network.prefix_length()).network() == network.network();
}

Zone zone_of(const ip::address_v4& address) {
  static const auto networks = [] {
    std::vector<std::pair<ip::network_v4, Zone>> made;
    for (const auto& range : kSpecialV4) made.emplace_back(ip::make_network_v4(range.network), range.zone);
    return made;
  }();
  const auto found = std::ranges::find_if(networks, [&](const auto& range) { return contains(range.first, address); });
  return found == networks.end() ? Zone::world : found->second;
}

Zone zone_of(const ip::address_v6& address) {
  static const auto networks = [] {
    std::vector<std::pair<ip::network_v6, Zone>> made;
    for (const auto& range : kRangesV6) made.emplace_back(ip::make_network_v6(range.network), range.zone);
    return made;
  }();
  const ip::address_v6 unscoped(address.to_bytes());
  return std::ranges::find_if(networks, [&](const auto& range) { return contains(range.first, unscoped); })->second;
}

// ::ffff:a.b.c.d (RFC 4291) and 64:ff9b::a.b.c.d (RFC 6052, where only IPv6 leads to the Internet).
std::optional<ip::address_v4> embedded(const ip::address_v6& address) {
  static const auto mapped = ip::make_network_v6("::ffff:0:0/96");
  static const auto nat64 = ip::make_network_v6("64:ff9b::/96");
  const auto bytes = address.to_bytes();
  const ip::address_v6 unscoped(bytes);
  if (!contains(mapped, unscoped) && !contains(nat64, unscoped)) return std::nullopt;
  return ip::address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
}

}  // namespace

AddressGuard::AddressGuard(Reach reach, const std::vector<std::string>& allowed) : reach_(reach) {
  for (const auto& text : allowed) {
    boost::system::error_code failure;
    const bool is_v6 = text.find(':') != std::string::npos;
    const std::string network = text.find('/') != std::string::npos ? text : text + (is_v6 ? "/128" : "/32");
    if (is_v6) {
      allowed_v6_.push_back(ip::make_network_v6(network, failure));
    } else {
      allowed_v4_.push_back(ip::make_network_v4(network, failure));
    }
    if (failure)
      throw base::validation_error("allowed network",
                                   "'" + text + "' is neither a network like 10.1.0.0/16 nor an address");
  }
}

bool AddressGuard::permits(const Address& address) const {
  if (address.is_v6()) {
    const auto v6 = address.to_v6();
    if (const auto inner = embedded(v6)) return permits(*inner);
    if (std::ranges::any_of(allowed_v6_, [&](const auto& network) { return contains(network, v6); })) return true;
    const Zone zone = zone_of(v6);
    return zone == Zone::world || (zone == Zone::inside && reach_ == Reach::with_private);
  }
  const auto v4 = address.to_v4();
  if (std::ranges::any_of(allowed_v4_, [&](const auto& network) { return contains(network, v4); })) return true;
  const Zone zone = zone_of(v4);
  return zone == Zone::world || (zone == Zone::inside && reach_ == Reach::with_private);
}

}  // namespace slipway::net
