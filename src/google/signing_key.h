#pragma once
// For this room: a service account's private key.

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/secret.h"

namespace slipway::google {

// Thread-safe.
class SigningKey {
 public:
  // `pem`: PKCS #8 or PKCS #1, RSA, without a password. Throws CREDENTIALS_INVALID.
  explicit SigningKey(const base::Secret& pem);
  // A compact JWS with RS256 (RFC 7515 §3.1). `key_id` is the header's kid.
  base::Secret sign_jwt(std::string_view key_id, const json::Object& claims) const;

 private:
  std::shared_ptr<void> key_;  // EVP_PKEY
};

}  // namespace slipway::google
