#pragma once
// Where access tokens come from (WP-20): a service account's key, the metadata server, workload identity federation, or
// a file with a token.

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "google/endpoints.h"
#include "google/token_source.h"

namespace slipway::net {
class HttpClient;
}

namespace slipway::google {

enum class CredentialKind {
  automatic,     // GOOGLE_APPLICATION_CREDENTIALS, else gcloud's application-default file, else the metadata server
  file,          // a key or an external_account configuration; its "type" says which
  metadata,      // of the machine or Cloud Run service that we run on
  access_token,  // a file that holds a token, read again each time: for tests and for tokens that others renew
  none,          // no Authorization header: for emulators
};
BOOST_DESCRIBE_ENUM(CredentialKind, automatic, file, metadata, access_token, none)

struct CredentialSettings {
  CredentialKind kind = CredentialKind::automatic;
  std::string file;  // of kinds `file` and `access_token`
  std::vector<std::string> scopes = {"https://www.googleapis.com/auth/cloud-platform"};
  std::string ca_file;  // PEM, of who signs the endpoints' certificates; empty: the system's
};
SLIPWAY_JSON_SNAKE(CredentialSettings, kind, file, scopes, ca_file)

// Reads files at once and throws CREDENTIALS_INVALID (class user) when they cannot be used; the first token is fetched
// when it is asked for. `http` and `clock` must outlive the source. `endpoints` have been checked.
//
// What the source throws later: CREDENTIALS_REFUSED (transient, for an operator will mend it) when the answer is that
// these credentials are not good for a token, whatever the code of that answer was; else what passes, as google/error.h
// and the HTTP client have it.
std::unique_ptr<TokenSource> make_credentials(const CredentialSettings& settings, const Endpoints& endpoints,
                                              net::HttpClient& http, const base::Clock& clock,
                                              PlainHttp plain_http = PlainHttp::loopback_only);

// What the credentials are, without their secrets: for checks and logs.
struct CredentialSummary {
  std::string kind;     // service_account, external_account, authorized_user, metadata, access_token, none
  std::string file;     // that was read, if any
  std::string account;  // the service account's address, if known
  std::string project;  // the file's project_id, if there is one
};
SLIPWAY_JSON_SNAKE(CredentialSummary, kind, file, account, project)
CredentialSummary summarize(const CredentialSettings& settings);

}  // namespace slipway::google
