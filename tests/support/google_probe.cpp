// The clients of src/google/ as a program, for tests that stand other people's servers and libraries against them: one
// JSON order a line on standard input, one JSON answer a line on standard output.
//
//   {"do":"open","credentials":{…},"endpoints":{…}}   what the next orders use
//   {"do":"token"}  {"do":"reject","token":…}  {"do":"verify","token":…,"audience":…,"jwks_url":…,"issuers":[…]}
//   {"do":"create","config":…,"id":…,"workstation":{…}}  and so on: see kOrders
//
// An answer is {"result":…} or {"error":{"code","class","message","retry_after_ms"}}.

#include <functional>
#include <iostream>
#include <map>
#include <memory>

#include "google/api_client.h"
#include "google/credentials.h"
#include "google/oidc_verifier.h"
#include "google/workstations_client.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

struct Settings {
  CredentialSettings credentials;
  Endpoints endpoints;
};
SLIPWAY_JSON_SNAKE(Settings, credentials, endpoints)

struct Probe {
  void open(Settings given) {
    check_endpoints(given.endpoints);
    tokens = make_credentials(given.credentials, given.endpoints, http, clock);
    api = std::make_unique<ApiClient>(http, *tokens, clock, metrics, ApiClientOptions{.user_agent = "slipway-probe"});
    client = std::make_unique<WorkstationsClient>(*api, given.endpoints.workstations);
  }

  base::SystemClock clock;
  observe::Registry metrics;
  net::HttpClient http;
  std::unique_ptr<TokenSource> tokens;
  std::unique_ptr<ApiClient> api;
  std::unique_ptr<WorkstationsClient> client;
};

std::string text(const json::Value& order, const char* name) {
  const auto* found = order.as_object().if_contains(name);
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

template <class T>
T part(const json::Value& order, const char* name) {
  const auto* found = order.as_object().if_contains(name);
  return found ? json::from_value<T>(*found, json::Mode::lenient) : T();
}

// Until it is done; its failure is thrown.
json::Value follow(Probe& probe, Operation operation) {
  while (!operation.done) operation = probe.client->operations().get(operation.name);
  throw_if_failed(operation);
  return operation.response;
}

json::Value verify(Probe& probe, const json::Value& order) {
  OidcSettings settings{
      .audience = text(order, "audience"), .jwks_url = text(order, "jwks_url"), .email = text(order, "email")};
  if (const auto issuers = part<std::vector<std::string>>(order, "issuers"); !issuers.empty())
    settings.issuers = {issuers.begin(), issuers.end()};
  return OidcVerifier(settings, probe.http, probe.clock).verify(text(order, "token")).all;
}

json::Value access(Probe& probe, const json::Value& order) {
  const auto access = probe.client->generate_access_token(text(order, "name"), base::Duration(600'000));
  return json::Object{{"token", access.token.reveal()}, {"expires_at", base::format_rfc3339(access.expires_at)}};
}

json::Value find(Probe& probe, const json::Value& order) {
  const auto found = probe.client->find_workstation(text(order, "name"));
  return found ? json::to_value(*found) : json::Value(nullptr);
}

json::Value list(Probe& probe, const json::Value& order) {
  ListOptions options;
  options.page_size = 2;
  json::Array names;
  for (const auto& one : probe.client->list_workstations(text(order, "config"), options).items)
    names.emplace_back(one.name);
  return names;
}

using Order = std::function<json::Value(Probe&, const json::Value&)>;

const std::map<std::string, Order> kOrders{
    {"open", [](Probe& p,
                const json::Value& o) { return p.open(json::from_value<Settings>(o, json::Mode::lenient)), nullptr; }},
    {"token", [](Probe& p, const json::Value&) { return json::Value(std::string_view(p.tokens->token().reveal())); }},
    {"reject",
     [](Probe& p, const json::Value& o) { return p.tokens->reject(base::Secret(text(o, "token"))), nullptr; }},
    {"verify", verify},
    {"create_config",
     [](Probe& p, const json::Value& o) {
       return follow(p,
                     p.client->create_config(text(o, "cluster"), text(o, "id"), part<WorkstationConfig>(o, "config")));
     }},
    {"get_config",
     [](Probe& p, const json::Value& o) { return json::to_value(p.client->get_config(text(o, "name"))); }},
    {"get_cluster",
     [](Probe& p, const json::Value& o) { return json::to_value(p.client->get_cluster(text(o, "name"))); }},
    {"create",
     [](Probe& p, const json::Value& o) {
       return follow(
           p, p.client->create_workstation(text(o, "config"), text(o, "id"), part<Workstation>(o, "workstation")));
     }},
    {"start", [](Probe& p, const json::Value& o) { return follow(p, p.client->start_workstation(text(o, "name"))); }},
    {"stop",
     [](Probe& p, const json::Value& o) {
       return follow(p, p.client->stop_workstation(text(o, "name"), text(o, "etag")));
     }},
    {"remove", [](Probe& p, const json::Value& o) { return follow(p, p.client->remove_workstation(text(o, "name"))); }},
    {"find", find},
    {"list", list},
    {"access", access},
};

json::Value obey(Probe& probe, const std::string& line) {
  try {
    const json::Value order = json::parse_value(line);
    return json::Object{{"result", kOrders.at(text(order, "do"))(probe, order)}};
  } catch (const std::exception&) {
    const auto error = base::as_error(std::current_exception());
    json::Object told{{"code", error.code()},
                      {"class", boost::describe::enum_to_string(error.error_class(), "")},
                      {"message", error.message()}};
    if (error.retry_after()) told["retry_after_ms"] = error.retry_after()->count();
    return json::Object{{"error", std::move(told)}};
  }
}

}  // namespace
}  // namespace slipway::google

int main() {
  slipway::google::Probe probe;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << slipway::json::print_value(slipway::google::obey(probe, line)) << std::endl;
}
