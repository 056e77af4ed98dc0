#include "google/token_endpoint.h"

#include "base/digest.h"
#include "google/error.h"
#include "google/json_reading.h"
#include "google/wait.h"
#include "net/http_client.h"

namespace slipway::google {

namespace {

using base::Error;
using base::ErrorClass;

constexpr base::Duration kTimeout{15'000};
constexpr base::Duration kConnectTimeout{5'000};
constexpr std::size_t kAnswerBytesMax = 256 << 10;
constexpr int kRetriesMax = 2;
constexpr base::Duration kRetryDelay{200};
// Google refuses an assertion from the future; a clock may be a little ahead.
constexpr base::Duration kClockAhead{10'000};
constexpr base::Duration kAssertionLifetime{3'600'000};  // the longest that is taken
constexpr const char* kCloudPlatform = "https://www.googleapis.com/auth/cloud-platform";

using Form = std::vector<std::pair<std::string, std::string>>;

std::string encode(const Form& form) {
  std::string result;
  for (const auto& [name, value] : form) {
    if (!result.empty()) result += '&';
    result += net::percent_encode(name) + "=" + net::percent_encode(value);
  }
  return result;
}

std::string join(const std::vector<std::string>& parts, char separator) {
  std::string result;
  for (const auto& part : parts) result += (result.empty() ? std::string() : std::string(1, separator)) + part;
  return result;
}

// It is not whoever wants a workstation who is to blame: an operator mends the credentials, and all that waited goes
// on.
constexpr base::Duration kMendedAfter{15'000};
Error refused(const std::string& message, json::Value details = nullptr) {
  return Error(ErrorClass::transient, "CREDENTIALS_REFUSED", message, std::move(details))
      .with_retry_after(kMendedAfter);
}

// No code of a token endpoint may be taken for one of the API that the token was for: its NOT_FOUND is not ours.
Error as_refusal(const Error& error) {
  if (error.error_class() == ErrorClass::transient || error.error_class() == ErrorClass::throttled) return error;
  return refused(error.message(), error.details());
}

[[noreturn]] void refuse_answer(const std::string& what, const std::string& reason) {
  throw Error(ErrorClass::transient, "MALFORMED_ANSWER", what + ": " + reason);
}

json::Value parsed(const std::string& what, const std::string& body) {
  try {
    return json::parse_value(body);
  } catch (const Error&) {
    refuse_answer(what, "the answer is no JSON");
  }
}

}  // namespace

net::ClientResponse TokenRequester::send(const std::string& what, net::ClientRequest request,
                                         const std::stop_token& stop) const {
  request.timeout = kTimeout;
  request.connect_timeout = kConnectTimeout;
  request.body_limit = kAnswerBytesMax;
  request.ca_file = ca_file;
  request.direct = request.direct || is_loopback(request.url);
  for (int failures = 0;; ++failures) {
    try {
      auto response = http.fetch(request, stop);
      if (response.status < 300) return response;
      throw as_refusal(to_error({"oauth2", what, ""}, response, clock.now()));
    } catch (const Error& error) {
      const bool passes = error.error_class() == ErrorClass::transient && !error.retry_after();
      if (!passes || failures >= kRetriesMax || !wait_for(kRetryDelay, stop)) throw;
    }
  }
}

AccessToken TokenRequester::parse_token(const std::string& what, const std::string& body) const {
  const json::Value answer = parsed(what, body);
  base::Secret token(text(member(answer, "access_token")));
  const std::int64_t seconds = number(member(answer, "expires_in"));
  if (token.empty() || seconds <= 0) refuse_answer(what, "the answer holds no access token");
  return {std::move(token), clock.now() + std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400))};
}

AccessToken TokenRequester::post_form(const std::string& what, const std::string& url, const Form& form,
                                      const std::string& authorization, const std::stop_token& stop) const {
  net::ClientRequest request{.method = net::Method::post, .url = url};
  request.headers.set("Content-Type", "application/x-www-form-urlencoded");
  request.headers.set("Accept", "application/json");
  if (!authorization.empty()) request.headers.set("Authorization", authorization);
  request.body = encode(form);
  return parse_token(what, send(what, std::move(request), stop).body);
}

AccessToken fetch_for_service_account(const TokenRequester& to, const std::string& token_url,
                                      const ServiceAccountFile& account, const SigningKey& key,
                                      const std::vector<std::string>& scopes, const std::stop_token& stop) {
  const auto issued_at = to.clock.now() - kClockAhead;
  const auto seconds = [](base::Instant at) { return base::to_unix_ms(at) / 1'000; };
  const base::Secret assertion = key.sign_jwt(account.key_id, {{"iss", account.email},
                                                               {"scope", join(scopes, ' ')},
                                                               {"aud", token_url},
                                                               {"iat", seconds(issued_at)},
                                                               {"exp", seconds(issued_at + kAssertionLifetime)}});
  return to.post_form(
      "token for " + account.email, token_url,
      {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", assertion.reveal()}}, {}, stop);
}

AccessToken fetch_for_user(const TokenRequester& to, const std::string& token_url, const AuthorizedUserFile& user,
                           const std::stop_token& stop) {
  return to.post_form("token for a user", token_url,
                      {{"grant_type", "refresh_token"},
                       {"client_id", user.client_id},
                       {"client_secret", user.client_secret.reveal()},
                       {"refresh_token", user.refresh_token.reveal()}},
                      {}, stop);
}

AccessToken fetch_from_metadata(const TokenRequester& to, const std::string& server,
                                const std::vector<std::string>& scopes, const std::stop_token& stop) {
  const std::string what = "token from the metadata server";
  net::ClientRequest request;
  request.url = server + "/computeMetadata/v1/instance/service-accounts/default/token";
  if (!scopes.empty()) request.url += "?scopes=" + net::percent_encode(join(scopes, ','));
  request.headers.set("Metadata-Flavor", "Google");
  request.direct = true;  // no proxy is on the way to it, and one would add X-Forwarded-For, which it refuses
  const auto response = to.send(what, std::move(request), stop);
  // Without this it is somebody else who answers at that name, a captive portal for one.
  if (response.headers.get("Metadata-Flavor") != "Google")
    throw refused(what + ": " + server + " is no metadata server");
  return to.parse_token(what, response.body);
}

// ---- workload identity federation

namespace {

base::Secret subject_token(const TokenRequester& to, const SubjectSource& source, const std::stop_token& stop) {
  if (!source.file.empty()) return parse_subject_token(source, read_subject_file(source));
  net::ClientRequest request;
  request.url = source.url;
  for (const auto& [name, value] : source.headers) request.headers.set(name, value);
  request.direct = true;  // it is on this machine or its link
  return parse_subject_token(source, to.send("subject token", std::move(request), stop).body);
}

// iamcredentials v1, projects.serviceAccounts.generateAccessToken
AccessToken impersonate(const TokenRequester& to, const ExternalAccountFile& account, const base::Secret& federated,
                        const std::vector<std::string>& scopes, const std::stop_token& stop) {
  const std::string what = "token by impersonation";
  net::ClientRequest request{.method = net::Method::post, .url = account.impersonation_url};
  request.headers.set("Content-Type", "application/json");
  request.headers.set("Authorization", "Bearer " + federated.reveal());
  request.body = json::print_value(
      json::Object{{"scope", json::to_value(scopes)}, {"lifetime", print_duration(account.impersonation_lifetime)}});
  const json::Value answer = parsed(what, to.send(what, std::move(request), stop).body);
  AccessToken result{base::Secret(text(member(answer, "accessToken"))), {}};
  const auto expires_at = instant(member(answer, "expireTime"));
  if (result.token.empty() || !expires_at) refuse_answer(what, "the answer holds no access token");
  result.expires_at = *expires_at;
  return result;
}

}  // namespace

AccessToken fetch_federated(const TokenRequester& to, const ExternalAccountFile& account,
                            const std::vector<std::string>& scopes, const std::stop_token& stop) {
  const bool is_impersonated = !account.impersonation_url.empty();
  Form form{{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
            {"audience", account.audience},
            {"scope", is_impersonated ? kCloudPlatform : join(scopes, ' ')},
            {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
            {"subject_token_type", account.subject_token_type},
            {"subject_token", subject_token(to, account.source, stop).reveal()}};
  std::string authorization;
  if (!account.client_id.empty()) {
    authorization = "Basic " + base::base64(account.client_id + ":" + account.client_secret.reveal());
  } else if (!account.user_project.empty()) {
    form.emplace_back("options", json::print_value(json::Object{{"userProject", account.user_project}}));
  }
  AccessToken federated = to.post_form("token exchange", account.token_url, form, authorization, stop);
  return is_impersonated ? impersonate(to, account, federated.token, scopes, stop) : federated;
}

}  // namespace slipway::google
