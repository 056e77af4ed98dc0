#pragma once
// An issuer of OIDC tokens for tests: its keys, its JWKS document, and tokens good and bad.

#include <memory>
#include <string>

#include "base/json.h"

namespace slipway::google::testing {

enum class KeyKind { rsa, rsa_weak, p256, p384 };

class Signer {
 public:
  explicit Signer(std::string key_id, KeyKind kind = KeyKind::rsa);
  // The public key as a JWK.
  json::Value jwk() const;
  // A compact JWS of these claims; `algorithm` must fit the key.
  std::string sign(const json::Object& claims, const std::string& algorithm = "RS256") const;
  // The same with a head of any texts: what a forger makes.
  std::string sign_with_head(const json::Object& head, const json::Object& claims) const;

 private:
  std::string key_id_;
  std::shared_ptr<void> key_;  // cjose_jwk_t
};

std::string jwks(std::initializer_list<json::Value> keys);
// head.claims. with nothing behind the second dot.
std::string unsigned_token(const json::Object& head, const json::Object& claims);
// HS256 with any secret: a public key's text, for one.
std::string hmac_token(const std::string& key_id, const std::string& secret, const json::Object& claims);

}  // namespace slipway::google::testing
