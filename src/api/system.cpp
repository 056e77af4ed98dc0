// What operators and their tools ask: health, metrics, which providers there are.

#include "api/query.h"
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

struct HealthView {
  std::string status;
  std::string version;
};
SLIPWAY_JSON_SNAKE(HealthView, status, version)

// Healthy: reads are answered and writes are not known to fail.
Answer health(Call& call) {
  co_await read(call.hub, [](store::Transaction& tx) { tx.query("SELECT 1"); });
  if (!call.hub.database.statistics().healthy)
    throw base::Error(base::ErrorClass::transient, "STORE_UNAVAILABLE", "the store cannot be written");
  co_return call.success(200, json::to_value(HealthView{"ok", call.hub.version}));
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
  parse_query<NoQuery>(call);
  json::Array items;
  for (const auto& [name, provider] : call.hub.workflows.providers.all())
    items.push_back(json::to_value(ProviderView{name, {provider->default_zone()}, provider->machine_types()}));
  const auto count = std::int64_t(items.size());
  co_return list(call.meta(), std::move(items), {.total = count, .page_size = count});
}

}  // namespace

void add_system_routes(Router& router) {
  router.add(net::Method::get, "/health", Permission::open, health,
             {.id = "getHealth",
              .tag = "System",
              .summary = "Whether this replica serves: its store can be read and written",
              .answer = one<HealthView>()});
  router.add(net::Method::get, "/metrics", Permission::open, open_metrics,
             {.id = "getPrometheusMetrics",
              .tag = "System",
              .summary = "Metrics of this replica, as Prometheus reads them",
              .description = "Needs a key, unless the operator opened it.",
              .answer = answer_of(AnswerShape::text),
              .errors = {401}});
  router.add(net::Method::get, "/v1/providers", Permission::member, list_providers,
             {.id = "listProviders",
              .tag = "System",
              .summary = "Where machines can be made, and of which types",
              .answer = page_of<ProviderView>()});
}

}  // namespace slipway::api
