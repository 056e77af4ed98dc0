// GET /openapi.json, for whoever asks: it says nothing that the public pages do not.

#include "api/conditional.h"
#include "api/openapi.h"
#include "api/query.h"
#include "api/routes.h"
#include "base/digest.h"

namespace slipway::api {
namespace {

// Made of all routes when they are known, printed when it is first asked for.
struct Document {
  json::Value described;
  std::string text;
  std::string etag;

  void print(const std::string& version) {
    if (!text.empty()) return;
    described.at("info").as_object()["version"] = version;
    text = json::print_value(described);
    etag = '"' + base::sha256_hex(text).substr(0, 16) + '"';
  }
};

net::Awaitable<std::optional<net::Response>> get(Call& call, std::shared_ptr<Document> document) {
  parse_query<NoQuery>(call);
  document->print(call.hub.version);
  net::Response response{.status = 200, .headers = {}, .body = document->text};
  response.headers.set("Content-Type", "application/json");
  co_return if_changed(call, document->etag, std::move(response), "no-cache");
}

}  // namespace

void add_openapi_routes(Router& router) {
  const auto document = std::make_shared<Document>();
  router.add(net::Method::get, "/openapi.json", Permission::open,
             [document](Call& call) { return get(call, document); },
             {.id = "getOpenApi",
              .tag = "System",
              .summary = "This document",
              .answer = answer_of(AnswerShape::document),
              .etag = true});
  document->described = describe(router, "");
}

}  // namespace slipway::api
