#include "google/credentials.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

#include "base/digest.h"
#include "google/json_reading.h"
#include "google/testing/fake_google.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using net::json_response;
using testing::FakeServer;
using testing::TemporaryFile;

// One RSA key for all tests: making one takes a while.
struct Key {
  Key() : pair(EVP_RSA_gen(2048), &EVP_PKEY_free) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_PrivateKey(out.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
    const char* data = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &data);
    pem.assign(data, std::size_t(size));
  }
  bool has_signed(std::string_view jwt) const {
    const auto dot = jwt.rfind('.');
    const auto signature = base::from_base64url(jwt.substr(dot + 1));
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    return signature && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, pair.get()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature->data()), signature->size(),
                            reinterpret_cast<const unsigned char*>(jwt.data()), dot) == 1;
  }
  static const Key& get() {
    static const Key key;
    return key;
  }
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair;
  std::string pem;
};

std::map<std::string, std::string> parse_form(const std::string& body) {
  net::Request request;
  net::set_target(request, "/?" + body);
  return {request.query.begin(), request.query.end()};
}

json::Value part(const std::string& jwt, int index) {
  std::string_view rest = jwt;
  for (; index > 0; --index) rest.remove_prefix(rest.find('.') + 1);
  return json::parse_value(*base::from_base64url(rest.substr(0, rest.find('.'))));
}

struct CredentialsTest : ::testing::Test {
  FakeServer server{[](const net::Request&) {
    return json_response(200, R"({"access_token":"ya29.given","expires_in":3599,"token_type":"Bearer"})");
  }};
  net::HttpClient http;
  testing::SetClock clock;

  std::string service_account(const std::string& token_uri) {
    return json::print_value(json::Object{{"type", "service_account"},
                                          {"project_id", "p"},
                                          {"private_key_id", "kid-1"},
                                          {"private_key", Key::get().pem},
                                          {"client_email", "hub@p.iam.gserviceaccount.com"},
                                          {"token_uri", token_uri}});
  }
  json::Object external(json::Object source) {
    return {{"type", "external_account"},
            {"audience", "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/w/providers/o"},
            {"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"},
            {"token_url", server.url() + "/v1/token"},
            {"credential_source", std::move(source)}};
  }
  std::string token(const std::string& file_text, const Endpoints& endpoints = {}) {
    const TemporaryFile file(file_text);
    return token(CredentialSettings{.kind = CredentialKind::file, .file = file.path()}, endpoints);
  }
  std::string token(const CredentialSettings& settings, const Endpoints& endpoints = {}) {
    try {
      return make_credentials(settings, endpoints, http, clock)->token().reveal();
    } catch (const base::Error& error) {
      said += std::string(error.what()) + json::print_value(error.details());
      return error.code();
    }
  }
  std::string said;  // by errors
};

