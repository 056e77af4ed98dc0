#include "google/signing_key.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/digest.h"

namespace slipway::google {

namespace {

EVP_PKEY* read_key(const base::Secret& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> source(BIO_new_mem_buf(pem.reveal().data(), int(pem.reveal().size())),
                                                         &BIO_free);
  // The callback keeps OpenSSL from asking for a password at the terminal.
  const auto no_password = [](char*, int, int, void*) { return 0; };
  return source ? PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr) : nullptr;
}

}  // namespace

SigningKey::SigningKey(const base::Secret& pem)
    : key_(read_key(pem), [](void* key) { EVP_PKEY_free(static_cast<EVP_PKEY*>(key)); }) {
  if (!key_ || EVP_PKEY_base_id(static_cast<EVP_PKEY*>(key_.get())) != EVP_PKEY_RSA)
    throw base::Error(base::ErrorClass::user, "CREDENTIALS_INVALID", "the private key cannot be read as an RSA key");
}

base::Secret SigningKey::sign_jwt(std::string_view key_id, const json::Object& claims) const {
  const json::Object head{{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id}};
  std::string token = base::base64url(json::print_value(head)) + "." + base::base64url(json::print_value(claims));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  auto* const key = static_cast<EVP_PKEY*>(key_.get());
  const auto* const data = reinterpret_cast<const unsigned char*>(token.data());
  std::string signature(std::size_t(EVP_PKEY_size(key)), '\0');
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, data, token.size()) != 1)
    throw base::internal_error("a token request cannot be signed");
  signature.resize(size);
  return base::Secret(token + "." + base::base64url(signature));
}

}  // namespace slipway::google
