// Lists of runs, one run, its state in the past, its children.

#include "api/conditional.h"
#include "api/cursor.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/runs.h"
#include "base/digest.h"
#include "durable/run_list.h"
#include "durable/run_retry.h"
#include "net/url.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
namespace journal = durable::journal;

constexpr std::size_t kNamesMax = 200;        // characters of an id or a type
constexpr std::size_t kTypesMax = 20;         // each is looked for by itself
constexpr std::int64_t kPagesReach = 10'000;  // runs that are skipped to come to a page; a cursor skips none

struct RunsQuery {
  std::vector<std::string> type;
  std::vector<durable::RunStatus> status;
  std::optional<std::string> resource_type;
  std::optional<std::string> resource_id;
  std::optional<std::string> triggered_by;
  std::optional<std::string> parent_id;
  std::optional<std::string> retry_of;
  std::optional<bool> needs_attention;
  std::optional<base::Instant> since;
  std::optional<base::Instant> until;
  std::string sort = "-startedAt";
  std::int64_t limit = 50;
  std::optional<std::int64_t> page;
  std::optional<std::string> cursor;
};
SLIPWAY_JSON_CAMEL(RunsQuery, type, status, resource_type, resource_id, triggered_by, parent_id, retry_of,
                   needs_attention, since, until, sort, limit, page, cursor)
inline const json::Rules& json_rules(const RunsQuery*) {
  static const json::Rules rules{
      {.member = "type",
       .description = "Workflows, e.g. `workspace.create`; several are separated by commas",
       .max_length = kNamesMax,
       .max_items = kTypesMax},
      {.member = "status", .description = "One or several, separated by commas", .max_items = 5},
      {.member = "resource_type",
       .description = "`workspace`, `schedule`, `server`, `cluster`, `vm` …",
       .max_length = kNamesMax},
      {.member = "resource_id", .description = "What the runs are about", .max_length = kNamesMax},
      {.member = "triggered_by", .description = "A user, or a schedule", .max_length = kNamesMax},
      {.member = "parent_id", .description = "Those that this run started", .max_length = kNamesMax},
      {.member = "retry_of", .description = "Those that do this run again", .max_length = kNamesMax},
      {.member = "needs_attention", .description = "Whether something could not be undone"},
      {.member = "since", .description = "Started at this time or later; a date is its beginning in UTC"},
      {.member = "until", .description = "Started before this time; a date is its beginning in UTC"},
      {.member = "sort", .description = "`-startedAt`: newest first; `startedAt`: oldest first", .max_length = 20},
      kLimitRule,
      kPageRule,
      kCursorRule};
  return rules;
}

struct ChildrenQuery {
  std::string sort = "-startedAt";
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
};
SLIPWAY_JSON_CAMEL(ChildrenQuery, sort, limit, cursor)
inline const json::Rules& json_rules(const ChildrenQuery*) {
  static const json::Rules rules{
      {.member = "sort", .description = "`-startedAt`: newest first; `startedAt`: oldest first", .max_length = 20},
      kLimitRule,
      kCursorRule};
  return rules;
}

struct StateQuery {
  std::optional<std::int64_t> at;
};
SLIPWAY_JSON_CAMEL(StateQuery, at)
inline const json::Rules& json_rules(const StateQuery*) {
  static const json::Rules rules{{.member = "at",
                                  .description = "Number of an event: the state after it. The last one if left out",
                                  .minimum = 1}};
  return rules;
}

journal::RunOrder read_order(const std::string& sort) {
  if (sort == "-startedAt") return journal::RunOrder::newest_first;
  if (sort == "startedAt") return journal::RunOrder::oldest_first;
  throw base::validation_error("sort", "'" + sort + "' is not one of the allowed values",
                               json::Array{"-startedAt", "startedAt"});
}

// Each value stands for a part of the list.
template <class T>
void drop_doubles(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
}

