#pragma once
// What requests count: the handles of a route's metrics, looked up once for each of its statuses. For the loop's
// thread.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "net/http.h"
#include "observe/metrics.h"

namespace slipway::api {

class RequestMetrics {
 public:
  explicit RequestMetrics(observe::Registry& registry) : registry_(registry) {}

  // `took` is absent for a stream: how long it was watched says nothing about us.
  void count(const std::string& route, net::Method method, int status, std::optional<base::Duration> took);

 private:
  // Methods and statuses are ours, and routes are patterns, so that this is bounded.
  struct Key {
    std::string route;
    net::Method method;
    int status;
    auto operator<=>(const Key&) const = default;
  };
  struct Handles {
    observe::Counter requests;
    observe::Histogram duration;
  };
  struct KeyView {
    std::string_view route;
    net::Method method;
    int status;
  };
  struct Less {
    using is_transparent = void;
    static auto tied(const Key& key) { return std::tuple(std::string_view(key.route), key.method, key.status); }
    static auto tied(const KeyView& key) { return std::tuple(key.route, key.method, key.status); }
    bool operator()(const auto& a, const auto& b) const { return tied(a) < tied(b); }
  };
  Handles& handles(const std::string& route, net::Method method, int status);

  observe::Registry& registry_;
  std::map<Key, Handles, Less> handles_;
};

}  // namespace slipway::api
