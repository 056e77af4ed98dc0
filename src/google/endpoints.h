#pragma once
// Where Google's APIs are. Each can be set, as Google's own clients allow: for emulators, simulators and private
// access.

#include <string>
#include <string_view>

#include "base/json.h"

namespace slipway::google {

struct Endpoints {
  std::string workstations = "https://workstations.googleapis.com";
  std::string pubsub = "https://pubsub.googleapis.com";
  std::string compute = "https://compute.googleapis.com";
  std::string oauth_token;  // empty: the key file's token_uri, or https://oauth2.googleapis.com/token
  std::string sts;          // empty: the credential file's token_url, or https://sts.googleapis.com/v1/token
  std::string iam_credentials = "https://iamcredentials.googleapis.com";
  std::string metadata;  // empty: GCE_METADATA_HOST, or http://metadata.google.internal
  std::string certificates = "https://www.googleapis.com/oauth2/v3/certs";  // keys of Google's OIDC tokens (JWKS)
};
SLIPWAY_JSON_SNAKE(Endpoints, workstations, pubsub, compute, oauth_token, sts, iam_credentials, metadata, certificates)

// Whether plain http may be used with a host that is not this machine.
enum class PlainHttp { loopback_only, anywhere };

// Throws VALIDATION_ERROR naming `field` when it is no absolute URL without user, query and fragment, or is http and
// not allowed to be (WP-21). A trailing '/' is taken away.
std::string checked_endpoint(std::string_view field, std::string url, PlainHttp plain_http = PlainHttp::loopback_only);
// All of them that are set; the metadata server's may be http, for it has no other.
void check_endpoints(Endpoints& endpoints, PlainHttp plain_http = PlainHttp::loopback_only);
// The metadata server's, given as a URL or as GCE_METADATA_HOST has it: "host:port".
std::string checked_metadata_server(std::string host_or_url, PlainHttp plain_http = PlainHttp::loopback_only);

// Whether a URL names this machine: localhost, 127.0.0.0/8, ::1.
bool is_loopback(const std::string& url);

}  // namespace slipway::google
