#pragma once
// RSA keys and the JSON Web Tokens that they sign (RS256, RFC 7519), as far as Google's identity endpoints need them.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace slipway::simulator {

class RsaKey {
 public:
  static RsaKey generate();                        // 2048 bits
  static RsaKey from_pem(const std::string& pem);  // private, PKCS 8; throws INTERNAL_ERROR

  std::string private_pem() const;
  std::string id() const;    // the same for the same key
  json::Object jwk() const;  // the public half, RFC 7517
  std::string sign(std::string_view data) const;
  bool verifies(std::string_view data, std::string_view signature) const;

 private:
  explicit RsaKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY
};

std::string make_jwt(const RsaKey& key, const json::Object& claims);
// The claims, if `token` is a JWT with alg RS256 whose signature is this key's. Says nothing of its times.
std::optional<json::Object> read_jwt(const RsaKey& key, std::string_view token);

}  // namespace slipway::simulator
