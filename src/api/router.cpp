#include "api/router.h"

namespace slipway::api {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);  // '/'
    const auto end = path.find('/');
    segments.emplace_back(path.substr(0, end));
    if (end == std::string_view::npos) break;
    path.remove_prefix(end);
  }
  return segments;
}

std::optional<std::vector<std::string>> match_segments(const std::vector<std::string>& pattern,
                                                       const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::vector<std::string> parameters;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i].starts_with(':')) {
      if (path[i].empty()) return std::nullopt;
      parameters.push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return parameters;
}

}  // namespace

void Router::add(net::Method method, std::string_view pattern, Permission permission, RouteHandler handler,
                 Operation operation, KnowsSender knows_sender) {
  routes_.push_back({method, std::string(pattern), split(pattern), permission, std::move(handler), std::move(operation),
                     std::move(knows_sender)});
}

Router::Match Router::match(const net::Request& request) const {
  Match match;
  // HEAD is GET without the body, which the server leaves out.
  const auto method = request.method == net::Method::head ? net::Method::get : request.method;
  for (const auto& route : routes_) {
    auto parameters = match_segments(route.segments, request.segments);
    if (!parameters) continue;
    if (route.method == method) {
      match.route = &route;
      match.parameters = std::move(*parameters);
      return match;
    }
    match.allowed.push_back(route.method);
  }
  return match;
}

}  // namespace slipway::api
