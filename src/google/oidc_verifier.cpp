#include "google/oidc_verifier.h"

#include "google/endpoints.h"
#include "google/json_reading.h"
#include "google/jws.h"
#include "google/key_set.h"

namespace slipway::google {

namespace {

// NumericDate, RFC 7519 §2: seconds, perhaps with a fraction. Absent or out of all reason: empty.
std::optional<base::Instant> numeric_date(const json::Value& value) {
  if (!value.is_number()) return std::nullopt;
  const double seconds = value.to_number<double>();
  if (!(seconds >= 0 && seconds < 1e11)) return std::nullopt;
  return base::from_unix_ms(std::int64_t(seconds * 1'000));
}

// "email_verified" is a boolean, which some issuers print as a text.
bool is_true(const json::Value& value) { return flag(value) || text(value) == "true"; }

}  // namespace

struct OidcVerifier::Impl {
  OidcClaims checked_claims(const json::Value& claims) const;
  void check_times(const OidcClaims& claims, const json::Value& all) const;

  const OidcSettings settings;
  const base::Clock& clock;
  KeySet keys;
};

OidcVerifier::OidcVerifier(OidcSettings settings, net::HttpClient& http, const base::Clock& clock) {
  if (settings.audience.empty())
    throw base::validation_error("audience", "must be set: tokens for others are not ours");
  if (settings.issuers.empty()) throw base::validation_error("issuers", "must name at least one");
  settings.jwks_url = checked_endpoint("jwks_url", settings.jwks_url);
  const std::string url = settings.jwks_url, ca_file = settings.ca_file;
  impl_.reset(new Impl{std::move(settings), clock, KeySet(url, ca_file, http, clock)});
}
OidcVerifier::~OidcVerifier() = default;

OidcClaims OidcVerifier::verify(std::string_view token, std::stop_token stop) {
  const Jws jws = parse_jws(token);
  // Before any key is fetched: what is refused anyway shall cost nothing.
  if (jws.algorithm != "RS256" && jws.algorithm != "ES256") refuse_token("its algorithm is not RS256 or ES256");
  if (jws.key_id.empty()) refuse_token("it does not name its key");
  OidcClaims claims = impl_->checked_claims(jws.claims);
  const auto key = impl_->keys.find(jws.key_id, std::move(stop));
  if (!key) refuse_token("its issuer has no such key");
  if (!key->has_signed(token, jws.algorithm)) refuse_token("its signature does not fit");
  return claims;
}

OidcClaims OidcVerifier::Impl::checked_claims(const json::Value& all) const {
  const auto issued_at = numeric_date(member(all, "iat")), expires_at = numeric_date(member(all, "exp"));
  if (!issued_at || !expires_at) refuse_token("it does not say when it was issued and when it expires");
  OidcClaims claims{.issuer = text(member(all, "iss")),
                    .audience = text(member(all, "aud")),
                    .subject = text(member(all, "sub")),
                    .email = text(member(all, "email")),
                    .email_verified = is_true(member(all, "email_verified")),
                    .issued_at = *issued_at,
                    .expires_at = *expires_at,
                    .all = all};
  if (!settings.issuers.contains(claims.issuer)) refuse_token("its issuer is another");
  if (claims.audience != settings.audience) refuse_token("it is for another audience");
  check_times(claims, all);
  if (!settings.email.empty() && (claims.email != settings.email || !claims.email_verified))
    refuse_token("it is not of the account that is expected");
  return claims;
}

void OidcVerifier::Impl::check_times(const OidcClaims& claims, const json::Value& all) const {
  const auto now = clock.now();
  if (now >= claims.expires_at + kClockSkew) refuse_token("it has expired");
  if (claims.issued_at > now + kClockSkew) refuse_token("it was issued in the future");
  if (claims.expires_at <= claims.issued_at) refuse_token("it expires before it was issued");
  const json::Value& not_before = member(all, "nbf");
  if (not_before.is_null()) return;
  const auto valid_from = numeric_date(not_before);
  if (!valid_from || *valid_from > now + kClockSkew) refuse_token("it is not valid yet");
}

}  // namespace slipway::google
