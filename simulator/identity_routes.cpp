// OAuth token endpoint, security token service, IAM credentials, key documents, and the metadata server.

#include "simulator/router.h"

namespace slipway::simulator {

namespace {

constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::string_view kTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr std::string_view kAccessTokenType = "urn:ietf:params:oauth:token-type:access_token";

// application/x-www-form-urlencoded; some clients send JSON instead, and Google takes both.
std::map<std::string, std::string> read_form(const net::Request& request) {
  std::map<std::string, std::string> form;
  if (request.body.starts_with('{')) {
    const json::Value body = json::parse_value(request.body);
    for (const auto& [key, value] : body.get_object()) {
      if (value.is_string()) form[key] = value.get_string();
    }
    return form;
  }
  net::Request parsed;
  std::string encoded = request.body;
  for (char& c : encoded) {
    if (c == '+') c = ' ';
  }
  for (std::size_t at = 0; at < encoded.size();) {
    const std::size_t end = std::min(encoded.find('&', at), encoded.size());
    const std::string_view pair = std::string_view(encoded).substr(at, end - at);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto key = net::percent_decode(pair.substr(0, equals));
    const auto value = net::percent_decode(pair.substr(std::min(equals + 1, pair.size())));
    if (key && value) form[*key] = *value;
    at = end + 1;
  }
  return form;
}

Answer oauth_failure(const OAuthFailure& failure) {
  return {.status = 400, .body = json::Object{{"error", failure.error}, {"error_description", failure.description}}};
}

// RFC 7523.
Answer token(Call& call) try {
  const auto form = read_form(call.request);
  const auto grant = form.find("grant_type");
  if (grant == form.end() || grant->second != kJwtBearer)
    throw OAuthFailure{"unsupported_grant_type", "Invalid grant_type: " + (grant == form.end() ? "" : grant->second)};
  const auto assertion = form.find("assertion");
  if (assertion == form.end()) throw OAuthFailure{"invalid_request", "Missing parameter: assertion"};
  const Identity& identity = call.world.identity;
  const json::Object claims =
      identity.check_assertion(assertion->second, call.world.base_url + "/token", call.world.now());
  if (const json::Value* audience = claims.if_contains("target_audience")) {
    const std::string text(audience->as_string());
    return {.body = json::Object{{"id_token", identity.identity_token(identity.service_account(), text, call.now)}}};
  }
  const Principal principal{identity.service_account()};
  return {.body = json::Object{{"access_token", identity.access_token(principal, call.now, identity.token_lifetime())},
                               {"expires_in", identity.token_lifetime().count()},
                               {"token_type", "Bearer"}}};
} catch (const OAuthFailure& failure) {
  return oauth_failure(failure);
}

// RFC 8693.
Answer exchange(Call& call) try {
  auto form = read_form(call.request);
  const Identity& identity = call.world.identity;
  const auto text = [&](const char* snake, const char* camel) {
    return form[snake].empty() ? form[camel] : form[snake];
  };
  if (text("grant_type", "grantType") != kTokenExchange)
    throw OAuthFailure{"unsupported_grant_type", "Invalid grant_type."};
  if (form["audience"] != identity.pool_audience())
    throw OAuthFailure{"invalid_target",
                       "The target service indicated by the \"audience\" parameters is invalid. This "
                       "might either be because the pool or provider is disabled or deleted or "
                       "because it doesn't exist."};
  identity.check_subject_token(text("subject_token", "subjectToken"), call.now);
  const Principal principal{"principal://iam.googleapis.com/subject/hub", true};
  return {.body = json::Object{{"access_token", identity.access_token(principal, call.now, identity.token_lifetime())},
                               {"issued_token_type", kAccessTokenType},
                               {"token_type", "Bearer"},
                               {"expires_in", identity.token_lifetime().count()}}};
} catch (const OAuthFailure& failure) {
  return oauth_failure(failure);
}

// Google's client library for Python reads no fractions here.
std::string whole_seconds(base::Instant at) {
  std::string text = base::format_rfc3339(at);
  return text.erase(text.find('.')) + "Z";
}

void check_known_account(const Call& call) {
  if (call["account"] != call.world.identity.service_account())
    throw permission_denied("iam.serviceAccounts.getAccessToken", "projects/-/serviceAccounts/" + call["account"],
                            "iam");
}

Answer generate_access_token(Call& call) {
  check_known_account(call);
  const json::Value body = call.body();
  std::chrono::seconds lifetime = call.world.identity.token_lifetime();
  if (const json::Value* asked = body.get_object().if_contains("lifetime"); asked && asked->is_string())
    lifetime = std::min(lifetime, std::chrono::seconds(std::atoll(std::string(asked->get_string()).c_str())));
  return {.body = json::Object{{"accessToken", call.world.identity.access_token({call["account"]}, call.now, lifetime)},
                               {"expireTime", whole_seconds(call.now + lifetime)}}};
}

Answer generate_id_token(Call& call) {
  check_known_account(call);
  const json::Value body = call.body();
  const json::Value* audience = body.get_object().if_contains("audience");
  if (!audience || !audience->is_string()) throw invalid_argument("audience", "must be set");
  return {.body = json::Object{{"token", call.world.identity.identity_token(
                                             call["account"], std::string(audience->get_string()), call.now)}}};
}

// ---- the metadata server

Answer as_text(std::string text) { return {.text = std::move(text)}; }

Answer metadata(Call& call) {
  const Identity& identity = call.world.identity;
  const std::string zone = call.world.options.region + "-b";
  const std::string path = call.request.path.substr(std::string_view("/computeMetadata/v1").size());
  const std::string account = "/instance/service-accounts/";
  const bool recursive = call.query_flag("recursive");
  if (path == "/project/project-id") return as_text(identity.project());
  if (path == "/project/numeric-project-id") return as_text(identity.project_number());
  if (path == "/instance/zone") return as_text("projects/" + identity.project_number() + "/zones/" + zone);
  if (path == "/instance/id") return as_text("4242424242424242424");
  if (path == "/instance/name") return as_text("hub");
  if (path == "/universe/universe-domain" || path == "/universe/universe_domain") return as_text("googleapis.com");
  if (path == "/instance" || path == "/instance/" || path == "" || path == "/")
    return as_text(path.starts_with("/instance") ? "id\nname\nservice-accounts/\nzone\n" : "instance/\nproject/\n");
  if (!path.starts_with(account) && path + "/" != account) throw not_found(call.request.path);
  const std::string rest = path.size() > account.size() ? path.substr(account.size()) : "";
  if (rest.empty()) return as_text("default/\n" + identity.service_account() + "/\n");
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string who = rest.substr(0, slash);
  const std::string what = rest.substr(std::min(slash + 1, rest.size()));
  if (who != "default" && who != identity.service_account()) throw not_found(call.request.path);
  const std::string scope = "https://www.googleapis.com/auth/cloud-platform";
  if (what.empty() && recursive)
    return {.body = json::Object{{"aliases", json::Array{"default"}},
                                 {"email", identity.service_account()},
                                 {"scopes", json::Array{json::Value(scope)}}}};
  if (what.empty()) return as_text("aliases\nemail\nidentity\nscopes\ntoken\n");
  if (what == "email") return as_text(identity.service_account());
  if (what == "scopes") return as_text(scope + "\n");
  if (what == "token") {
    const auto lifetime = identity.token_lifetime();
    return {.body =
                json::Object{{"access_token", identity.access_token({identity.service_account()}, call.now, lifetime)},
                             {"expires_in", lifetime.count()},
                             {"token_type", "Bearer"}}};
  }
  if (what == "identity") {
    const std::string audience = call.query("audience");
    if (audience.empty()) throw Failure(Code::invalid_argument, "non-empty audience parameter required");
    json::Object further;
    if (call.query("format") == "full")
      further["google"] =
          json::Object{{"compute_engine", json::Object{{"project_id", identity.project()},
                                                       {"project_number", std::stoll(identity.project_number())},
                                                       {"zone", zone},
                                                       {"instance_id", "4242424242424242424"},
                                                       {"instance_name", "hub"}}}};
    return as_text(identity.identity_token(identity.service_account(), audience, call.now, std::move(further)));
  }
  throw not_found(call.request.path);
}

}  // namespace

void add_identity_routes(Router& router) {
  const auto add = [&](std::string method, std::string pattern, std::string service, std::string call, Access access,
                       Route::Handler handler) {
    router.add({.method = std::move(method),
                .pattern = std::move(pattern),
                .service = std::move(service),
                .call = std::move(call),
                .access = access,
                .handler = std::move(handler)});
  };
  add("POST", "/token", "oauth", "oauth.token", Access::open, token);
  add("POST", "/oauth2/v4/token", "oauth", "oauth.token", Access::open, token);
  add("GET", "/oauth2/v3/certs", "oauth", "oauth.certs", Access::open, [](Call& call) -> Answer {
    return {.body = call.world.identity.jwks(), .headers = {{"Cache-Control", "public, max-age=20000"}}};
  });
  add("POST", "/v1/token", "sts", "sts.exchange", Access::open, exchange);
  add("POST", "/v1/projects/{any}/serviceAccounts/{account}:generateAccessToken", "iamcredentials",
      "iamcredentials.generateAccessToken", Access::bearer, generate_access_token);
  add("POST", "/v1/projects/{any}/serviceAccounts/{account}:generateIdToken", "iamcredentials",
      "iamcredentials.generateIdToken", Access::bearer, generate_id_token);
  add("GET", "/computeMetadata/v1/{rest*}", "metadata", "metadata.get", Access::metadata, metadata);
}

}  // namespace slipway::simulator
