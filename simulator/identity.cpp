#include "simulator/identity.h"

#include "base/digest.h"
#include "base/random.h"

namespace slipway::simulator {

namespace {

constexpr std::string_view kAccessTokenPrefix = "ya29.simulated-";
constexpr std::string_view kOutsideIssuer = "https://issuer.simulated.example";
constexpr std::string_view kPool = "slipway-pool";
constexpr std::string_view kProvider = "slipway-provider";
constexpr std::int64_t kAssertionSecondsMax = 3600;  // Google's limit
constexpr std::int64_t kSkewSeconds = 30;

std::int64_t seconds(base::Instant at) { return base::to_unix_ms(at) / 1000; }

std::int64_t number_or(const json::Object& claims, std::string_view name, std::int64_t otherwise) {
  const json::Value* value = claims.if_contains(name);
  return value && value->is_int64() ? value->get_int64() : otherwise;
}

std::string text_or(const json::Object& claims, std::string_view name, std::string_view otherwise) {
  const json::Value* value = claims.if_contains(name);
  return std::string(value && value->is_string() ? std::string_view(value->get_string()) : otherwise);
}

IdentityState with_keys(IdentityState state) {
  if (state.service_account_key.empty()) state.service_account_key = RsaKey::generate().private_pem();
  if (state.token_secret.empty()) state.token_secret = base::random_token(32);
  return state;
}

}  // namespace

Identity::Identity(std::string project, IdentityState state, std::chrono::seconds token_lifetime)
    : project_(std::move(project)),
      state_(with_keys(std::move(state))),
      token_lifetime_(token_lifetime),
      service_account_key_(RsaKey::from_pem(state_.service_account_key)) {
  if (!state_.google_key.empty()) google_key_ = RsaKey::from_pem(state_.google_key);
}

const RsaKey& Identity::google_key() const {
  if (!google_key_) {
    google_key_ = RsaKey::generate();
    state_.google_key = google_key_->private_pem();
  }
  return *google_key_;
}

std::string Identity::service_account() const { return "slipway@" + project_ + ".iam.gserviceaccount.com"; }

std::string Identity::project_number() const {
  return std::to_string(100'000'000'000ULL + std::stoull(base::sha256_hex(project_).substr(0, 8), nullptr, 16));
}

std::string Identity::pool_audience() const {
  return "//iam.googleapis.com/projects/" + project_number() + "/locations/global/workloadIdentityPools/" +
         std::string(kPool) + "/providers/" + std::string(kProvider);
}

// ---- access tokens

std::string Identity::access_token(const Principal& principal, base::Instant now, std::chrono::seconds lifetime) const {
  const json::Object content{{"email", principal.email},
                             {"federated", principal.federated},
                             {"generation", state_.generation},
                             {"id", base::random_token(6)},
                             {"exp", base::to_unix_ms(now + lifetime)}};
  const std::string payload = base::base64url(json::print_value(content));
  return std::string(kAccessTokenPrefix) + payload + "." +
         base::base64url(base::hmac_sha256(state_.token_secret, payload));
}

std::optional<Principal> Identity::read_access_token(std::string_view token, base::Instant now, bool& expired) const {
  if (!token.starts_with(kAccessTokenPrefix)) return {};
  token.remove_prefix(kAccessTokenPrefix.size());
  const std::size_t dot = token.find('.');
  if (dot == std::string_view::npos) return {};
  const std::string_view payload = token.substr(0, dot);
  const std::string signature = base::base64url(base::hmac_sha256(state_.token_secret, payload));
  if (!base::equal_in_constant_time(signature, token.substr(dot + 1))) return {};
  const json::Value content = json::parse_value(base::from_base64url(payload).value_or("{}"));
  const json::Object& members = content.get_object();
  expired = number_or(members, "exp", 0) <= base::to_unix_ms(now) ||
            number_or(members, "generation", -1) != state_.generation;
  return Principal{text_or(members, "email", ""), members.at("federated").as_bool()};
}

Principal Identity::authenticate(std::optional<std::string_view> authorization, std::string_view service,
                                 base::Instant now) const {
  if (!authorization || !authorization->starts_with("Bearer ")) throw unauthenticated("CREDENTIALS_MISSING", service);
  const std::string_view token = authorization->substr(7);
  bool expired = false;
  if (auto principal = read_access_token(token, now, expired)) {
    if (expired) throw unauthenticated("ACCESS_TOKEN_EXPIRED", service);
    if (principal->federated && service != "iamcredentials")
      throw permission_denied(std::string(service) + ".any", "projects/" + project_, service);
    return *principal;
  }
  // A service account may also present an assertion itself, for the API as its audience.
  if (const auto claims = read_jwt(service_account_key_, token)) {
    if (number_or(*claims, "exp", 0) <= seconds(now)) throw unauthenticated("ACCESS_TOKEN_EXPIRED", service);
    return {text_or(*claims, "iss", "")};
  }
  throw unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", service);
}

// ---- what is exchanged for them

json::Object Identity::check_assertion(std::string_view assertion, const std::string& own_token_uri,
                                       base::Instant now) const {
  const auto claims = read_jwt(service_account_key_, assertion);
  if (!claims) throw OAuthFailure{"invalid_grant", "Invalid JWT Signature."};
  if (text_or(*claims, "iss", "") != service_account())
    throw OAuthFailure{"invalid_grant", "Invalid grant: account not found"};
  const std::string audience = text_or(*claims, "aud", "");
  if (audience != own_token_uri && audience != "https://oauth2.googleapis.com/token")
    throw OAuthFailure{"invalid_grant", "Invalid JWT: Failed audience check."};
  const std::int64_t issued = number_or(*claims, "iat", 0), expires = number_or(*claims, "exp", 0);
  if (expires <= seconds(now) || issued > seconds(now) + kSkewSeconds || expires - issued > kAssertionSecondsMax)
    throw OAuthFailure{"invalid_grant",
                       "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
                       "Check your iat and exp values in the JWT claim."};
  if (text_or(*claims, "scope", "").empty() && text_or(*claims, "target_audience", "").empty())
    throw OAuthFailure{"invalid_scope", "Empty or missing scope not allowed."};
  return *claims;
}

std::string Identity::check_subject_token(std::string_view token, base::Instant now) const {
  const auto claims = read_jwt(google_key(), token);
  if (!claims || text_or(*claims, "iss", "") != kOutsideIssuer)
    throw OAuthFailure{"invalid_grant", "The given credential is rejected by the attribute condition."};
  if (number_or(*claims, "exp", 0) <= seconds(now))
    throw OAuthFailure{"invalid_grant", "ID Token issued by the outside issuer is expired."};
  return text_or(*claims, "sub", "");
}

std::string Identity::identity_token(const std::string& email, const std::string& audience, base::Instant now,
                                     json::Object further) const {
  const std::string subject = std::to_string(std::stoull(base::sha256_hex(email).substr(0, 15), nullptr, 16));
  json::Object claims{{"iss", "https://accounts.google.com"},
                      {"aud", audience},
                      {"azp", subject},
                      {"sub", subject},
                      {"email", email},
                      {"email_verified", true},
                      {"iat", seconds(now)},
                      {"exp", seconds(now) + 3600}};
  for (auto& [key, value] : further) claims[key] = std::move(value);
  return make_jwt(google_key(), claims);
}

json::Object Identity::jwks() const { return {{"keys", json::Array{google_key().jwk()}}}; }

std::string Identity::subject_token(base::Instant now, std::chrono::seconds lifetime) const {
  return make_jwt(google_key(), {{"iss", kOutsideIssuer},
                                 {"sub", "hub"},
                                 {"aud", "https:" + pool_audience()},
                                 {"iat", seconds(now)},
                                 {"exp", seconds(now) + lifetime.count()}});
}

// ---- files

json::Object Identity::service_account_file(const std::string& base_url) const {
  return {{"type", "service_account"},
          {"project_id", project_},
          {"private_key_id", service_account_key_.id()},
          {"private_key", state_.service_account_key},
          {"client_email", service_account()},
          {"client_id", "100000000000000000001"},
          {"auth_uri", "https://accounts.google.com/o/oauth2/auth"},
          {"token_uri", base_url + "/token"},
          {"auth_provider_x509_cert_url", base_url + "/oauth2/v1/certs"},
          {"universe_domain", "googleapis.com"}};
}

json::Object Identity::external_account_file(const std::string& base_url, const std::string& subject_file) const {
  json::Object source;
  if (subject_file.empty()) {
    source["url"] = base_url + "/simulator/subject-token";
    source["format"] = json::Object{{"type", "json"}, {"subject_token_field_name", "token"}};
  } else {
    source["file"] = subject_file;
    source["format"] = json::Object{{"type", "text"}};
  }
  return {{"type", "external_account"},
          {"audience", pool_audience()},
          {"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"},
          {"token_url", base_url + "/v1/token"},
          {"service_account_impersonation_url",
           base_url + "/v1/projects/-/serviceAccounts/" + service_account() + ":generateAccessToken"},
          {"credential_source", std::move(source)},
          {"universe_domain", "googleapis.com"}};
}

}  // namespace slipway::simulator
