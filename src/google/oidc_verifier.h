#pragma once
// Verifies tokens that Google (or another issuer with a JWKS document) has signed for us: Pub/Sub push, Cloud
// Scheduler, IAP. RFC 7519, RFC 7515; OpenID Connect Core §3.1.3.7.

#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"

namespace slipway::net {
class HttpClient;
}

namespace slipway::google {

inline constexpr std::size_t kTokenBytesMax = 16 << 10;  // Google's are about 1 KB
inline constexpr base::Duration kClockSkew{30'000};

struct OidcSettings {
  std::set<std::string> issuers = {"https://accounts.google.com", "accounts.google.com"};
  std::string audience;  // exactly; never empty
  std::string jwks_url = "https://www.googleapis.com/oauth2/v3/certs";
  std::string email;  // who must have been signed for, with email_verified; empty: anyone
  std::string ca_file;
};

struct OidcClaims {
  std::string issuer, audience, subject, email;
  bool email_verified = false;
  base::Instant issued_at, expires_at;
  json::Value all;
};

// Thread-safe. `verify` blocks only when it needs keys that it has not got: for workers.
class OidcVerifier {
 public:
  OidcVerifier(OidcSettings settings, net::HttpClient& http, const base::Clock& clock);
  ~OidcVerifier();

  // `token` is what follows "Bearer ". Throws UNAUTHENTICATED (class user), whose message says why and never quotes the
  // token; or, when keys cannot be fetched, KEYS_UNAVAILABLE (transient).
  OidcClaims verify(std::string_view token, std::stop_token stop = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::google
