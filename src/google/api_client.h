#pragma once
// JSON calls to Google's APIs: authorization, deadline, circuit, classification of failures, metrics. Every client of
// one API (workstations, Pub/Sub …) stands on this.

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "google/circuit.h"
#include "google/endpoints.h"
#include "google/error.h"
#include "google/token_source.h"
#include "net/http.h"
#include "observe/metrics.h"

namespace slipway::net {
class HttpClient;
}

namespace slipway::google {

struct ApiRequest {
  std::string service;  // "workstations": for metrics and messages
  std::string name;     // "workstations.create": the same; one of few, never with an id in it
  net::Method method = net::Method::get;
  std::string endpoint;                                    // of Endpoints
  std::string path;                                        // "/v1/projects/p/…", already percent-encoded
  std::vector<std::pair<std::string, std::string>> query;  // is encoded; empty values are left out
  std::optional<json::Value> body;
  base::Duration timeout{60'000};  // of all attempts within the call together
  std::stop_token stop;
};

struct ApiClientOptions {
  std::string quota_project;  // x-goog-user-project; empty: none
  std::string user_agent = "slipway";
  CircuitSettings circuit;
  int read_retries_max = 2;              // of a GET that fails for a reason that passes
  base::Duration read_retry_delay{250};  // doubles, with jitter
  std::size_t answer_bytes_max = 32 << 20;
  PlainHttp plain_http = PlainHttp::loopback_only;
  std::string ca_file;  // PEM; empty: the system's
};

// Thread-safe; every call blocks (for workers, never on a loop). What it is made of must outlive it.
//
// Calls that change something are sent once (and once more with a new token after a 401, which had no effect):
// whether to repeat them is the caller's to decide, durably. Reads are repeated quickly a few times.
//
// Errors: what google/error.h makes of answers, and UNAUTHENTICATED as transient, when a new token is refused, too;
// what net/http_client.h says of connections; CIRCUIT_OPEN at once while the endpoint's circuit is open; CANCELLED
// (internal) when `stop` fires; TIMEOUT (transient) past the deadline; MALFORMED_ANSWER (transient) when a success is
// no JSON.
class ApiClient {
 public:
  ApiClient(net::HttpClient& http, TokenSource& tokens, const base::Clock& clock, observe::Registry& metrics,
            ApiClientOptions options = {});
  ~ApiClient();

  // The answer's body; null when it is empty.
  json::Value call(const ApiRequest& request);
  // The same; nothing when it answers NOT_FOUND.
  std::optional<json::Value> find(const ApiRequest& request);

  CircuitState circuit_state(const std::string& endpoint) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// All pages of a list: `request` again with each nextPageToken. Throws TOO_MANY_PAGES (internal) beyond `pages_max`.
void for_each_page(ApiClient& api, ApiRequest request, std::int64_t pages_max,
                   const std::function<void(const json::Value& answer)>& use);

}  // namespace slipway::google
