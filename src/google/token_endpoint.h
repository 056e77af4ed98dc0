#pragma once
// For this room: asking a token endpoint for a token, as each kind of credentials does it.

#include <string>
#include <utility>
#include <vector>

#include "google/credential_file.h"
#include "google/endpoints.h"
#include "google/signing_key.h"
#include "google/token_source.h"

namespace slipway::net {
class HttpClient;
struct ClientRequest;
struct ClientResponse;
}  // namespace slipway::net

namespace slipway::google {

// What every kind needs. `http` and `clock` outlive it.
struct TokenRequester {
  net::HttpClient& http;
  const base::Clock& clock;
  std::string ca_file;

  // Sends it, a few times if it fails for a reason that passes. Throws for an answer of 300 and more,
  // CREDENTIALS_REFUSED where it is final. `what` names the call in messages.
  net::ClientResponse send(const std::string& what, net::ClientRequest request, const std::stop_token& stop) const;
  // {"access_token","expires_in"} for a form (RFC 6749 §5.1).
  AccessToken post_form(const std::string& what, const std::string& url,
                        const std::vector<std::pair<std::string, std::string>>& form, const std::string& authorization,
                        const std::stop_token& stop) const;
  AccessToken parse_token(const std::string& what, const std::string& body) const;
};

// JWT bearer, RFC 7523.
AccessToken fetch_for_service_account(const TokenRequester& to, const std::string& token_url,
                                      const ServiceAccountFile& account, const SigningKey& key,
                                      const std::vector<std::string>& scopes, const std::stop_token& stop);
// Refresh token, RFC 6749 §6.
AccessToken fetch_for_user(const TokenRequester& to, const std::string& token_url, const AuthorizedUserFile& user,
                           const std::stop_token& stop);
// `server`: http://metadata.google.internal
AccessToken fetch_from_metadata(const TokenRequester& to, const std::string& server,
                                const std::vector<std::string>& scopes, const std::stop_token& stop);
// Token exchange, RFC 8693, and then a service account's token in its place, if the file says so.
AccessToken fetch_federated(const TokenRequester& to, const ExternalAccountFile& account,
                            const std::vector<std::string>& scopes, const std::stop_token& stop);

}  // namespace slipway::google
