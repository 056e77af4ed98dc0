#include "google/credentials.h"

#include <unistd.h>

#include <cstdlib>

#include "google/credential_file.h"
#include "google/token_endpoint.h"
#include "net/http_client.h"
#include "net/url.h"

namespace slipway::google {

namespace {

constexpr const char* kTokenUrl = "https://oauth2.googleapis.com/token";
constexpr const char* kStsUrl = "https://sts.googleapis.com/v1/token";
constexpr const char* kMetadataServer = "http://metadata.google.internal";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Where `gcloud auth application-default login` leaves its file.
std::string application_default_file() {
  std::string folder = environment("CLOUDSDK_CONFIG");
  if (folder.empty() && !environment("HOME").empty()) folder = environment("HOME") + "/.config/gcloud";
  return folder.empty() ? std::string() : folder + "/application_default_credentials.json";
}

// What `automatic` stands for on this machine.
CredentialSettings resolved(CredentialSettings settings) {
  if (settings.kind != CredentialKind::automatic) return settings;
  settings.kind = CredentialKind::file;
  settings.file = environment("GOOGLE_APPLICATION_CREDENTIALS");
  if (!settings.file.empty()) return settings;
  settings.file = application_default_file();
  if (!settings.file.empty() && ::access(settings.file.c_str(), R_OK) == 0) return settings;
  settings.kind = CredentialKind::metadata;
  settings.file.clear();
  return settings;
}

std::string first_of(std::initializer_list<std::string> candidates) {
  for (const auto& candidate : candidates)
    if (!candidate.empty()) return candidate;
  return {};
}

// The path of a URL of Google's, at another host.
std::string moved_to(const std::string& endpoint, const std::string& url) {
  const auto host = url.find("://");
  const auto path = host == std::string::npos ? host : url.find('/', host + 3);
  return path == std::string::npos ? endpoint : endpoint + url.substr(path);
}

// Other clouds' metadata servers speak http; they are on this machine's link.
PlainHttp plain_http_for_subject(const std::string& url, PlainHttp plain_http) {
  const auto parts = net::parse_url(url);
  const auto address = parts ? parts->address() : std::nullopt;
  const bool is_link_local = address && address->is_v4() && address->to_string().starts_with("169.254.");
  return is_link_local ? PlainHttp::anywhere : plain_http;
}

// Reads its file again each time: others renew it.
class TokenFile final : public TokenSource {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) { read_token_file(path_); }
  base::Secret token(std::stop_token) override { return read_token_file(path_); }
  void reject(const base::Secret&) override {}

 private:
  const std::string path_;
};

struct Maker {
  const std::vector<std::string>& scopes;
  const Endpoints& endpoints;
  TokenRequester requester;
  PlainHttp plain_http;

  TokenFetch operator()(const ServiceAccountFile& account) const {
    const std::string url =
        checked_endpoint("token_uri", first_of({endpoints.oauth_token, account.token_uri, kTokenUrl}), plain_http);
    return [to = requester, url, account, key = SigningKey(account.private_key), scopes = scopes](
               const std::stop_token& stop) { return fetch_for_service_account(to, url, account, key, scopes, stop); };
  }

  TokenFetch operator()(const AuthorizedUserFile& user) const {
    const std::string url = checked_endpoint("oauth_token", first_of({endpoints.oauth_token, kTokenUrl}), plain_http);
    return [to = requester, url, user](const std::stop_token& stop) { return fetch_for_user(to, url, user, stop); };
  }

  TokenFetch operator()(ExternalAccountFile account) const {
    account.token_url =
        checked_endpoint("token_url", first_of({endpoints.sts, account.token_url, kStsUrl}), plain_http);
    if (!account.impersonation_url.empty()) {
      if (endpoints.iam_credentials != Endpoints().iam_credentials)
        account.impersonation_url = moved_to(endpoints.iam_credentials, account.impersonation_url);
      account.impersonation_url =
          checked_endpoint("service_account_impersonation_url", account.impersonation_url, plain_http);
    }
    auto& source = account.source.url;
    if (!source.empty())
      checked_endpoint("credential_source.url", source.substr(0, source.find('?')),
                       plain_http_for_subject(source, plain_http));
    return [to = requester, account, scopes = scopes](const std::stop_token& stop) {
      return fetch_federated(to, account, scopes, stop);
    };
  }

  TokenFetch from_metadata() const {
    const std::string server = checked_metadata_server(
        first_of({endpoints.metadata, environment("GCE_METADATA_HOST"), kMetadataServer}), plain_http);
    return [to = requester, server, scopes = scopes](const std::stop_token& stop) {
      return fetch_from_metadata(to, server, scopes, stop);
    };
  }
};

}  // namespace

std::unique_ptr<TokenSource> make_credentials(const CredentialSettings& given, const Endpoints& endpoints,
                                              net::HttpClient& http, const base::Clock& clock, PlainHttp plain_http) {
  const CredentialSettings settings = resolved(given);
  const Maker make{settings.scopes, endpoints, {http, clock, settings.ca_file}, plain_http};
  switch (settings.kind) {
    case CredentialKind::none:
      return make_no_credentials();
    case CredentialKind::access_token:
      return std::make_unique<TokenFile>(settings.file);
    case CredentialKind::metadata:
      return make_cached(make.from_metadata(), clock);
    case CredentialKind::file:
    case CredentialKind::automatic:
      break;
  }
  return make_cached(std::visit(make, read_credential_file(settings.file).content), clock);
}

CredentialSummary summarize(const CredentialSettings& given) {
  const CredentialSettings settings = resolved(given);
  CredentialSummary result{.kind = boost::describe::enum_to_string(settings.kind, ""), .file = settings.file};
  if (settings.kind != CredentialKind::file) return result;
  const CredentialFile file = read_credential_file(settings.file);
  result.kind = file.type;
  result.project = file.project;
  if (const auto* account = std::get_if<ServiceAccountFile>(&file.content)) result.account = account->email;
  return result;
}

}  // namespace slipway::google
