#pragma once
// Who may call: access tokens, the service account and its key, workload identity federation, and signed identity
// tokens. Tokens carry what they say in themselves, so that a restarted simulator still knows them.

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"
#include "simulator/rsa_key.h"
#include "simulator/status.h"

namespace slipway::simulator {

// What survives a restart.
struct IdentityState {
  std::string service_account_key;  // PEM
  std::string google_key;           // PEM; signs identity tokens
  std::string token_secret;
  std::int64_t generation = 0;  // tokens of earlier ones are revoked
};
SLIPWAY_JSON_SNAKE(IdentityState, service_account_key, google_key, token_secret, generation)

// Of the OAuth endpoints: {"error":"invalid_grant","error_description":…}, RFC 6749 section 5.2.
struct OAuthFailure {
  std::string error;
  std::string description;
};

struct Principal {
  std::string email;
  bool federated = false;  // may only exchange itself for a service account's token
};

class Identity {
 public:
  // An empty state is filled with new keys.
  Identity(std::string project, IdentityState state, std::chrono::seconds token_lifetime);

  const std::string& project() const { return project_; }
  std::string service_account() const;  // its address
  std::string project_number() const;
  std::string pool_audience() const;
  std::chrono::seconds token_lifetime() const { return token_lifetime_; }

  std::string access_token(const Principal& principal, base::Instant now, std::chrono::seconds lifetime) const;
  // `authorization`: the header's value. Throws UNAUTHENTICATED.
  Principal authenticate(std::optional<std::string_view> authorization, std::string_view service,
                         base::Instant now) const;
  void revoke_all() { ++state_.generation; }

  // The claims of a service account's assertion, verified with the key that was handed out: RFC 7523. Throws
  // OAuthFailure.
  json::Object check_assertion(std::string_view assertion, const std::string& own_token_uri, base::Instant now) const;
  // The subject of a token of the outside issuer. Throws OAuthFailure.
  std::string check_subject_token(std::string_view token, base::Instant now) const;

  // Signed as by Google: aud, azp, email, exp (1 h), iat, iss, sub.
  std::string identity_token(const std::string& email, const std::string& audience, base::Instant now,
                             json::Object further = {}) const;
  json::Object jwks() const;
  const RsaKey& google_key() const;
  std::string subject_token(base::Instant now, std::chrono::seconds lifetime) const;

  json::Object service_account_file(const std::string& base_url) const;
  // `subject_file` empty: the subject token is fetched from the simulator.
  json::Object external_account_file(const std::string& base_url, const std::string& subject_file) const;

  const IdentityState& state() const { return state_; }  // without a Google key as long as nothing was signed with it

 private:
  std::optional<Principal> read_access_token(std::string_view token, base::Instant now, bool& expired) const;

  std::string project_;
  mutable IdentityState state_;
  std::chrono::seconds token_lifetime_;
  RsaKey service_account_key_;
  mutable std::optional<RsaKey> google_key_;  // made when first needed: a key takes time
};

}  // namespace slipway::simulator
