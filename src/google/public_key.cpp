#include <cjose/cjose.h>

#include "google/json_reading.h"
#include "google/key_set.h"

namespace slipway::google {

namespace {

constexpr std::size_t kRsaBitsMin = 2048;

}  // namespace

std::optional<PublicKey> PublicKey::parse(const std::string& jwk) {
  const json::Value described = json::parse_value(jwk);
  if (const auto use = text(member(described, "use")); !use.empty() && use != "sig") return std::nullopt;
  cjose_err failure{};
  std::shared_ptr<cjose_jwk_t> key(cjose_jwk_import(jwk.data(), jwk.size(), &failure), [](cjose_jwk_t* owned) {
    if (owned) cjose_jwk_release(owned);
  });
  if (!key) return std::nullopt;
  std::string algorithm;
  const auto kind = cjose_jwk_get_kty(key.get(), &failure);
  if (kind == CJOSE_JWK_KTY_RSA && cjose_jwk_get_keysize(key.get(), &failure) >= kRsaBitsMin) algorithm = "RS256";
  if (kind == CJOSE_JWK_KTY_EC && text(member(described, "crv")) == "P-256") algorithm = "ES256";
  const std::string declared = text(member(described, "alg"));
  if (algorithm.empty() || (!declared.empty() && declared != algorithm)) return std::nullopt;
  return PublicKey(std::move(key), std::move(algorithm));
}

bool PublicKey::has_signed(std::string_view token, std::string_view algorithm) const {
  // The key decides how it is verified, never the token: so "none", HS256 with the public key as its secret, and an
  // algorithm of another kind of key end here.
  if (algorithm != algorithm_) return false;
  cjose_err failure{};
  const std::unique_ptr<cjose_jws_t, decltype(&cjose_jws_release)> jws(
      cjose_jws_import(token.data(), token.size(), &failure), &cjose_jws_release);
  return jws && cjose_jws_verify(jws.get(), static_cast<const cjose_jwk_t*>(key_.get()), &failure);
}

}  // namespace slipway::google
