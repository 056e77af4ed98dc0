#include "google/endpoints.h"

#include "net/url.h"

namespace slipway::google {

namespace {

bool is_this_machine(const net::Url& url) {
  const auto address = url.address();
  return address ? address->is_loopback() : url.host == "localhost";
}

// The metadata server speaks http only; the network brings it to the machine and nobody else.
bool is_metadata_server(const net::Url& url) {
  return url.host == "metadata.google.internal" || url.host == "169.254.169.254" || url.host == "fd20:ce::254";
}

net::Url parsed(std::string_view field, const std::string& url) {
  const auto parts = net::parse_url(url);
  if (!parts || (parts->scheme != "http" && parts->scheme != "https"))
    throw base::validation_error(field, "is not a URL such as https://workstations.googleapis.com");
  if (parts->has_user || parts->has_fragment || url.contains('?'))
    throw base::validation_error(field, "must have no user, query or fragment");
  return *parts;
}

void refuse_plain_http(std::string_view field) {
  throw base::validation_error(field, "must be https: what leaves this machine is encrypted");
}

}  // namespace

bool is_loopback(const std::string& url) {
  const auto parts = net::parse_url(url);
  return parts && is_this_machine(*parts);
}

std::string checked_endpoint(std::string_view field, std::string url, PlainHttp plain_http) {
  const net::Url parts = parsed(field, url);
  if (parts.scheme == "http" && plain_http == PlainHttp::loopback_only && !is_this_machine(parts))
    refuse_plain_http(field);
  while (url.ends_with('/')) url.pop_back();
  return url;
}

void check_endpoints(Endpoints& endpoints, PlainHttp plain_http) {
  const auto check = [&](std::string_view field, std::string& url) {
    if (!url.empty()) url = checked_endpoint(field, url, plain_http);
  };
  check("endpoints.workstations", endpoints.workstations);
  check("endpoints.pubsub", endpoints.pubsub);
  check("endpoints.compute", endpoints.compute);
  check("endpoints.oauth_token", endpoints.oauth_token);
  check("endpoints.sts", endpoints.sts);
  check("endpoints.iam_credentials", endpoints.iam_credentials);
  check("endpoints.certificates", endpoints.certificates);
  if (!endpoints.metadata.empty()) endpoints.metadata = checked_metadata_server(endpoints.metadata, plain_http);
}

std::string checked_metadata_server(std::string host_or_url, PlainHttp plain_http) {
  constexpr std::string_view kField = "endpoints.metadata";
  if (!host_or_url.contains("://")) host_or_url.insert(0, "http://");
  return checked_endpoint(kField, host_or_url,
                          is_metadata_server(parsed(kField, host_or_url)) ? PlainHttp::anywhere : plain_http);
}

}  // namespace slipway::google
