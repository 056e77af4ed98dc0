#pragma once
// Routes, each with its permission and with what it tells of itself: one without does not compile, and what no route
// knows is refused (deny by default).

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"
#include "api/operation.h"

namespace slipway::api {

enum class Permission {
  open,    // anyone: health, the agent's own authentication
  member,  // any valid key
  admin,
  daemon,           // a provisioner daemon, by its key: Call::daemon
  admin_or_daemon,  // either
};

// The answer, or nothing when the handler has answered by itself (streams, websockets).
using RouteHandler = std::function<net::Awaitable<std::optional<net::Response>>(Call&)>;
// For open routes that authenticate by themselves and take large bodies: throws what it answers to a stranger. Asked
// before the body is read.
using KnowsSender = std::function<void(const Hub&, const net::Request&, const std::vector<std::string>& parameters)>;

class Router {
 public:
  // `pattern` such as /v1/workspaces/:id/stop.
  void add(net::Method method, std::string_view pattern, Permission permission, RouteHandler handler,
           Operation operation, KnowsSender knows_sender = nullptr);

  struct Route {
    net::Method method;
    std::string pattern;
    std::vector<std::string> segments;
    Permission permission;
    RouteHandler handler;
    Operation operation;
    KnowsSender knows_sender;
  };
  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> parameters;
    std::vector<net::Method> allowed;  // methods that the path has, when this one is not among them
  };
  Match match(const net::Request& request) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace slipway::api
