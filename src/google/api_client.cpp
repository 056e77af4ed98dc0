#include "google/api_client.h"

#include <map>
#include <mutex>

#include "base/random.h"
#include "google/json_reading.h"
#include "google/wait.h"
#include "net/http_client.h"
#include "net/url.h"

namespace slipway::google {

namespace {

using base::Error;
using base::ErrorClass;

// A read that is told to wait longer than this is left to its caller, who waits without holding a thread.
constexpr base::Duration kMendedAfter{15'000};  // credentials that are not taken: seconds would be many calls in vain
constexpr base::Duration kReadRetryAfterMax{2'000};

const char* kRequestsHelp = "Calls of Google's APIs, by what came of them";
const char* kSecondsHelp = "How long calls of Google's APIs took, waiting for a token and quick retries included";
const char* kCircuitHelp = "Whether calls of an endpoint go out: 0 yes (closed), 1 a probe (half open), 2 no (open)";

std::string url_of(const std::string& endpoint, const ApiRequest& request) {
  std::string url = endpoint + request.path;
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    if (value.empty()) continue;
    url += separator + net::percent_encode(name) + "=" + net::percent_encode(value);
    separator = '&';
  }
  return url;
}

// Whether the endpoint is what is broken, not the call. Of answers only those from 500 on tell it.
bool is_sick(const Error& error) {
  return error.error_class() == ErrorClass::transient || error.code() == "TLS_FAILED";
}

std::string outcome_of(const Error& error) {
  if (error.code() == "CIRCUIT_OPEN") return "circuit_open";
  if (error.code() == "CANCELLED" && error.error_class() == ErrorClass::internal) return "cancelled";
  return boost::describe::enum_to_string(error.error_class(), "internal");
}

json::Value body_of(const net::ClientResponse& response, const Call& call) {
  if (response.body.empty()) return nullptr;
  try {
    return json::parse_value(response.body);
  } catch (const Error&) {
    throw Error(ErrorClass::transient, "MALFORMED_ANSWER", call.name + ": the answer is no JSON");
  }
}

}  // namespace

struct ApiClient::Impl {
  struct Endpoint {
    Endpoint(const std::string& checked, const CircuitSettings& settings, const base::Clock& clock)
        : url(checked), is_local(is_loopback(checked)), circuit(checked, settings, clock) {}
    const std::string url;
    const bool is_local;
    CircuitBreaker circuit;
    observe::Registry::Registration registration;
  };

  Endpoint& endpoint(const std::string& url);
  json::Value attempt(const ApiRequest& request, base::Instant deadline);
  // One exchange, and a second one with another token after a 401. Tells `permit` when the endpoint cannot be reached.
  net::ClientResponse send(const ApiRequest& request, Endpoint& to, base::Instant deadline,
                           CircuitBreaker::Permit& permit);
  // One failed fetch fails all calls that wait for it, and none of them was made.
  base::Secret first_token(const ApiRequest& request);
  net::ClientRequest with_token(const base::Secret& token, const ApiRequest& request, const Endpoint& to) const;
  bool may_read_again(const ApiRequest& request, const Error& error, int failures) const;
  base::Duration read_delay(const Error& error, int failures);

  net::HttpClient& http;
  TokenSource& tokens;
  const base::Clock& clock;
  observe::Registry& metrics;
  const ApiClientOptions options;
  base::SystemRandom random{};