// RFC 8288: the same request with the cursor of the next page.
std::string next_link(const Call& call, const std::string& cursor) {
  std::string target = "<" + call.request.target.substr(0, call.request.target.find('?'));
  char joint = '?';
  for (const auto& [name, value] : call.request.query) {
    if (name == "page" || name == "cursor") continue;
    target += std::exchange(joint, '&') + net::percent_encode(name) + "=" + net::percent_encode(value);
  }
  return target + joint + "cursor=" + net::percent_encode(cursor) + ">; rel=\"next\"";
}

// The last run of the page before.
std::string read_position(const Call& call, const Paging& paging) {
  auto id = read_cursor(call, paging.cursor);
  if (!id.empty() && !base::is_prefixed_id(id, base::RunKind::prefix))
    throw base::validation_error("cursor", "is none of ours");
  return id;
}

// `before` is asked in the same snapshot, and may throw.
Answer answer_list(Call& call, journal::Filter filter, Paging paging,
                   std::function<void(store::Transaction&)> before = {}) {
  filter.offset = paging.offset();
  filter.limit = paging.limit + 1;
  std::vector<journal::Row> rows;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    if (before) before(tx);
    rows = journal::list(tx, filter);
    const auto total = journal::total(tx, filter);
    page.total = total.count;
    page.total_is_estimate = total.is_estimate ? std::optional(true) : std::nullopt;
  });
  page.has_more = std::int64_t(rows.size()) > paging.limit;
  if (page.has_more) {
    rows.pop_back();
    page.next_cursor = make_cursor(call, rows.back().record.id.str());
  }
  json::Array items;
  for (const auto& row : rows) items.push_back(json::to_value(view_row(row)));
  auto answer = list(call.meta(), std::move(items), page);
  if (page.has_more) answer.headers.set("Link", next_link(call, *page.next_cursor));
  co_return answer;
}

Answer list_all(Call& call) {
  const auto query = parse_query<RunsQuery>(call);
  const auto paging = paging_of(query);
  auto after = read_position(call, paging);
  if (paging.offset() > kPagesReach)
    throw base::validation_error("page", "is beyond the first " + std::to_string(kPagesReach) +
                                             " runs; go on with `cursor`, or narrow the list by `until`");
  journal::Filter filter{.types = query.type,
                         .statuses = query.status,
                         .resource_type = query.resource_type,
                         .resource_id = query.resource_id,
                         .triggered_by = query.triggered_by,
                         .owner_id = call.caller->scope().owner_id(),
                         .parent_id = query.parent_id,
                         .retry_of = query.retry_of,
                         .needs_attention = query.needs_attention,
                         .since = query.since,
                         .until = query.until,
                         .order = read_order(query.sort),
                         .after = std::move(after)};
  drop_doubles(filter.types);
  drop_doubles(filter.statuses);
  co_return co_await answer_list(call, std::move(filter), paging);
}

Answer children(Call& call) {
  const auto query = parse_query<ChildrenQuery>(call);
  const auto id = read_run_id(call);
  const auto paging = paging_of(query);
  auto after = read_position(call, paging);
  journal::Filter filter{.parent_id = id.str(), .order = read_order(query.sort), .after = std::move(after)};
  co_return co_await answer_list(call, std::move(filter), paging,
                                 [&call, id](store::Transaction& tx) { visible_run(tx, call, id); });
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  const auto id = read_run_id(call);
  std::optional<RunView> view;
  co_await read(call.hub, [&](store::Transaction& tx) { view = full_view(tx, call.hub, visible_run(tx, call, id)); });
  const auto etag = etag_of(*view);
  co_return if_changed(call, etag, call.success(200, json::to_value(*view)));
}

