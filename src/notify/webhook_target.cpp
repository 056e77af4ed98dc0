#include "notify/webhook_target.h"

#include "base/error.h"
#include "net/url.h"

namespace slipway::notify {
namespace {

constexpr std::string_view kNotReachable =
    "is not reachable: private, loopback and link-local addresses are refused unless the hub is started with "
    "--webhook-allow-private or --webhook-allow";

// RFC 6761 section 6.3: these always mean this machine.
bool is_localhost(const std::string& host) { return host == "localhost" || host.ends_with(".localhost"); }

// A name may end with a dot, and so may an address in the eyes of some resolvers: it means the same without.
net::Url without_final_dot(const net::Url& url) {
  if (!url.host.ends_with('.')) return url;
  return net::parse_url("http://" + url.host.substr(0, url.host.size() - 1) + "/").value_or(url);
}

bool is_reachable(const net::Url& given, const net::AddressGuard& guard) {
  const auto url = without_final_dot(given);
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

std::string origin_of(const std::string& text) {
  const auto url = net::parse_url(text);
  if (!url) return "";
  const bool is_usual = url->port == (url->scheme == "https" ? 443 : 80);
  const std::string host = url->host.contains(':') ? "[" + url->host + "]" : url->host;
  return url->scheme + "://" + host + (is_usual ? "" : ":" + std::to_string(url->port));
}

std::string without_query(const std::string& url) { return url.substr(0, url.find('?')); }

}  // namespace slipway::notify