  std::mutex mutex{};
  std::map<std::string, std::unique_ptr<Endpoint>> endpoints{};  // never removed: references stay good
};

ApiClient::Impl::Endpoint& ApiClient::Impl::endpoint(const std::string& url) {
  const std::lock_guard lock(mutex);
  auto& place = endpoints[url];
  if (!place) {
    const std::string checked = checked_endpoint("endpoint", url, options.plain_http);
    place = std::make_unique<Endpoint>(checked, options.circuit, clock);
    const CircuitBreaker* circuit = &place->circuit;
    place->registration = metrics.read(observe::Registry::Kind::gauge, "slipway_google_circuit_state", kCircuitHelp,
                                       {{"endpoint", checked}}, [circuit] { return double(circuit->state()); });
  }
  return *place;
}

base::Secret ApiClient::Impl::first_token(const ApiRequest& request) {
  try {
    return tokens.token(request.stop);
  } catch (const Error& error) {
    throw Error(error).with_no_call_made();
  }
}

net::ClientRequest ApiClient::Impl::with_token(const base::Secret& token, const ApiRequest& request,
                                               const Endpoint& to) const {
  net::ClientRequest out{.method = request.method, .url = url_of(to.url, request)};
  out.headers.set("User-Agent", options.user_agent);
  out.headers.set("Accept", "application/json");
  if (!token.empty()) out.headers.set("Authorization", "Bearer " + token.reveal());
  if (!options.quota_project.empty()) out.headers.set("X-Goog-User-Project", options.quota_project);
  if (request.body) {
    out.headers.set("Content-Type", "application/json");
    out.body = json::print_value(*request.body);
  }
  out.send_once = request.method != net::Method::get;
  out.ca_file = options.ca_file;
  out.body_limit = options.answer_bytes_max;
  out.direct = to.is_local;
  return out;
}

net::ClientResponse ApiClient::Impl::send(const ApiRequest& request, Endpoint& to, base::Instant deadline,
                                          CircuitBreaker::Permit& permit) {
  const auto exchange = [&](const base::Secret& token) {
    net::ClientRequest out = with_token(token, request, to);
    out.timeout = deadline - clock.monotonic();
    if (out.timeout.count() <= 0) throw Error(ErrorClass::transient, "TIMEOUT", request.name + ": no answer in time");
    try {
      return http.fetch(std::move(out), request.stop);
    } catch (const Error& error) {
      if (is_sick(error)) permit.failed();
      throw;
    }
  };
  const base::Secret token = first_token(request);
  auto response = exchange(token);
  if (response.status != 401 || token.empty()) return response;
  // Revoked or expired early. A 401 had no effect, so that any call may be sent again; once, WP-16.
  tokens.reject(token);
  return exchange(tokens.token(request.stop));
}

json::Value ApiClient::Impl::attempt(const ApiRequest& request, base::Instant deadline) {
  Endpoint& to = endpoint(request.endpoint);
  const Call call{request.service, request.name, request.path};
  auto permit = to.circuit.enter();
  const auto response = send(request, to, deadline, permit);
  if (response.status < 300) {
    permit.succeeded();
    return body_of(response, call);
  }
  Error error = to_error(call, response, clock.now());
  if (response.status >= 500 && is_sick(error)) {
    permit.failed();
  } else {
    permit.succeeded();
  }
  // With a new token, too: an operator has to mend that, and whoever asked is not to blame.
  if (error.code() == "UNAUTHENTICATED")
    throw Error(ErrorClass::transient, error.code(), error.message(), error.details()).with_retry_after(kMendedAfter);
  throw error;
}

bool ApiClient::Impl::may_read_again(const ApiRequest& request, const Error& error, int failures) const {
  return request.method == net::Method::get && error.error_class() == ErrorClass::transient &&
         error.code() != "CIRCUIT_OPEN" && failures <= options.read_retries_max &&
         error.retry_after().value_or(base::Duration(0)) <= kReadRetryAfterMax;
}

base::Duration ApiClient::Impl::read_delay(const Error& error, int failures) {
  const double full = double(options.read_retry_delay.count()) * double(1 << (failures - 1));
  const base::Duration jittered(std::int64_t(full * (0.5 + random.fraction() / 2)));
  return std::max(jittered, error.retry_after().value_or(base::Duration(0)));
}

ApiClient::ApiClient(net::HttpClient& http, TokenSource& tokens, const base::Clock& clock, observe::Registry& metrics,
                     ApiClientOptions options)
    : impl_(new Impl{http, tokens, clock, metrics, std::move(options)}) {}
ApiClient::~ApiClient() = default;

json::Value ApiClient::call(const ApiRequest& request) {
  const auto began = impl_->clock.monotonic();
  const auto deadline = began + request.timeout;
  const observe::Labels labels{{"service", request.service}, {"method", request.name}};
  const auto count = [&](const std::string& outcome) {
    observe::Labels told = labels;
    told["outcome"] = outcome;
    impl_->metrics.counter("slipway_google_requests_total", kRequestsHelp, told).increment();
    impl_->metrics
        .histogram("slipway_google_request_duration_seconds", kSecondsHelp, observe::latency_buckets(), labels)
        .observe(double((impl_->clock.monotonic() - began).count()) / 1'000);
  };
  for (int failures = 1;; ++failures) {
    try {
      json::Value answer = impl_->attempt(request, deadline);
      count("ok");
      return answer;
    } catch (const Error& error) {
      const auto delay = impl_->read_delay(error, failures);
      const bool again = impl_->may_read_again(request, error, failures) &&
                         impl_->clock.monotonic() + delay < deadline && wait_for(delay, request.stop);
      if (again) continue;
      count(outcome_of(error));
      throw;
    }
  }
}

std::optional<json::Value> ApiClient::find(const ApiRequest& request) {
  try {
    return call(request);
  } catch (const Error& error) {
    // Of another service it would speak of something else.
    const auto details = details_of(error);
    if (error.code() == "NOT_FOUND" && details && details->service == request.service) return std::nullopt;
    throw;
  }
}

CircuitState ApiClient::circuit_state(const std::string& endpoint) const {
  return impl_->endpoint(endpoint).circuit.state();
}

void for_each_page(ApiClient& api, ApiRequest request, std::int64_t pages_max,
                   const std::function<void(const json::Value& answer)>& use) {
  const auto query = request.query;
  for (std::int64_t page = 0; page < pages_max; ++page) {
    const json::Value answer = api.call(request);
    use(answer);
    const std::string next = text(member(answer, "nextPageToken"));
    if (next.empty()) return;
    request.query = query;
    request.query.emplace_back("pageToken", next);
  }
  throw Error(ErrorClass::internal, "TOO_MANY_PAGES",
              request.name + ": more than " + std::to_string(pages_max) + " pages");
}

}  // namespace slipway::google
