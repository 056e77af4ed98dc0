#include "google/testing/signer.h"

#include <cjose/cjose.h>

#include <cstdlib>
#include <stdexcept>

#include "base/digest.h"

namespace slipway::google::testing {

namespace {

cjose_jwk_t* make_key(KeyKind kind) {
  cjose_err failure{};
  constexpr std::uint8_t kExponent[] = {1, 0, 1};
  if (kind == KeyKind::p256) return cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &failure);
  if (kind == KeyKind::p384) return cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, &failure);
  return cjose_jwk_create_RSA_random(kind == KeyKind::rsa ? 2048 : 1024, kExponent, sizeof kExponent, &failure);
}

std::string encoded(const json::Object& object) { return base::base64url(json::print_value(object)); }

}  // namespace

Signer::Signer(std::string key_id, KeyKind kind)
    : key_id_(std::move(key_id)),
      key_(make_key(kind), [](void* key) { cjose_jwk_release(static_cast<cjose_jwk_t*>(key)); }) {
  cjose_err failure{};
  cjose_jwk_set_kid(static_cast<cjose_jwk_t*>(key_.get()), key_id_.data(), key_id_.size(), &failure);
}

json::Value Signer::jwk() const {
  cjose_err failure{};
  char* const printed = cjose_jwk_to_json(static_cast<cjose_jwk_t*>(key_.get()), false, &failure);
  json::Value result = json::parse_value(printed);
  std::free(printed);
  return result;
}

std::string Signer::sign(const json::Object& claims, const std::string& algorithm) const {
  return sign_with_head({{"alg", algorithm}, {"kid", key_id_}}, claims);
}

std::string Signer::sign_with_head(const json::Object& head, const json::Object& claims) const {
  cjose_err failure{};
  cjose_header_t* const header = cjose_header_new(&failure);
  for (const auto& [name, value] : head)
    cjose_header_set(header, std::string(name).c_str(), value.as_string().c_str(), &failure);
  const std::string payload = json::print_value(claims);
  cjose_jws_t* const jws =
      cjose_jws_sign(static_cast<cjose_jwk_t*>(key_.get()), header,
                     reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size(), &failure);
  cjose_header_release(header);
  if (!jws) throw std::logic_error(std::string("cannot sign: ") + failure.message);
  const char* compact = nullptr;
  cjose_jws_export(jws, &compact, &failure);
  std::string result = compact;
  cjose_jws_release(jws);
  return result;
}

std::string jwks(std::initializer_list<json::Value> keys) {
  json::Array array;
  for (const auto& key : keys) array.push_back(key);
  return json::print_value(json::Object{{"keys", std::move(array)}});
}

std::string unsigned_token(const json::Object& head, const json::Object& claims) {
  return encoded(head) + "." + encoded(claims) + ".";
}

std::string hmac_token(const std::string& key_id, const std::string& secret, const json::Object& claims) {
  const std::string input = encoded({{"alg", "HS256"}, {"kid", key_id}}) + "." + encoded(claims);
  return input + "." + base::base64url(base::hmac_sha256(secret, input));
}

}  // namespace slipway::google::testing
