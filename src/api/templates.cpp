// Templates: list, show, change, deprecate, promote, take away. Their versions: template_versions.cpp.

#include "api/commit.h"
#include "api/conditional.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/template_view.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

struct ListTemplates {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
  bool deprecated = true;
};
SLIPWAY_JSON_CAMEL(ListTemplates, limit, page, cursor, deprecated)
inline const json::Rules& json_rules(const ListTemplates*) {
  static const json::Rules rules{
      kLimitRule, kPageRule, kCursorRule, {.member = "deprecated", .description = "false: without those"}};
  return rules;
}

struct DeletedTemplate {
  base::TemplateId id;
  std::string name;
};
SLIPWAY_JSON_CAMEL(DeletedTemplate, id, name)

const std::string& name_of(const Call& call) { return call.parameters.at(0); }

// Who builds from it makes no new version of the record: the rest of the ETag.
std::string etag(const TemplateView& view) {
  return "\"" + std::to_string(view.version) + "-" + std::to_string(view.workspaces) + "\"";
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListTemplates>(call);
  const auto paging = paging_of(query);
  const fleet::TemplateFilter filter{.deprecated_too = query.deprecated,
                                     .after = read_cursor(call, paging.cursor),
                                     .offset = paging.offset(),
                                     .limit = paging.limit + 1};
  std::vector<TemplateView> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found.clear();
    for (const auto& subject : fleet::list_templates(tx, filter)) found.push_back(view_template(tx, subject));
    page.total = fleet::count_templates(tx, filter);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().name);
  }
  json::Array items;
  for (const auto& view : found) items.push_back(json::to_value(view));
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  TemplateView view;
  co_await read(call.hub,
                [&](store::Transaction& tx) { view = view_template(tx, fleet::get_template(tx, name_of(call))); });
  co_return if_changed(call, etag(view), call.success(200, json::to_value(view)));
}

// What the body names; `promoted` is the active version that it wishes.
void apply(const ChangeTemplate& change, const json::Object& body, fleet::Template& subject) {
  if (change.display_name) subject.display_name = *change.display_name;
  if (change.description) subject.description = *change.description;
  if (change.icon) subject.icon = *change.icon;
  if (body.contains("deprecated")) subject.deprecated = change.deprecated;
  if (body.contains("jobsMax")) subject.jobs_max = change.jobs_max;
}

bool changes_more_than_the_version(const json::Object& body) {
  return body.size() > (body.contains("activeVersion") ? 1u : 0u);
}

Answer patch(Call& call) {
  parse_query<NoQuery>(call);
  const auto body = body_value(call);
  const auto change = json::from_value<ChangeTemplate>(body);
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    auto subject = fleet::lock_template(tx, name_of(call));
    check_if_match(call, "template", subject.version, etag(view_template(tx, subject)));
    if (changes_more_than_the_version(body.as_object())) {
      apply(change, body.as_object(), subject);
      fleet::update_template(tx, subject, now);
    }
    if (change.active_version)
      fleet::promote(tx, subject, fleet::get_version(tx, subject, *change.active_version), now);
    const auto view = view_template(tx, subject);
    Deed done{.answer = call.success(200, json::to_value(view)),
              .action = "template.change",
              .resource_type = "template",
              .resource_id = subject.id.str(),
              .details = body};
    done.answer.headers.set("ETag", etag(view));
    return done;
  });
  co_return std::move(committed.answer);
}

Answer remove(Call& call) {
  parse_query<NoQuery>(call);
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto subject = fleet::lock_template(tx, name_of(call));
    check_if_match(call, "template", subject.version, etag(view_template(tx, subject)));
    fleet::remove_template(tx, subject, now);
    return Deed{.answer = call.success(200, json::to_value(DeletedTemplate{subject.id, subject.name})),
                .action = "template.delete",
                .resource_type = "template",
                .resource_id = subject.id.str(),
                .details = json::Object{{"name", subject.name}}};
  });
  co_return std::move(committed.answer);
}

}  // namespace

void add_template_routes(Router& router) {
  const std::string base = "/v1/templates", tag = "Templates";
  router.add(net::Method::get, base, Permission::member, list_all,
             {.id = "listTemplates",
              .tag = tag,
              .summary = "Templates by name",
              .query = query_of<ListTemplates>(),
              .answer = page_of<TemplateView>()});
  router.add(net::Method::get, base + "/:name", Permission::member, show,
             {.id = "getTemplate",
              .tag = tag,
              .summary = "One template, by its name or id",
              .answer = one<TemplateView>(),
              .etag = true});
  router.add(net::Method::patch, base + "/:name", Permission::admin, patch,
             {.id = "changeTemplate",
              .tag = tag,
              .summary = "Changes what the body names; promotes a version or rolls back to it",
              .body = body_of<ChangeTemplate>(),
              .answer = one<TemplateView>(),
              .etag = true,
              .if_match = true});
  router.add(net::Method::del, base + "/:name", Permission::admin, remove,
             {.id = "deleteTemplate",
              .tag = tag,
              .summary = "Takes a template and its versions away, once nothing is built from it",
              .answer = one<DeletedTemplate>(),
              .if_match = true});
  add_template_version_routes(router);
  add_template_push_routes(router);
}

}  // namespace slipway::api
