#include "api/cors.h"

#include <algorithm>

#include "base/error.h"

namespace slipway::api {
namespace {

constexpr std::string_view kMethods = "GET, HEAD, POST, PUT, PATCH, DELETE";
constexpr std::string_view kRequestHeaders =
    "Authorization, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, "
    "X-Request-Id, traceparent, tracestate";
constexpr std::string_view kAnswerHeaders =
    "ETag, Link, Location, Retry-After, X-Request-Id, Idempotent-Replayed, Preference-Applied, RateLimit, "
    "RateLimit-Policy";
constexpr std::string_view kPreflightKept = "600";  // seconds; browsers keep no longer than two hours anyway

// scheme://host[:port], and nothing after it.
bool is_origin(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (text.starts_with(scheme)) return text.find_first_of("/ ?#@*", scheme.size()) == std::string_view::npos;
  return false;
}

}  // namespace

Cors::Cors(std::vector<std::string> origins) : origins_(std::move(origins)) {
  for (const auto& origin : origins_)
    if (origin != "*" && !is_origin(origin))
      throw base::validation_error("cors-origin",
                                   "'" + origin + "' is not an origin such as https://portal.example.com");
}

bool Cors::allows(std::string_view origin) const {
  return std::ranges::any_of(origins_, [&](const auto& allowed) { return allowed == "*" || allowed == origin; });
}

bool Cors::is_preflight(const net::Request& request) const {
  return !origins_.empty() && request.method == net::Method::options && request.headers.get("Origin") &&
         request.headers.get("Access-Control-Request-Method");
}

net::Response Cors::answer_preflight(const net::Request& request) const {
  net::Response answer{.status = 204, .headers = {}, .body = {}};
  if (allows(request.headers.get("Origin").value_or(""))) {
    answer.headers.set("Access-Control-Allow-Methods", kMethods);
    answer.headers.set("Access-Control-Allow-Headers", kRequestHeaders);
    answer.headers.set("Access-Control-Max-Age", kPreflightKept);
  }
  return answer;
}

void Cors::set_fields(net::Headers& headers, const net::Request& request) const {
  if (origins_.empty()) return;
  headers.add("Vary", "Origin");
  const auto origin = request.headers.get("Origin");
  if (!origin || !allows(*origin)) return;
  headers.set("Access-Control-Allow-Origin", *origin);
  headers.set("Access-Control-Expose-Headers", kAnswerHeaders);
}

}  // namespace slipway::api
