#include "google/credential_file.h"

#include <fstream>
#include <iterator>

#include "google/json_reading.h"

namespace slipway::google {

namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw base::Error(base::ErrorClass::user, "CREDENTIALS_INVALID", "credentials in " + path + ": " + reason,
                    json::Object{{"file", path}});
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse(path, "the file cannot be read");
  std::string text(kFileBytesMax, '\0');
  file.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(file.gcount()));
  if (text.size() == kFileBytesMax) refuse(path, "the file is too large");
  return text;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

// A token goes into a header or a form: a line break in it would be somebody's trick.
base::Secret checked_token(const std::string& path, std::string token) {
  for (const char c : token)
    if (c <= ' ' || c == '\x7f') refuse(path, "the token contains a character that no token has");
  if (token.empty()) refuse(path, "there is no token in it");
  return base::Secret(std::move(token));
}

// Reads one file's members by name.
struct Reader {
  const std::string& path;
  const json::Value& file;

  std::string optional(std::string_view name) const { return text(member(file, name)); }
  std::string required(std::string_view name) const {
    std::string value = optional(name);
    if (value.empty()) refuse(path, "it has no " + std::string(name));
    return value;
  }
};

ServiceAccountFile service_account(const Reader& in) {
  return {.email = in.required("client_email"),
          .key_id = in.optional("private_key_id"),
          .token_uri = in.optional("token_uri"),
          .private_key = base::Secret(in.required("private_key"))};
}

AuthorizedUserFile authorized_user(const Reader& in) {
  return {.client_id = in.required("client_id"),
          .client_secret = base::Secret(in.required("client_secret")),
          .refresh_token = base::Secret(in.required("refresh_token"))};
}

SubjectSource subject_source(const std::string& path, const json::Value& source) {
  SubjectSource result{.file = text(member(source, "file")),
                       .url = text(member(source, "url")),
                       .headers = text_map(member(source, "headers"))};
  if (result.file.empty() == result.url.empty())
    refuse(path, "credential_source must have a file or a url; others are not supported");
  const json::Value& format = member(source, "format");
  if (text(member(format, "type")) == "json") {
    result.json_field = text(member(format, "subject_token_field_name"));
    if (result.json_field.empty()) refuse(path, "credential_source.format has no subject_token_field_name");
  }
  return result;
}

ExternalAccountFile external_account(const Reader& in) {
  ExternalAccountFile result{.audience = in.required("audience"),
                             .subject_token_type = in.required("subject_token_type"),
                             .token_url = in.optional("token_url"),
                             .impersonation_url = in.optional("service_account_impersonation_url"),
                             .user_project = in.optional("workforce_pool_user_project"),
                             .client_id = in.optional("client_id"),
                             .client_secret = base::Secret(in.optional("client_secret")),
                             .source = subject_source(in.path, member(in.file, "credential_source"))};
  if (const auto seconds = number(member(in.file, "service_account_impersonation", "token_lifetime_seconds")))
    result.impersonation_lifetime = std::chrono::seconds(seconds);
  return result;
}

}  // namespace

CredentialFile parse_credential_file(const std::string& path, std::string_view text_of_file) {
  json::Value file;
  try {
    file = json::parse_value(text_of_file);
  } catch (const base::Error&) {
    refuse(path, "it is no JSON");  // not why: that would quote it
  }
  const Reader in{path, file};
  CredentialFile result{.path = path, .type = in.required("type"), .project = in.optional("project_id"), .content = {}};
  if (result.type == "service_account") {
    result.content = service_account(in);
  } else if (result.type == "authorized_user") {
    result.content = authorized_user(in);
  } else if (result.type == "external_account") {
    result.content = external_account(in);
  } else {
    refuse(path, "its type is not service_account, authorized_user or external_account");
  }
  return result;
}

CredentialFile read_credential_file(const std::string& path) { return parse_credential_file(path, read_file(path)); }

base::Secret read_token_file(const std::string& path) { return checked_token(path, trimmed(read_file(path))); }

std::string read_subject_file(const SubjectSource& source) { return read_file(source.file); }

base::Secret parse_subject_token(const SubjectSource& source, std::string_view text_of_source) {
  const std::string& path = source.file.empty() ? source.url : source.file;
  if (source.json_field.empty()) return checked_token(path, trimmed(text_of_source));
  json::Value value;
  try {
    value = json::parse_value(text_of_source);
  } catch (const base::Error&) {
    refuse(path, "it is no JSON");
  }
  return checked_token(path, text(member(value, source.json_field)));
}

}  // namespace slipway::google
