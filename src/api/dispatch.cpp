#include "api/dispatch.h"

#include "base/digest.h"
#include "observe/span_exporter.h"

namespace slipway::api {
namespace {

constexpr std::string_view kAgentRoute = "/v1/agent/connect";
constexpr std::string_view kUnknownRoute = "unknown";
constexpr std::string_view kPages = "pages";

// At once, of those beyond the usual size: with 64 MiB each they hold a gigabyte.
constexpr std::size_t kLargeBodiesMax = 16;
constexpr base::Duration kLargeBodyRetry = std::chrono::seconds(2);

base::Error unauthorized(std::string message) {
  return base::Error(base::ErrorClass::user, "UNAUTHORIZED", std::move(message));
}

base::Error too_many(std::string message, base::Duration retry_after) {
  return base::Error(base::ErrorClass::throttled, "RATE_LIMITED", std::move(message)).with_retry_after(retry_after);
}

std::optional<base::TraceContext> trace_of(const net::Request& request) {
  const auto parent = request.headers.get("traceparent");
  if (!parent) return std::nullopt;
  return base::parse_trace(*parent, request.headers.get("tracestate").value_or(""));
}

std::string allow_header(const std::vector<net::Method>& methods) {
  std::string text;
  for (const auto method : methods) text += (text.empty() ? "" : ", ") + std::string(net::to_string(method));
  return text;
}

std::string accept_of(const net::Request& request) { return std::string(request.headers.get("Accept").value_or("")); }

// Ours, unless the caller sent one that is safe to echo and log.
std::string request_id_of(Hub& hub, const net::Request& request) {
  constexpr std::size_t kMax = 100;
  const auto sent = request.headers.get("X-Request-Id");
  if (sent && !sent->empty() && sent->size() <= kMax &&
      sent->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
          std::string_view::npos)
    return std::string(*sent);
  return hub.ids.make("req_");
}

}  // namespace

Dispatcher::Dispatcher(Hub& hub, const Router& router, const net::StaticFiles* pages, DispatchOptions options)
    : hub_(hub),
      router_(router),
      pages_(pages),
      cors_(std::move(options.cors)),
      rates_(options.rate),
      embedded_key_(fleet::embedded_daemon_key(hub.sealer)),
      metrics_(hub.metrics) {}

net::Awaitable<void> Dispatcher::handle(net::Exchange& exchange) {
  const net::Request& request = exchange.request();
  const auto began = hub_.clock.now();
  Outgoing outgoing(exchange, hub_);
  cors_.set_fields(outgoing.headers(), request);
  Call call{.hub = hub_,
            .exchange = outgoing,
            .request = request,
            .request_id = request_id_of(hub_, request),
            .trace = trace_of(request),
            .route = std::string(kUnknownRoute),
            .parameters = {},
            .caller = {}};
  std::optional<net::Response> response;
  std::optional<base::Error> error;
  try {
    response = co_await answer(call, outgoing);
  } catch (...) {
    error = base::as_error(std::current_exception());
  }
  const bool streamed = !response && !error;
  int status = 200;
  if (error) {
    if (http_status(*error) >= 500)
      hub_.log.error("a request failed", *error, {{"request", call.request_id}, {"route", call.route}});
    count_refused(*error);
    if (error->code() == "FORBIDDEN" && call.caller) denied_.note(call);
    response = failure(call.meta(), *error, accept_of(request));
    if (const auto* allowed = error->details().if_object(); allowed != nullptr && error->code() == "METHOD_NOT_ALLOWED")
      response->headers.set("Allow", std::string_view(allowed->at("allow").as_string()));
  }
  if (response) status = response->status;
  if (response && !exchange.answered()) co_await outgoing.respond(std::move(*response));
  record(call, status, streamed ? std::nullopt : std::optional(hub_.clock.now() - began));
}

net::Awaitable<std::optional<net::Response>> Dispatcher::answer(Call& call, Outgoing& outgoing) {
  // The socket that is bound into sandboxes is for their agents and nothing else.
  if (call.request.local_socket && call.request.path != kAgentRoute) throw base::not_found("route", call.request.path);
  if (cors_.is_preflight(call.request)) co_return cors_.answer_preflight(call.request);
  auto match = router_.match(call.request);
  if (match.route == nullptr) {
    if (pages_ != nullptr && match.allowed.empty()) {
      if (auto page = pages_->answer(call.request)) {
        call.route = kPages;
        outgoing.keep_in(packed_pages_);
        co_return page;
      }
    }
    // Who has no key learns nothing of what routes there are.
    co_await authenticate(call, Permission::member);
    admit(call, outgoing);
    if (match.allowed.empty()) throw base::not_found("route", call.request.path);
    throw base::Error(base::ErrorClass::user, "METHOD_NOT_ALLOWED", "this route knows other methods only",
                      json::Object{{"allow", allow_header(match.allowed)}});
  }
  call.route = match.route->pattern;
  call.parameters = std::move(match.parameters);
  co_await authenticate(call, match.route->permission);
  admit(call, outgoing);
  const auto& body = match.route->operation.body;
  if (body.schema != nullptr && body.required && call.request.body.empty())
    throw base::validation_error("body", "is required");
  co_return co_await match.route->handler(call);
}

// Throws UNAUTHORIZED, unless nobody needs to be known.
net::Awaitable<Dispatcher::Identity> Dispatcher::identify(const net::Request& request, Permission permission) {
  const auto header = request.headers.get("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  const bool has_key = header && header->starts_with(std::string(kScheme) + std::string(fleet::kKeyPrefix));
  Identity identity;
  if (has_key) {
    const base::Secret shown{std::string(header->substr(kScheme.size()))};
    const std::string hash = fleet::hash_of(shown);
    auto key = hub_.key_cache.find(hash, hub_.clock.now());
    if (!key) key = co_await find_key(hash);
    if (key) identity.caller = Caller{key->user_id, key->user_name, key->role, key->id.str()};
  }
  if (permission == Permission::open) co_return identity;
  if (permission == Permission::daemon || permission == Permission::admin_or_daemon) {
    if (!identity.caller) identity.daemon = co_await identify_daemon(request);
    if (identity.daemon) co_return identity;
    if (permission == Permission::daemon)
      throw unauthorized("a daemon key is needed: Authorization: Bearer sld_…, made by `slipway daemons keys create`");
  }
  if (!identity.caller)
    throw unauthorized(has_key ? "this API key is not known" : "an API key is needed: Authorization: Bearer slk_…");
  co_return identity;
}

net::Awaitable<std::optional<fleet::DaemonKey>> Dispatcher::identify_daemon(const net::Request& request) {
  const auto header = request.headers.get("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (!header || !header->starts_with(std::string(kScheme) + std::string(fleet::kDaemonKeyPrefix)))
    co_return std::nullopt;
  const base::Secret shown{std::string(header->substr(kScheme.size()))};
  if (base::equal_in_constant_time(shown.reveal(), embedded_key_.reveal())) co_return fleet::embedded_daemon();
  const std::string hash = fleet::hash_of(shown);
  const auto asked_at = hub_.clock.now();
  auto key = hub_.daemon_key_cache.find(hash, asked_at);
  if (!key) {
    const auto generation = hub_.daemon_key_cache.generation();
    co_await read(hub_, [&](store::Transaction& tx) { key = fleet::find_daemon_key(tx, hash); });
    if (key) hub_.daemon_key_cache.keep(hash, *key, asked_at, generation);
  }
  if (!key) throw unauthorized("this daemon key is not known");
  co_return key;
}

net::Awaitable<void> Dispatcher::authenticate(Call& call, Permission permission) {
  auto identity = co_await identify(call.request, permission);
  call.caller = std::move(identity.caller);
  call.daemon = std::move(identity.daemon);
  const bool for_admins = permission == Permission::admin || permission == Permission::admin_or_daemon;
  if (for_admins && call.caller && !call.caller->is_admin())
    throw base::Error(base::ErrorClass::user, "FORBIDDEN", "only an admin may do this");
}

// A large body is read for those only whom the hub knows, and for a few at once.
net::Awaitable<net::BodyAllowance> Dispatcher::allow_body(const net::Request& request) {
  const auto usual = net::ServerLimits{}.body_bytes;
  const auto match = router_.match(request);
  const auto limit = match.route != nullptr ? match.route->operation.body_limit : 0;
  if (limit == 0 || limit <= usual) co_return net::BodyAllowance{.bytes = limit != 0 ? limit : usual};
  const auto length = request.headers.get("Content-Length");
  const bool is_small =
      length ? length->size() < std::to_string(usual).size() : !request.headers.get("Transfer-Encoding").has_value();
  if (is_small) co_return net::BodyAllowance{.bytes = usual};
  if (match.route->permission == Permission::open)
    match.route->knows_sender(hub_, request, match.parameters);
  else
    co_await identify(request, match.route->permission);
  if (*large_bodies_ >= kLargeBodiesMax)
    throw base::Error(base::ErrorClass::transient, "TOO_MANY_UPLOADS",
                      "the hub takes " + std::to_string(kLargeBodiesMax) + " large uploads at once; try again")
        .with_retry_after(kLargeBodyRetry);
  ++*large_bodies_;
  co_return net::BodyAllowance{
      .bytes = limit, .slot = std::shared_ptr<void>(nullptr, [held = large_bodies_](std::nullptr_t) { --*held; })};
}

net::Awaitable<std::optional<fleet::ApiKey>> Dispatcher::find_key(const std::string& hash) {
  const auto asked_at = hub_.clock.now();
  const auto generation = hub_.key_cache.generation();
  std::optional<fleet::ApiKey> key;
  co_await read(hub_, [&](store::Transaction& tx) { key = fleet::find_key_by_hash(tx, hash); });
  if (key) hub_.key_cache.keep(hash, *key, asked_at, generation);
  co_return key;
}

// WF-48. Who has no key yet, and agents, are bounded elsewhere.
void Dispatcher::admit(const Call& call, Outgoing& outgoing) {
  if (!call.caller || rates_.policy().quota == 0) return;
  const auto standing = rates_.admit(call.caller->key_id, hub_.clock.monotonic());
  set_fields(outgoing.headers(), rates_.policy(), standing);
  if (standing.admitted) return;
  hub_.metrics.counter("slipway_http_rate_limited_total", "Requests refused because their caller made too many.")
      .increment();
  throw too_many("this key may make " + std::to_string(rates_.policy().quota) + " requests in " +
                     base::format_duration(rates_.policy().window),
                 standing.retry_after);
}

// A start that a full queue did not take.
void Dispatcher::count_refused(const base::Error& error) {
  if (error.code() != "QUEUE_FULL") return;
  hub_.metrics
      .counter("slipway_queue_refused_total", "Starts refused because the queue was full.",
               {{"queue", std::string(error.details().at("queue").as_string())}})
      .increment();
}

void Dispatcher::record(const Call& call, int status, std::optional<base::Duration> took) {
  metrics_.count(call.route, call.request.method, status, took);
  if (hub_.spans != nullptr && took) trace(call, status, *took);
  if (!hub_.log.enabled(observe::Level::debug)) return;
  hub_.log.debug("answered", {{"request", call.request_id},
                              {"method", net::to_string(call.request.method)},
                              {"route", call.route},
                              {"status", status},
                              {"ms", took.value_or(base::Duration(0))},
                              {"trace", call.trace ? call.trace->trace_id : ""}});
}

// What somebody else traces, and what changes something: who only looks would fill the collector, and so would daemons
// that wait and say that they live.
void Dispatcher::trace(const Call& call, int status, base::Duration took) const {
  const bool only_looks = call.request.method == net::Method::get || call.request.method == net::Method::head;
  if (!call.trace && (only_looks || call.daemon)) return;
  const auto now = hub_.clock.now();
  const auto context = base::trace_from_text(call.trace_text());
  if (!context) return;
  constexpr int kServerError = 500;
  hub_.spans->add({.context = *context,
                   .parent_span_id = call.trace ? call.trace->span_id : "",
                   .name = std::string(net::to_string(call.request.method)) + " " + call.route,
                   .kind = observe::SpanKind::server,
                   .started_at = now - took,
                   .ended_at = now,
                   .attributes = {{"http.request.method", std::string(net::to_string(call.request.method))},
                                  {"http.route", call.route},
                                  {"http.response.status_code", std::to_string(status)},
                                  {"slipway.request", call.request_id}},
                   .error = status >= kServerError ? std::optional("HTTP " + std::to_string(status)) : std::nullopt});
}

net::ServerHooks Dispatcher::hooks() {
  return {.on_error =
              [this](const net::Request& request, std::exception_ptr thrown) {
                return failure({hub_.ids.make("req_"), hub_.clock.now()}, base::as_error(thrown), accept_of(request));
              },
          .on_refused =
              [this](int status, const base::Error& error) {
                auto answer = failure({hub_.ids.make("req_"), hub_.clock.now()}, error, "");
                answer.status = status;
                return answer;
              },
          .body_limit = [this](const net::Request& request) { return allow_body(request); },
          .on_trouble =
              [this](const base::Error& error) { hub_.log.warning("connection trouble", {{"error", error.what()}}); }};
}

}  // namespace slipway::api
