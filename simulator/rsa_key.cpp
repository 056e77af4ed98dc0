#include "simulator/rsa_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/digest.h"

namespace slipway::simulator {

namespace {

constexpr unsigned kBits = 2048;

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

void require(bool done, const char* what) {
  if (!done) throw base::internal_error(std::string("OpenSSL: ") + what);
}

EVP_PKEY* raw(const std::shared_ptr<void>& key) { return static_cast<EVP_PKEY*>(key.get()); }

std::shared_ptr<void> own(EVP_PKEY* key) {
  return {key, [](void* pointer) { EVP_PKEY_free(static_cast<EVP_PKEY*>(pointer)); }};
}

std::string number(const std::shared_ptr<void>& key, const char* name) {
  BIGNUM* value = nullptr;
  require(EVP_PKEY_get_bn_param(raw(key), name, &value) == 1, "the key has no such part");
  std::string bytes(std::size_t(BN_num_bytes(value)), '\0');
  BN_bn2bin(value, reinterpret_cast<unsigned char*>(bytes.data()));
  BN_free(value);
  return base::base64url(bytes);
}

}  // namespace

RsaKey RsaKey::generate() {
  EVP_PKEY* key = EVP_RSA_gen(kBits);
  require(key != nullptr, "no key");
  return RsaKey(own(key));
}

RsaKey RsaKey::from_pem(const std::string& pem) {
  const Memory memory(BIO_new_mem_buf(pem.data(), int(pem.size())), BIO_free);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr);
  require(key != nullptr, "no private key in PEM");
  return RsaKey(own(key));
}

std::string RsaKey::private_pem() const {
  const Memory memory(BIO_new(BIO_s_mem()), BIO_free);
  require(PEM_write_bio_PKCS8PrivateKey(memory.get(), raw(key_), nullptr, nullptr, 0, nullptr, nullptr) == 1, "write");
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return std::string(text, std::size_t(size));
}

std::string RsaKey::id() const { return base::sha256_hex(number(key_, OSSL_PKEY_PARAM_RSA_N)).substr(0, 40); }

json::Object RsaKey::jwk() const {
  return {{"kty", "RSA"},
          {"alg", "RS256"},
          {"use", "sig"},
          {"kid", id()},
          {"n", number(key_, OSSL_PKEY_PARAM_RSA_N)},
          {"e", number(key_, OSSL_PKEY_PARAM_RSA_E)}};
}

std::string RsaKey::sign(std::string_view data) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  std::size_t size = 0;
  require(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, raw(key_)) == 1, "sign");
  require(EVP_DigestSign(context.get(), nullptr, &size, bytes, data.size()) == 1, "sign");
  std::string signature(size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  require(EVP_DigestSign(context.get(), out, &size, bytes, data.size()) == 1, "sign");
  signature.resize(size);
  return signature;
}

bool RsaKey::verifies(std::string_view data, std::string_view signature) const {
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  require(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, raw(key_)) == 1, "verify");
  return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                          reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
}

std::string make_jwt(const RsaKey& key, const json::Object& claims) {
  const json::Object header{{"alg", "RS256"}, {"kid", key.id()}, {"typ", "JWT"}};
  const std::string signed_part =
      base::base64url(json::print_value(header)) + "." + base::base64url(json::print_value(claims));
  return signed_part + "." + base::base64url(key.sign(signed_part));
}

std::optional<json::Object> read_jwt(const RsaKey& key, std::string_view token) {
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == std::string_view::npos || first == last) return {};
  const auto header = base::from_base64url(token.substr(0, first));
  const auto payload = base::from_base64url(token.substr(first + 1, last - first - 1));
  const auto signature = base::from_base64url(token.substr(last + 1));
  if (!header || !payload || !signature) return {};
  try {
    const json::Value head = json::parse_value(*header);
    if (!head.is_object() || head.get_object().if_contains("alg") == nullptr || head.at("alg") != "RS256") return {};
    if (!key.verifies(token.substr(0, last), *signature)) return {};
    json::Value claims = json::parse_value(*payload);
    if (!claims.is_object()) return {};
    return std::move(claims.get_object());
  } catch (const base::Error&) {
    return {};
  }
}

}  // namespace slipway::simulator
