#pragma once
// Which addresses an outgoing request may connect to, when users decide where it goes (server-side request forgery).
// Asked about the address that is really connected to, so that what a name resolves to, and when, changes nothing.

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::net {

using Address = boost::asio::ip::address;

enum class Reach {
  public_only,   // what the Internet routes
  with_private,  // also loopback, RFC 1918, CGNAT and unique local addresses; never link-local, where cloud metadata is
};

class AddressGuard {
 public:
  // `allowed`: networks such as 10.1.0.0/16 or fd00::/8, and single addresses, that are reachable whatever they are.
  // Throws VALIDATION_ERROR naming the one that is none.
  explicit AddressGuard(Reach reach = Reach::public_only, const std::vector<std::string>& allowed = {});
  // An IPv4 address inside of an IPv6 one (mapped, NAT64) is judged as the former.
  bool permits(const Address& address) const;

 private:
  Reach reach_;
  std::vector<boost::asio::ip::network_v4> allowed_v4_;
  std::vector<boost::asio::ip::network_v6> allowed_v6_;
};

}  // namespace slipway::net