// The run as it was after that event (WF-14): the same fold, ended earlier.
Answer state(Call& call) {
  const auto query = parse_query<StateQuery>(call);
  const auto id = read_run_id(call);
  std::optional<RunView> view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    auto row = visible_run(tx, call, id);
    auto events = journal::events(tx, id);
    const auto last = events.back().seq;
    const auto at = query.at.value_or(last);
    if (at > last)
      throw base::validation_error("at", "is beyond the run's journal, whose last event is " + std::to_string(last));
    events.resize(std::size_t(at));
    const auto then = durable::fold_all(events);
    view = view_run(row_at(std::move(row), then), then, call.hub.engine.find_workflow(row.record.type));
    view->last_seq = last;
    view->at = at;
  });
  co_return call.success(200, json::to_value(*view));
}

}  // namespace

base::RunId read_run_id(const Call& call) {
  const auto& text = call.parameters.at(0);
  if (!base::is_prefixed_id(text, base::RunKind::prefix)) throw base::not_found("run", text);
  return base::RunId(text);
}

journal::Row visible_run(store::Transaction& tx, const Call& call, const base::RunId& id) {
  auto row = journal::find(tx, id);
  if (!row || (!call.caller->is_admin() && row->record.owner_id != call.caller->user.str()))
    throw base::not_found("run", id.str());
  return *std::move(row);
}

RunView full_view(store::Transaction& tx, Hub& hub, const journal::Row& row) {
  const auto& id = row.record.id;
  const auto timings = row.completed_at ? durable::TypeTimings{} : durable::timings_of(tx, row.record.type);
  auto view = view_run(row, durable::fold_all(journal::events(tx, id)), hub.engine.find_workflow(row.record.type),
                       timings, hub.clock.now());
  if (const auto again = durable::retried_by(tx, id)) view.retried_by = again->str();
  if (row.status == durable::RunStatus::pending)
    if (const auto standing = durable::queues::standing_of(tx, id, hub.clock.now()))
      view.waiting = view_standing(*standing);
  return view;
}

std::string etag_of(const RunView& view) {
  return "\"" + std::to_string(view.last_seq.value_or(0)) + "-" + boost::describe::enum_to_string(view.status, "") +
         "-" + base::sha256_hex(json::print(view)).substr(0, 12) + "\"";
}

void check_expectations(const Call& call, const journal::Row& row, std::int64_t last_seq,
                        const std::optional<durable::RunStatus>& expected_status) {
  const std::string status = boost::describe::enum_to_string(row.status, "");
  const auto stale = [&](const std::string& what) {
    throw base::Error(base::ErrorClass::conflict, "PRECONDITION_FAILED", what,
                      json::Object{{"status", status}, {"lastSeq", last_seq}});
  };
  if (expected_status && *expected_status != row.status) stale("the run is " + status + " by now");
  const auto wanted = call.request.headers.get("If-Match");
  if (!wanted || *wanted == "*") return;
  if (!wanted->starts_with("\"" + std::to_string(last_seq) + "-" + status + "-"))
    stale("the run has gone on since; its last event is now " + std::to_string(last_seq) + ", its status " + status);
}

void add_run_queries(Router& router) {
  const std::string base(kRuns);
  router.add(net::Method::get, base, Permission::member, list_all,
             {.id = "listRuns",
              .tag = "Runs",
              .summary = "Runs by any filter",
              .description = "Of a long list `total` is an estimate, and `totalIsEstimate` says so.",
              .query = query_of<RunsQuery>(),
              .answer = page_of<RunView>()});
  router.add(
      net::Method::get, base + "/:id", Permission::member, get,
      {.id = "getRun", .tag = "Runs", .summary = "One run with its steps", .answer = one<RunView>(), .etag = true});
  router.add(net::Method::get, base + "/:id/state", Permission::member, state,
             {.id = "getRunState",
              .tag = "Runs",
              .summary = "The run as it was after one of its events",
              .query = query_of<StateQuery>(),
              .answer = one<RunView>()});
  router.add(net::Method::get, base + "/:id/children", Permission::member, children,
             {.id = "listRunChildren",
              .tag = "Runs",
              .summary = "The runs that it started",
              .query = query_of<ChildrenQuery>(),
              .answer = page_of<RunView>()});
}

}  // namespace slipway::api
