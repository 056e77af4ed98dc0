#pragma once
// For this room: the JSON files that Google's tools write for programs.

#include <map>
#include <optional>
#include <string>
#include <variant>

#include "base/json.h"
#include "base/secret.h"

namespace slipway::google {

// "service_account": a key.
struct ServiceAccountFile {
  std::string email, key_id, token_uri;
  base::Secret private_key;
};

// "authorized_user": a person's, made by `gcloud auth application-default login`.
struct AuthorizedUserFile {
  std::string client_id;
  base::Secret client_secret, refresh_token;
};

// Where a federated workload's own token is: in a file, or at a URL.
struct SubjectSource {
  std::string file;
  std::string url;
  std::map<std::string, std::string> headers;
  std::string json_field;  // of a JSON text; empty: the text itself is the token
};

// "external_account": workload identity federation.
struct ExternalAccountFile {
  std::string audience, subject_token_type, token_url;
  std::string impersonation_url;  // empty: the federated token is used itself
  base::Duration impersonation_lifetime{3'600'000};
  std::string user_project;  // of workforce pools
  std::string client_id;     // both: of workforce pools with a client
  base::Secret client_secret;
  SubjectSource source;
};

struct CredentialFile {
  std::string path, type, project;
  std::variant<ServiceAccountFile, AuthorizedUserFile, ExternalAccountFile> content;
};

// Throws CREDENTIALS_INVALID (class user), which names the file and what is wrong with it, never what is in it.
CredentialFile read_credential_file(const std::string& path);
// The same for a text that `path` is the name of.
CredentialFile parse_credential_file(const std::string& path, std::string_view text);

// The token of a file, without the white space around it. Throws CREDENTIALS_INVALID.
base::Secret read_token_file(const std::string& path);
// Of a text of the source's format. Throws CREDENTIALS_INVALID.
base::Secret parse_subject_token(const SubjectSource& source, std::string_view text);
std::string read_subject_file(const SubjectSource& source);

}  // namespace slipway::google
