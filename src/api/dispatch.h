#pragma once
// From a request to its answer: request id, trace, route, authentication, permission, rate, handler, error, metrics,
// log.

#include "api/cors.h"
#include "api/denied_attempts.h"
#include "api/outgoing.h"
#include "api/rate_limits.h"
#include "api/request_metrics.h"
#include "api/router.h"
#include "net/static_files.h"

namespace slipway::api {

struct DispatchOptions {
  RatePolicy rate;  // of each API key
  Cors cors;
};

// `hub`, `router` and `pages` outlive the server whose handler this is. `pages` may be null: no dashboard.
class Dispatcher {
 public:
  Dispatcher(Hub& hub, const Router& router, const net::StaticFiles* pages, DispatchOptions options = {});

  net::Awaitable<void> handle(net::Exchange& exchange);
  // For what never reaches `handle`.
  net::ServerHooks hooks();

 private:
  net::Awaitable<std::optional<net::Response>> answer(Call& call, Outgoing& outgoing);
  // Who asks, by the key in the head of a request.
  struct Identity {
    std::optional<Caller> caller;
    std::optional<fleet::DaemonKey> daemon;
  };
  net::Awaitable<Identity> identify(const net::Request& request, Permission permission);
  net::Awaitable<std::optional<fleet::DaemonKey>> identify_daemon(const net::Request& request);
  net::Awaitable<void> authenticate(Call& call, Permission permission);
  net::Awaitable<net::BodyAllowance> allow_body(const net::Request& request);
  net::Awaitable<std::optional<fleet::ApiKey>> find_key(const std::string& hash);
  void admit(const Call& call, Outgoing& outgoing);
  void count_refused(const base::Error& error);
  void record(const Call& call, int status, std::optional<base::Duration> took);
  void trace(const Call& call, int status, base::Duration took) const;

  Hub& hub_;
  const Router& router_;
  const net::StaticFiles* pages_;
  const Cors cors_;
  RateLimits rates_;  // by API key
  const base::Secret embedded_key_;
  const std::shared_ptr<std::size_t> large_bodies_ = std::make_shared<std::size_t>(0);  // that are held in memory
  DeniedAttempts denied_;
  RequestMetrics metrics_;
  PackedPages packed_pages_;
};

}  // namespace slipway::api
