#include "notify/webhook_target.h"

#include "base/error.h"
#include "net/url.h"

namespace slipway::notify {
namespace {

constexpr std::string_view kNotReachable =
    "is not reachable: private, loopback and link-local addresses are refused unless the hub is started with "
    "--webhook-allow-private or --webhook-allow";

// RFC 6761 section 6.3: these always mean this machine.
bool is_localhost(std::string host) {
  if (host.ends_with('.')) host.pop_back();
  return host == "localhost" || host.ends_with(".localhost");
}

bool is_reachable(const net::Url& url, const net::AddressGuard& guard) {
  if (const auto address = url.address()) return guard.permits(*address);
  if (!is_localhost(url.host)) return true;
  return guard.permits(boost::asio::ip::address_v4::loopback()) ||
         guard.permits(boost::asio::ip::address_v6::loopback());
}

}  // namespace

void validate_target(std::string_view field, const std::string& text, const net::AddressGuard& guard) {
  if (text.size() > kUrlMax)
    throw base::validation_error(field, "is longer than " + std::to_string(kUrlMax) + " bytes");
  const auto url = net::parse_url(text);
  if (!url) throw base::validation_error(field, "is not a URL such as https://example.com/hook");
  if (url->scheme != "https" && url->scheme != "http")
    throw base::validation_error(field, "must begin with https:// or http://");
  if (url->has_user) throw base::validation_error(field, "must not carry a user or password: every message is signed");
  if (url->has_fragment) throw base::validation_error(field, "must not have a fragment (#): it would not be sent");
  if (!is_reachable(*url, guard)) throw base::validation_error(field, std::string(kNotReachable));
}

}  // namespace slipway::notify
