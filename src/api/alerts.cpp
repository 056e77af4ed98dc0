// Alerts: list, look at, acknowledge, resolve.

#include "api/commit.h"
#include "api/conditional.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "base/digest.h"
#include "fleet/alert.h"

namespace slipway::api {
namespace {

using fleet::Alert;
using fleet::AlertId;
using fleet::AlertSeverity;
using fleet::AlertState;
using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kNoteMax = 500;    // characters
constexpr std::size_t kFilterMax = 100;  // likewise

struct ListAlerts {
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
  std::vector<AlertState> state{AlertState::open, AlertState::acknowledged};
  std::optional<AlertSeverity> severity;
  std::optional<std::string> kind, resource_type, resource_id, run_id;
};
SLIPWAY_JSON_CAMEL(ListAlerts, limit, page, cursor, state, severity, kind, resource_type, resource_id, run_id)
inline const json::Rules& json_rules(const ListAlerts*) {
  static const json::Rules rules{
      kLimitRule,
      kPageRule,
      kCursorRule,
      {.member = "state", .description = "Of these states, separated by commas", .max_items = 3},
      {.member = "severity", .description = "Of this severity"},
      {.member = "kind", .description = "Of this kind, e.g. workstation.quota", .max_length = kFilterMax},
      {.member = "resource_type", .description = "About such resources", .max_length = kFilterMax},
      {.member = "resource_id", .description = "About this resource", .max_length = kFilterMax},
      {.member = "run_id", .description = "Met last by this run", .max_length = kFilterMax}};
  return rules;
}

struct NoteRequest {
  std::optional<std::string> note;
};
SLIPWAY_JSON_CAMEL(NoteRequest, note)
inline const json::Rules& json_rules(const NoteRequest*) {
  static const json::Rules rules{{.member = "note", .description = "For people", .max_length = kNoteMax}};
  return rules;
}

AlertId id_of(const Call& call) { return AlertId(call.parameters.at(0)); }

std::string etag(const Alert& alert) {
  // The version for If-Match, and all that is shown for If-None-Match: being raised again makes no version.
  constexpr std::size_t kDigits = 8;
  return "\"" + std::to_string(alert.version) + "-" + base::sha256_hex(json::print(alert)).substr(0, kDigits) + "\"";
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListAlerts>(call);
  const auto paging = paging_of(query);
  const fleet::AlertFilter filter{.states = query.state,
                                  .severity = query.severity,
                                  .kind = query.kind,
                                  .resource_type = query.resource_type,
                                  .resource_id = query.resource_id,
                                  .run_id = query.run_id,
                                  .before = read_cursor(call, paging.cursor),
                                  .offset = paging.offset(),
                                  .limit = paging.limit + 1};
  std::vector<Alert> found;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = fleet::list_alerts(tx, call.caller->scope(), filter);
    page.total = fleet::count_alerts(tx, call.caller->scope(), filter);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().id.str());
  }
  json::Array items;
  for (const auto& alert : found) items.push_back(json::to_value(alert));
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  std::optional<Alert> alert;
  co_await read(call.hub,
                [&](store::Transaction& tx) { alert = fleet::get_alert(tx, call.caller->scope(), id_of(call)); });
  const auto tag = etag(*alert);
  co_return if_changed(call, tag, call.success(200, json::to_value(*alert)));
}

using Change = void (*)(store::Transaction&, Alert&, std::string_view by, const std::string& note, base::Instant);

Answer change(Call& call, std::string_view action, Change deed) {
  parse_query<NoQuery>(call);
  const auto note = parse_body<NoteRequest>(call).note.value_or("");
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    auto alert = fleet::get_alert(tx, call.caller->scope(), id_of(call));
    check_if_match(call, "alert", alert.version, etag(alert));
    deed(tx, alert, call.caller->user.str(), note, now);
    Deed done{.answer = call.success(200, json::to_value(alert)),
              .action = std::string(action),
              .resource_type = "alert",
              .resource_id = alert.id.str(),
              .details = json::Object{{"kind", alert.kind}, {"note", note}}};
    done.answer.headers.set("ETag", etag(alert));
    return done;
  });
  co_return std::move(committed.answer);
}

Answer acknowledge(Call& call) { co_return co_await change(call, "alert.acknowledge", &fleet::acknowledge_alert); }

Answer resolve(Call& call) {
  const Change by_hand = &fleet::resolve_alert;
  co_return co_await change(call, "alert.resolve", by_hand);
}

}  // namespace

void add_alert_routes(Router& router) {
  const std::string base = "/v1/alerts";
  const std::string tag = "Alerts";
  router.add(net::Method::get, base, Permission::member, list_all,
             {.id = "listAlerts",
              .tag = tag,
              .summary = "Alerts about what is yours, newest first; of admins, all",
              .query = query_of<ListAlerts>(),
              .answer = page_of<Alert>()});
  router.add(net::Method::get, base + "/:id", Permission::member, show,
             {.id = "getAlert", .tag = tag, .summary = "One alert", .answer = one<Alert>(), .etag = true});
  router.add(net::Method::post, base + "/:id/acknowledge", Permission::admin, acknowledge,
             {.id = "acknowledgeAlert",
              .tag = tag,
              .summary = "Says that somebody looks after it",
              .body = optional_body_of<NoteRequest>(),
              .answer = one<Alert>(),
              .etag = true,
              .if_match = true,
              .errors = {409}});
  router.add(net::Method::post, base + "/:id/resolve", Permission::admin, resolve,
             {.id = "resolveAlert",
              .tag = tag,
              .summary = "Says that its trouble is over; if it is not, it is raised anew",
              .body = optional_body_of<NoteRequest>(),
              .answer = one<Alert>(),
              .etag = true,
              .if_match = true,
              .errors = {409}});
}

}  // namespace slipway::api