// WP-20: a service account's key
TEST_F(CredentialsTest, AServiceAccountSignsAnAssertion) {
  EXPECT_EQ(token(service_account(server.url() + "/token")), "ya29.given");
  const auto seen = server.requests().at(0);
  EXPECT_EQ(seen.path, "/token");
  const auto form = parse_form(seen.body);
  EXPECT_EQ(form.at("grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
  const std::string& jwt = form.at("assertion");
  EXPECT_TRUE(Key::get().has_signed(jwt));
  EXPECT_EQ(json::print_value(part(jwt, 0)), R"({"alg":"RS256","typ":"JWT","kid":"kid-1"})");
  const auto claims = part(jwt, 1);
  EXPECT_EQ(text(member(claims, "iss")), "hub@p.iam.gserviceaccount.com");
  EXPECT_EQ(text(member(claims, "aud")), server.url() + "/token");
  EXPECT_EQ(text(member(claims, "scope")), "https://www.googleapis.com/auth/cloud-platform");
  EXPECT_EQ(number(member(claims, "exp")) - number(member(claims, "iat")), 3'600);
  EXPECT_LE(number(member(claims, "iat")), base::to_unix_ms(clock.now()) / 1'000);
}

TEST_F(CredentialsTest, TheTokenEndpointCanBeSet) {
  EXPECT_EQ(token(service_account("https://oauth2.googleapis.com/token"), {.oauth_token = server.url() + "/other"}),
            "ya29.given");
  EXPECT_EQ(server.requests().at(0).path, "/other");
}

TEST_F(CredentialsTest, ARefusalIsFinalWhateverItsCode) {
  server.set([](const net::Request&) {
    return json_response(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})");
  });
  EXPECT_EQ(token(service_account(server.url() + "/token")), "CREDENTIALS_REFUSED");
  EXPECT_EQ(server.count(), 1u);
  server.set([](const net::Request&) {
    return json_response(404, R"({"error":{"code":404,"message":"m","status":"NOT_FOUND"}})");
  });
  EXPECT_EQ(token(service_account(server.url() + "/token")), "CREDENTIALS_REFUSED");
}

TEST_F(CredentialsTest, WhatPassesIsTriedAgain) {
  server.set([this](const net::Request&) {
    return server.count() < 3 ? net::Response{503, {}, ""}
                              : json_response(200, R"({"access_token":"ya29.given","expires_in":3599})");
  });
  EXPECT_EQ(token(service_account(server.url() + "/token")), "ya29.given");
}

TEST_F(CredentialsTest, AnAnswerWithoutATokenIsNone) {
  for (const char* body : {"", "[]", R"({"access_token":"x"})", R"({"access_token":"","expires_in":3})",
                           R"({"access_token":"x","expires_in":-3})", R"({"id_token":"x","expires_in":3})"}) {
    server.set([=](const net::Request&) { return json_response(200, body); });
    EXPECT_EQ(token(service_account(server.url() + "/token")), "MALFORMED_ANSWER") << body;
  }
}

TEST_F(CredentialsTest, AUsersRefreshTokenIsExchanged) {
  EXPECT_EQ(token(R"({"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"})",
                  {.oauth_token = server.url() + "/token"}),
            "ya29.given");
  EXPECT_EQ(server.requests().at(0).body, "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=r");
}

// WP-20: the metadata server
TEST_F(CredentialsTest, TheMetadataServerIsAskedAsItWantsToBe) {
  server.set([](const net::Request&) {
    return net::Response{200, {{"Metadata-Flavor", "Google"}}, R"({"access_token":"ya29.meta","expires_in":3599})"};
  });
  const CredentialSettings settings{.kind = CredentialKind::metadata};
  EXPECT_EQ(token(settings, {.metadata = server.url()}), "ya29.meta");
  const auto seen = server.requests().at(0);
  EXPECT_EQ(seen.path, "/computeMetadata/v1/instance/service-accounts/default/token");
  EXPECT_EQ(seen.headers.get("Metadata-Flavor"), "Google");
  EXPECT_FALSE(seen.headers.get("X-Forwarded-For"));
}

TEST_F(CredentialsTest, WhoDoesNotSayItIsAMetadataServerIsNone) {
  EXPECT_EQ(token({.kind = CredentialKind::metadata}, {.metadata = server.url()}), "CREDENTIALS_REFUSED");
}

// WP-20: workload identity federation
TEST_F(CredentialsTest, ASubjectTokenOfAFileIsExchanged) {
  const TemporaryFile subject(R"({"jwt":"subject.token.x"})");
  const auto file =
      external({{"file", subject.path()}, {"format", {{"type", "json"}, {"subject_token_field_name", "jwt"}}}});
  EXPECT_EQ(token(json::print_value(file)), "ya29.given");
  const auto form = parse_form(server.requests().at(0).body);
  EXPECT_EQ(form.at("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
  EXPECT_EQ(form.at("subject_token"), "subject.token.x");
  EXPECT_EQ(form.at("subject_token_type"), "urn:ietf:params:oauth:token-type:jwt");
  EXPECT_EQ(form.at("requested_token_type"), "urn:ietf:params:oauth:token-type:access_token");
  EXPECT_EQ(form.at("scope"), "https://www.googleapis.com/auth/cloud-platform");
}

TEST_F(CredentialsTest, ASubjectTokenOfAUrlIsExchangedAndAServiceAccountImpersonated) {
  server.set([this](const net::Request& request) {
    if (request.path == "/subject") return net::Response{200, {}, "subject.token.x\n"};
    if (request.path == "/v1/token") return json_response(200, R"({"access_token":"federated","expires_in":3599})");
    return json_response(200, R"({"accessToken":"ya29.impersonated","expireTime":")" +
                                  base::format_rfc3339(clock.now() + 10min) + R"("})");
  });
  json::Object file = external({{"url", server.url() + "/subject?audience=x"}, {"headers", {{"X-Who", "me"}}}});
  file["service_account_impersonation_url"] =
      "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p:generateAccessToken";
  file["service_account_impersonation"] = {{"token_lifetime_seconds", 600}};
  EXPECT_EQ(token(json::print_value(file), {.iam_credentials = server.url()}), "ya29.impersonated");
  const auto seen = server.requests();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].headers.get("X-Who"), "me");
  EXPECT_EQ(parse_form(seen[1].body).at("subject_token"), "subject.token.x");
  EXPECT_EQ(seen[2].path, "/v1/projects/-/serviceAccounts/a@p:generateAccessToken");
  EXPECT_EQ(seen[2].headers.get("Authorization"), "Bearer federated");
  EXPECT_EQ(seen[2].body, R"({"scope":["https://www.googleapis.com/auth/cloud-platform"],"lifetime":"600s"})");
}

TEST_F(CredentialsTest, ATokenFileIsReadAgainEachTime) {
  const TemporaryFile file("first\n");
  const auto tokens = make_credentials({.kind = CredentialKind::access_token, .file = file.path()}, {}, http, clock);
  EXPECT_EQ(tokens->token().reveal(), "first");
  file.write("second");
  EXPECT_EQ(tokens->token().reveal(), "second");
}

TEST_F(CredentialsTest, FilesThatCannotBeUsedAreRefusedAtOnceAndNotQuoted) {
  const std::string canary = "CANARY-secret-CANARY";
  json::Object bad_key = json::parse_value(service_account("https://x/token")).as_object();
  bad_key["private_key"] = canary;
  json::Object no_email = json::parse_value(service_account("https://x/token")).as_object();
  no_email.erase("client_email");
  const std::vector<std::string> texts{canary,
                                       "{\"" + canary,
                                       "[]",
                                       "{}",
                                       R"({"type":"CANARY"})",
                                       json::print_value(bad_key),
                                       json::print_value(no_email),
                                       json::print_value(external({{"environment_id", canary}})),
                                       json::print_value(external({{"executable", {{"command", canary}}}})),
                                       json::print_value(external({{"file", "/f"}, {"format", {{"type", "json"}}}}))};
  for (const auto& text : texts) EXPECT_EQ(token(text), "CREDENTIALS_INVALID") << text;
  EXPECT_EQ(token({.kind = CredentialKind::file, .file = "/no/such/file"}), "CREDENTIALS_INVALID");
  EXPECT_FALSE(said.contains("CANARY")) << said;
}

// WP-21
TEST_F(CredentialsTest, NoTokenIsAskedForInClearText) {
  EXPECT_EQ(token(service_account("http://tokens.example.com/token")), "VALIDATION_ERROR");
  json::Object file = external({{"file", "/f"}});
  file["token_url"] = "http://sts.example.com/v1/token";
  EXPECT_EQ(token(json::print_value(file)), "VALIDATION_ERROR");
  EXPECT_EQ(token(json::print_value(external({{"url", "http://subjects.example.com/"}}))), "VALIDATION_ERROR");
}

// WP-20: whatever a token endpoint answers, no secret of ours or of it comes into a text
TEST_F(CredentialsTest, SecretsAppearInNoError) {
  const TemporaryFile subject("eyJzdWJqZWN0LWNhbmFyeS1jYW5hcnk");
  for (const int status : {200, 302, 400, 401, 500})
    for (const bool is_oauth : {true, false}) {
      server.set([=](const net::Request& request) {
        const std::string echo = request.body + " ya29.canary-canary-canary";
        return is_oauth ? json_response(status, json::print_value(json::Object{{"error", "invalid_request"},
                                                                               {"error_description", echo}}))
                        : net::Response{status, {}, echo};
      });
      token(service_account(server.url() + "/token"));
      token(json::print_value(external({{"file", subject.path()}})));
      token(R"({"type":"authorized_user","client_id":"c","client_secret":"GOCSPX-canary-canary",)"
            R"("refresh_token":"1//canary-canary-canary"})",
            {.oauth_token = server.url() + "/token"});
    }
  for (const char* secret : {"canary", "eyJ", "PRIVATE"}) EXPECT_FALSE(said.contains(secret)) << said;
}

TEST_F(CredentialsTest, ASummaryHoldsNoSecret) {
  const TemporaryFile file(service_account("https://oauth2.googleapis.com/token"));
  const auto summary = summarize({.kind = CredentialKind::file, .file = file.path()});
  EXPECT_EQ(summary.kind, "service_account");
  EXPECT_EQ(summary.account, "hub@p.iam.gserviceaccount.com");
  EXPECT_EQ(summary.project, "p");
  EXPECT_FALSE(json::print(summary).contains("PRIVATE"));
}

// What `automatic` finds: the tests' own environment must not decide.
class AutomaticCredentials : public CredentialsTest {
 protected:
  void SetUp() override {
    ::unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
    ::setenv("CLOUDSDK_CONFIG", "/no/such/folder", 1);
    ::setenv("GCE_METADATA_HOST", server.url().substr(7).c_str(), 1);
  }
  void TearDown() override {
    for (const char* name : {"GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST"})
      ::unsetenv(name);
  }
};

TEST_F(AutomaticCredentials, AreThoseOfTheEnvironmentElseOfTheMachine) {
  server.set([](const net::Request& request) {
    const bool is_metadata = request.path.starts_with("/computeMetadata");
    return net::Response{
        200,
        {{"Metadata-Flavor", "Google"}},
        is_metadata ? R"({"access_token":"meta","expires_in":3599})" : R"({"access_token":"key","expires_in":3599})"};
  });
  EXPECT_EQ(token(CredentialSettings()), "meta");
  const TemporaryFile file(service_account(server.url() + "/token"));
  ::setenv("GOOGLE_APPLICATION_CREDENTIALS", file.path().c_str(), 1);
  EXPECT_EQ(token(CredentialSettings()), "key");
}

// WP-21
TEST(Endpoints, MayBePlainHttpOnlyOnThisMachine) {
  EXPECT_EQ(checked_endpoint("e", "https://x.example.com/"), "https://x.example.com");
  for (const char* local : {"http://127.0.0.1:80", "http://localhost:1", "http://[::1]:2"})
    EXPECT_EQ(checked_endpoint("e", local), local);
  EXPECT_THROW(checked_endpoint("e", "http://10.0.0.1"), base::Error);
  EXPECT_EQ(checked_endpoint("e", "http://10.0.0.1", PlainHttp::anywhere), "http://10.0.0.1");
  for (const char* bad : {"", "x", "ftp://127.0.0.1", "https://u:p@x", "https://x/#f", "https://x/?q", "localhost:80"})
    EXPECT_THROW(checked_endpoint("e", bad, PlainHttp::anywhere), base::Error) << bad;
  EXPECT_EQ(checked_metadata_server("metadata.google.internal"), "http://metadata.google.internal");
  EXPECT_EQ(checked_metadata_server("169.254.169.254:80"), "http://169.254.169.254:80");
  EXPECT_THROW(checked_metadata_server("metadata.example.com"), base::Error);
}

}  // namespace
}  // namespace slipway::google
