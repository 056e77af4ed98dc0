// The versions of a template: list, show, fetch what was pushed. Pushing one: template_push.cpp.

#include "api/query.h"
#include "api/routes.h"
#include "api/template_view.h"
#include "fleet/blob.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

struct ListVersions {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
};
SLIPWAY_JSON_CAMEL(ListVersions, limit, page)
inline const json::Rules& json_rules(const ListVersions*) {
  static const json::Rules rules{kLimitRule, kPageRule};
  return rules;
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListVersions>(call);
  Page page{.page = query.page.value_or(1), .page_size = query.limit};
  json::Array items;
  co_await read(call.hub, [&](store::Transaction& tx) {
    items.clear();
    const auto subject = fleet::get_template(tx, call.parameters.at(0));
    for (const auto& version : fleet::list_versions(tx, subject.id, (page.page - 1) * query.limit, query.limit))
      items.push_back(json::to_value(view_version(version, subject)));
    page.total = fleet::count_versions(tx, subject.id);
  });
  page.has_more = page.page * query.limit < page.total;
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  json::Value view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto subject = fleet::get_template(tx, call.parameters.at(0));
    const auto version = fleet::get_version(tx, subject, call.parameters.at(1));
    view = json::to_value(full_version(tx, call.hub.sealer, version, subject));
  });
  co_return call.success(200, view);
}

Answer archive(Call& call) {
  parse_query<NoQuery>(call);
  std::optional<std::string> content;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto subject = fleet::get_template(tx, call.parameters.at(0));
    content = fleet::find_blob(tx, fleet::get_version(tx, subject, call.parameters.at(1)).archive);
  });
  if (!content) throw base::internal_error("the archive of a template's version is gone");
  co_return bytes(call.meta(), *std::move(content));
}

}  // namespace

void add_template_version_routes(Router& router) {
  const std::string base = "/v1/templates/:name/versions", tag = "Templates";
  router.add(net::Method::get, base, Permission::member, list_all,
             {.id = "listTemplateVersions",
              .tag = tag,
              .summary = "The versions of a template, newest first",
              .query = query_of<ListVersions>(),
              .answer = page_of<VersionView>()});
  router.add(net::Method::get, base + "/:version", Permission::member, show,
             {.id = "getTemplateVersion",
              .tag = tag,
              .summary = "One version, with the form that its parameters make and what it builds",
              .answer = one<VersionView>()});
  router.add(net::Method::get, base + "/:version/archive", Permission::admin, archive,
             {.id = "getTemplateArchive",
              .tag = tag,
              .summary = "What was pushed, as it was uploaded",
              .answer = answer_of(AnswerShape::bytes)});
}

}  // namespace slipway::api
