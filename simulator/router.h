#pragma once
// Which handler answers a request, and what it gets.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/server.h"
#include "simulator/world.h"

namespace slipway::simulator {

struct Answer {
  int status = 200;
  json::Value body = json::Object{};
  std::optional<std::string> text;  // instead of `body`, as text/plain
  net::Headers headers;
};

struct Call {
  World& world;
  const net::Request& request;
  const base::Instant now;
  const std::uint64_t number;
  std::map<std::string, std::string> parameters;  // of the path
  std::string user;
  const FaultRule* fault = nullptr;

  const std::string& operator[](const std::string& parameter) const { return parameters.at(parameter); }
  // The path without its version and verb: a resource's full name. `parts`: only so many segments of it.
  std::string name(std::size_t parts = 0) const;
  std::string query(std::string_view name, std::string_view otherwise = "") const;
  bool query_flag(std::string_view name) const;
  // An empty body is {}. Throws INVALID_ARGUMENT.
  json::Value body() const;
  Terms terms() const;  // validateOnly and etag from the query
};

enum class Access { bearer, metadata, open };

struct Route {
  using Handler = std::function<Answer(Call&)>;

  std::string method;
  std::string pattern;  // /v1/projects/{project}/topics/{topic}:publish; {rest*} is all that is left
  std::string service;
  std::string call;
  Access access = Access::bearer;
  Handler handler;
  // A call that waits: asked again and again until it gives something; `enough` says to give what there is.
  std::function<std::optional<Answer>(Call&, bool enough)> waiting;
};

class Router {
 public:
  void add(Route route);
  // Null when nothing matches; fills `parameters`.
  const Route* find(const net::Request& request, std::map<std::string, std::string>& parameters) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;
    std::string verb;
    bool takes_rest = false;
  };
  static bool matches(const Entry& entry, const std::vector<std::string_view>& segments, std::string_view verb);

  std::vector<std::unique_ptr<Entry>> entries_;
};

// Pages as Google's lists have them: `pageSize` (or `maxResults`) and an opaque `pageToken` with the last name.
struct Page {
  std::size_t size;
  std::string after;
};
Page read_page(const Call& call, std::size_t size_default, std::size_t size_max);
std::string page_token(const std::string& last_name);

void add_workstations_routes(Router& router);
void add_compute_routes(Router& router);
void add_identity_routes(Router& router);
void add_pubsub_routes(Router& router);
void add_control_routes(Router& router);

}  // namespace slipway::simulator
