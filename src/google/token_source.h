#pragma once
// OAuth2 access tokens for calls to Google (WP-20).

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/secret.h"
#include "base/time.h"

namespace slipway::google {

// Thread-safe. Tokens are never logged and are in no error's text.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // A token that is valid for a while yet; empty: calls go without one (emulators). Blocks while one is fetched.
  // Errors: as the token endpoint answers (google/error.h), or as the HTTP client fails.
  virtual base::Secret token(std::stop_token stop = {}) = 0;
  // The server has refused this token (401): it is not given out again. Any other is ignored.
  virtual void reject(const base::Secret& token) = 0;
};

struct AccessToken {
  base::Secret token;
  base::Instant expires_at;
};

// What gets a new token, each time it is called. Blocks; throws base::Error.
using TokenFetch = std::function<AccessToken(std::stop_token)>;

// Keeps a fetched token and refreshes it ahead of expiry: one fetch at a time, however many threads ask. While it is
// under way the old token is served as long as it is valid. After a failed fetch the next waits, longer each time; who
// asks in between without a valid token gets the same failure at once.
std::unique_ptr<TokenSource> make_cached(TokenFetch fetch, const base::Clock& clock);

// No token at all, for emulators.
std::unique_ptr<TokenSource> make_no_credentials();

}  // namespace slipway::google
