#include "net/url.h"

#include <curl/curl.h>

#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <memory>

namespace slipway::net {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::optional<std::string> part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return std::nullopt;
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, curl_free);
  return std::string(text);
}

std::string lower(std::string text) {
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = char(letter - 'A' + 'a');
  return text;
}

}  // namespace

std::optional<Address> Url::address() const {
  boost::system::error_code failure;
  auto address = boost::asio::ip::make_address(host, failure);
  if (failure) return std::nullopt;
  return address;
}

std::optional<Url> parse_url(const std::string& text) {
  for (const unsigned char letter : text)
    if (letter <= ' ' || letter == 0x7f) return std::nullopt;
  const std::unique_ptr<CURLU, UrlDeleter> handle(curl_url());
  if (!handle || curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return std::nullopt;
  const auto scheme = part(handle.get(), CURLUPART_SCHEME);
  auto host = part(handle.get(), CURLUPART_HOST, CURLU_URLDECODE);
  const auto port = part(handle.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  if (!scheme || !host || host->empty() || !port) return std::nullopt;
  if (host->starts_with('[') && host->ends_with(']')) *host = host->substr(1, host->size() - 2);
  Url url{.scheme = lower(*scheme), .host = lower(*host)};
  const auto [end, failure] = std::from_chars(port->data(), port->data() + port->size(), url.port);
  if (failure != std::errc() || end != port->data() + port->size()) return std::nullopt;
  url.has_user = part(handle.get(), CURLUPART_USER) || part(handle.get(), CURLUPART_PASSWORD);
  url.has_fragment = part(handle.get(), CURLUPART_FRAGMENT).has_value() || text.find('#') != std::string::npos;
  return url;
}

}  // namespace slipway::net
