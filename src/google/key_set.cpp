#include "google/key_set.h"

#include <algorithm>
#include <charconv>

#include "google/endpoints.h"
#include "google/error.h"
#include "google/json_reading.h"
#include "net/http_client.h"

namespace slipway::google {

namespace {

using base::Error;
using base::ErrorClass;

constexpr base::Duration kLifetimeMin{60'000};  // whatever the document says
constexpr base::Duration kLifetimeMax{86'400'000};
constexpr base::Duration kLifetimeDefault{300'000};
constexpr base::Duration kServedStaleMax{86'400'000};
// Between two fetches, so that tokens with made-up key ids cannot make us storm the issuer.
constexpr base::Duration kFetchPause{10'000};
constexpr base::Duration kFetchTimeout{10'000};
constexpr std::size_t kDocumentBytesMax = 256 << 10;

// RFC 9111 §5.2.2.1; what has been in caches on the way already counts.
base::Duration lifetime_of(const net::Headers& headers) {
  const auto seconds = [](std::string_view digits) {
    std::int32_t value = -1;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return base::Duration(std::chrono::seconds(std::max(value, 0)));
  };
  const std::string_view control = headers.get("Cache-Control").value_or("");
  constexpr std::string_view kMaxAge = "max-age=";
  const auto at = control.find(kMaxAge);
  if (at == std::string_view::npos) return kLifetimeDefault;
  const auto age = seconds(headers.get("Age").value_or("0"));
  return std::clamp(seconds(control.substr(at + kMaxAge.size())) - age, kLifetimeMin, kLifetimeMax);
}

}  // namespace

KeySet::KeySet(std::string url, std::string ca_file, net::HttpClient& http, const base::Clock& clock)
    : url_(std::move(url)), ca_file_(std::move(ca_file)), http_(http), clock_(clock) {}

KeySet::Document KeySet::fetch(const std::stop_token& stop) const {
  net::ClientRequest request;
  request.url = url_;
  request.timeout = kFetchTimeout;
  request.body_limit = kDocumentBytesMax;
  request.ca_file = ca_file_;
  request.direct = is_loopback(url_);
  const auto response = http_.fetch(std::move(request), stop);
  if (response.status != 200) throw to_error({"oidc", "keys of the issuer", ""}, response);
  Document result{{}, lifetime_of(response.headers)};
  const json::Value document = json::parse_value(response.body, "keys");
  for (const auto& jwk : elements(member(document, "keys"))) {
    const std::string key_id = text(member(jwk, "kid"));
    if (key_id.empty() || result.keys.size() >= kKeysMax) continue;
    if (auto key = PublicKey::parse(json::print_value(jwk))) result.keys.emplace(key_id, std::move(*key));
  }
  return result;
}

// With `is_fetching_` unset; by one thread at a time.
void KeySet::refresh(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  is_fetching_ = true;
  lock.unlock();
  std::optional<Document> fresh;
  std::optional<Error> failure;
  try {
    fresh = fetch(stop);
  } catch (const std::exception&) {
    failure = base::as_error(std::current_exception());
  }
  lock.lock();
  is_fetching_ = false;
  changed_.notify_all();
  // The one who asked went away: another may try at once.
  if (failure && stop.stop_requested()) throw *failure;
  tried_at_ = clock_.monotonic();
  failure_ = std::move(failure);
  if (!fresh) return;
  keys_ = std::move(fresh->keys);
  lifetime_ = fresh->lifetime;
  fetched_at_ = tried_at_;
}

std::optional<PublicKey> KeySet::find(const std::string& key_id, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto now = clock_.monotonic();
    const bool is_fresh = fetched_at_ && now < *fetched_at_ + lifetime_;
    const bool is_usable = fetched_at_ && now < *fetched_at_ + lifetime_ + kServedStaleMax;
    const bool may_try = !tried_at_ || now >= *tried_at_ + kFetchPause;
    const auto found = keys_.find(key_id);
    const bool is_known = is_usable && found != keys_.end();
    if (is_known && (is_fresh || is_fetching_ || !may_try)) return found->second;
    if (is_fetching_) {
      if (!changed_.wait(lock, stop, [&] { return !is_fetching_; }))
        throw Error(ErrorClass::internal, "CANCELLED", "the wait for an issuer's keys was cancelled");
    } else if (may_try) {
      refresh(lock, stop);
    } else if (failure_) {
      throw Error(ErrorClass::transient, "KEYS_UNAVAILABLE",
                  "the keys that tokens are verified with cannot be fetched: " + failure_->message())
          .with_retry_after(*tried_at_ + kFetchPause - now);
    } else {
      return std::nullopt;
    }
  }
}

}  // namespace slipway::google
