#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace slipway::base {
namespace {
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
}

std::string sha256_hex(std::string_view data) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data());
  return hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string hex(std::string_view data) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(data.size() * 2);
  for (const unsigned char byte : data) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string base64url(std::string_view data) {
  std::string text;
  text.reserve((data.size() * 4 + 2) / 3);
  unsigned bits = 0;
  int have = 0;
  for (const unsigned char byte : data) {
    bits = (bits << 8) | byte;
    for (have += 8; have >= 6; have -= 6) text.push_back(kBase64Url[(bits >> (have - 6)) & 63]);
  }
  if (have > 0) text.push_back(kBase64Url[(bits << (6 - have)) & 63]);
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string data;
  unsigned bits = 0;
  int have = 0;
  for (const char letter : text) {
    const auto value = kBase64Url.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | unsigned(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      data.push_back(char((bits >> have) & 255));
    }
  }
  if (have >= 6 || (bits & ((1u << have) - 1)) != 0) return std::nullopt;
  return data;
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  unsigned size = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), int(key.size()),
                          reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data(), &size);
  SLIPWAY_ASSERT(made != nullptr && size == digest.size());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string base64(std::string_view data) {
  std::string text = base64url(data);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.find_first_of("-_") != std::string_view::npos) return std::nullopt;
  std::string plain(text.substr(0, text.find('=')));
  std::ranges::replace(plain, '+', '-');
  std::ranges::replace(plain, '/', '_');
  auto data = from_base64url(plain);
  if (data && base64(*data) != text) return std::nullopt;
  return data;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace slipway::base
