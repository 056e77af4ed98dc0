// The document that is made of all routes (WF-47). That it is a good one, public linters say: tests/conformance.

#include "api/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "api/routes.h"

namespace slipway::api {
namespace {

TEST(OpenApi, HasEveryRouteButThoseThatAreHiddenForAReason) {
  const Router router = all_routes();
  const auto document = describe(router, "1.2.3");
  const auto& paths = document.at("paths").as_object();
  std::size_t described = 0;
  for (const auto& [path, methods] : paths) described += methods.as_object().size();
  std::size_t shown = 0;
  for (const auto& route : router.routes()) {
    if (!route.operation.hidden) {
      ++shown;
      continue;
    }
    // The spelling without a version, the agent's own websocket, and what daemons say.
    EXPECT_TRUE(route.pattern.starts_with("/workspaces") || route.pattern == "/v1/agent/connect" ||
                route.pattern.starts_with("/v1/daemon/") || route.pattern.starts_with("/v1/terraform/"))
        << route.pattern;
  }
  EXPECT_EQ(described, shown);
}

TEST(OpenApi, GroupsEveryOperationUnderAKnownTag) {
  const auto document = describe(all_routes(), "1.2.3");
  std::set<std::string> tags;
  for (const auto& tag : document.at("tags").as_array()) tags.insert(std::string(tag.at("name").as_string()));
  for (const auto& [path, methods] : document.at("paths").as_object())
    for (const auto& [method, operation] : methods.as_object())
      EXPECT_TRUE(tags.contains(std::string(operation.at("tags").at(0).as_string()))) << path;
}

TEST(OpenApi, ARouteThatSaysNothingOfItselfIsRefused) {
  Router router;
  router.add(net::Method::get, "/v1/silent", Permission::member, nullptr, {.id = {}, .tag = "System", .summary = {}});
  EXPECT_THROW(describe(router, "1.2.3"), base::Error);
}

TEST(OpenApi, TwoOperationsOfOneNameAreRefused) {
  Router router;
  const Operation operation{.id = "getIt", .tag = "System", .summary = "It"};
  router.add(net::Method::get, "/v1/one", Permission::member, nullptr, operation);
  router.add(net::Method::get, "/v1/two", Permission::member, nullptr, operation);
  EXPECT_THROW(describe(router, "1.2.3"), base::Error);
}

}  // namespace
}  // namespace slipway::api
