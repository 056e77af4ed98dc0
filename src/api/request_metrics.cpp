#include "api/request_metrics.h"

namespace slipway::api {

RequestMetrics::Handles& RequestMetrics::handles(const std::string& route, net::Method method, int status) {
  if (const auto found = handles_.find(KeyView{route, method, status}); found != handles_.end()) return found->second;
  const Handles made{
      registry_.counter(
          "slipway_http_requests_total", "Requests answered.",
          {{"route", route}, {"method", std::string(net::to_string(method))}, {"status", std::to_string(status)}}),
      registry_.histogram("slipway_http_request_duration_seconds", "From the request's head to its answer.",
                          observe::latency_buckets(), {{"route", route}})};
  return handles_.emplace(Key{route, method, status}, made).first->second;
}

void RequestMetrics::count(const std::string& route, net::Method method, int status,
                           std::optional<base::Duration> took) {
  auto& found = handles(route, method, status);
  found.requests.increment();
  if (took) found.duration.observe(double(took->count()) / 1'000.0);
}

}  // namespace slipway::api
