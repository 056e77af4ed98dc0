#pragma once
// From a request to its answer: request id, route, authentication, permission, handler, error, metrics, log.

#include "api/router.h"
#include "net/static_files.h"

namespace slipway::api {

// `hub`, `router` and `pages` outlive the server whose handler this is. `pages` may be null: no dashboard.
class Dispatcher {
 public:
  Dispatcher(Hub& hub, const Router& router, const net::StaticFiles* pages);

  net::Awaitable<void> handle(net::Exchange& exchange);
  // For what never reaches `handle`.
  net::ServerHooks hooks();

 private:
  net::Awaitable<std::optional<net::Response>> answer(Call& call);
  net::Awaitable<void> authenticate(Call& call, Permission permission);
  void count_refused(const base::Error& error);
  void record(const Call& call, int status, std::optional<base::Duration> took);

  Hub& hub_;
  const Router& router_;
  const net::StaticFiles* pages_;
};

}  // namespace slipway::api
