#pragma once
// For this room: an issuer's public keys (RFC 7517), fetched from its JWKS document and kept as long as that may be.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/time.h"

namespace slipway::net {
class HttpClient;
}

namespace slipway::google {

inline constexpr std::size_t kKeysMax = 64;  // of one issuer; Google has two or three

// One public key, with which only the algorithm of its kind can be verified: RS256 for RSA, ES256 for P-256.
class PublicKey {
 public:
  // Empty for a JWK that is of another kind, too weak, or not for signatures. `jwk` is one JSON object.
  static std::optional<PublicKey> parse(const std::string& jwk);
  // Whether `token`, a compact JWS, bears this key's signature. Its head has said `algorithm`.
  bool has_signed(std::string_view token, std::string_view algorithm) const;

 private:
  PublicKey(std::shared_ptr<void> key, std::string algorithm)
      : key_(std::move(key)), algorithm_(std::move(algorithm)) {}
  std::shared_ptr<void> key_;  // cjose_jwk_t
  std::string algorithm_;
};

// Thread-safe.
class KeySet {
 public:
  KeySet(std::string url, std::string ca_file, net::HttpClient& http, const base::Clock& clock);

  // The key of that id. When it is unknown, or the document is older than it may be, the document is fetched: by one
  // thread for all who wait, and for unknown ids not more often than every ten seconds. Old keys serve for a day while
  // it cannot be fetched. Empty when there is no such key; KEYS_UNAVAILABLE (transient) when that cannot be known.
  std::optional<PublicKey> find(const std::string& key_id, std::stop_token stop);

 private:
  using Keys = std::map<std::string, PublicKey>;
  void refresh(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  struct Document {
    Keys keys;
    base::Duration lifetime;
  };
  Document fetch(const std::stop_token& stop) const;

  const std::string url_, ca_file_;
  net::HttpClient& http_;
  const base::Clock& clock_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Keys keys_;
  bool is_fetching_ = false;
  std::optional<base::Instant> fetched_at_, tried_at_;  // monotonic
  base::Duration lifetime_{0};
  std::optional<base::Error> failure_;  // of the last try
};

}  // namespace slipway::google
