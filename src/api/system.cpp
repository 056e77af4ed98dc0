// What operators and their tools ask: health, metrics, which providers there are.

#include "api/routes.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

struct ProviderView {
  std::string name;
  std::vector<std::string> zones;
  std::vector<providers::MachineType> machine_types;
};
SLIPWAY_JSON_SNAKE(ProviderView, name, zones, machine_types)

// Healthy: reads are answered and writes are not known to fail.
Answer health(Call& call) {
  co_await read(call.hub, [](store::Transaction& tx) { tx.query("SELECT 1"); });
  if (!call.hub.database.statistics().healthy)
    throw base::Error(base::ErrorClass::transient, "STORE_UNAVAILABLE", "the store cannot be written");
  co_return call.success(200, json::Object{{"status", "ok"}, {"version", call.hub.version}});
}

Answer metrics(Call& call) {
  net::Response answer{.status = 200, .headers = {}, .body = call.hub.metrics.expose()};
  answer.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  answer.headers.set("X-Request-Id", call.request_id);
  co_return answer;
}

// A scraper without a key is let in only where the operator said so.
Answer open_metrics(Call& call) {
  if (!call.caller && !call.hub.open_metrics)
    throw base::Error(base::ErrorClass::user, "UNAUTHORIZED", "an API key is needed: Authorization: Bearer slk_…");
  return metrics(call);
}

Answer list_providers(Call& call) {
  expect_query(call, {});
  json::Array items;
  for (const auto& [name, provider] : call.hub.workflows.providers.all())
    items.push_back(json::to_value(ProviderView{name, {provider->default_zone()}, provider->machine_types()}));
  const auto count = std::int64_t(items.size());
  co_return list(call.meta(), std::move(items), {.total = count, .page_size = count});
}

}  // namespace

void add_system_routes(Router& router) {
  router.add(net::Method::get, "/health", Permission::open, health);
  router.add(net::Method::get, "/metrics", Permission::open, open_metrics);
  router.add(net::Method::get, "/v1/providers", Permission::member, list_providers);
}

}  // namespace slipway::api
