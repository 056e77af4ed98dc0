#include "api/routes.h"

#include <charconv>

#include "api/commit.h"
#include "api/doorbell.h"
#include "api/run_view.h"
#include "durable/run_list.h"
#include "net/sse.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
namespace journal = durable::journal;

constexpr std::int64_t kEventsPerRead = 500;  // of a stream: bounds memory
constexpr base::Duration kHeartbeat =
    std::chrono::seconds(15);  // so that proxies keep the stream, and we notice its end

base::RunId read_id(const Call& call) {
  const auto& text = call.parameters.at(0);
  if (!base::is_prefixed_id(text, base::RunKind::prefix)) throw base::not_found("run", text);
  return base::RunId(text);
}

// The run if the caller may see it; else there is none.
journal::Row visible(store::Transaction& tx, const Call& call, const base::RunId& id) {
  auto row = journal::find(tx, id);
  if (!row || (!call.caller->is_admin() && row->record.owner_id != call.caller->user.str()))
    throw base::not_found("run", id.str());
  return *std::move(row);
}

std::optional<base::Instant> read_time(const Call& call, std::string_view name) {
  const auto text = call.request.query_value(name);
  if (!text) return std::nullopt;
  const auto at = base::parse_rfc3339(*text);
  if (!at) throw base::validation_error(name, "is not a time such as 2025-01-12T10:00:00Z");
  return at;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    const auto comma = text.find(',', from);
    parts.push_back(text.substr(from, comma - from));
    if (comma == std::string::npos) return parts;
    from = comma + 1;
  }
}

journal::Filter read_filter(const Call& call, const Paging& paging) {
  journal::Filter filter;
  if (const auto types = call.request.query_value("type")) filter.types = split(*types);
  filter.resource_type = call.request.query_value("resourceType");
  filter.resource_id = call.request.query_value("resourceId");
  filter.triggered_by = call.request.query_value("triggeredBy");
  if (const auto statuses = call.request.query_value("status"))
    for (const auto& status : split(*statuses))
      filter.statuses.push_back(json::from_value<durable::RunStatus>(
          json::Value(std::string_view(status)), json::Mode::strict, json::Path{&json::kRoot, "status"}));
  filter.since = read_time(call, "since");
  filter.until = read_time(call, "until");
  filter.owner_id = call.caller->scope().owner_id();
  if (!paging.cursor.empty() && !base::is_prefixed_id(paging.cursor, base::RunKind::prefix))
    throw base::validation_error("cursor", "is none of ours");
  filter.after = paging.cursor;
  filter.offset = paging.offset();
  filter.limit = paging.limit + 1;
  return filter;
}

Answer list_all(Call& call) {
  expect_query(call, {"type", "status", "resourceType", "resourceId", "triggeredBy", "since", "until", "limit", "page",
                      "cursor"});
  const auto paging = read_paging(call);
  const auto filter = read_filter(call, paging);
  std::vector<journal::Row> rows;
  Page page{.page = paging.page, .page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    rows = journal::list(tx, filter);
    const auto total = journal::total(tx, filter);
    page.total = total.count;
    page.total_is_estimate = total.is_estimate ? std::optional(true) : std::nullopt;
  });
  page.has_more = std::int64_t(rows.size()) > paging.limit;
  if (page.has_more) {
    rows.pop_back();
    page.next_cursor = rows.back().record.id.str();
  }
  json::Array items;
  for (const auto& row : rows) items.push_back(json::to_value(view_row(row)));
  co_return list(call.meta(), std::move(items), page);
}

Answer get(Call& call) {
  expect_query(call, {});
  const auto id = read_id(call);
  std::optional<RunView> view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto row = visible(tx, call, id);
    view = view_run(row, durable::fold_all(journal::events(tx, id)), call.hub.engine.find_workflow(row.record.type));
    if (row.status == durable::RunStatus::pending)
      if (const auto standing = durable::queues::standing_of(tx, id, call.hub.clock.now()))
        view->waiting = view_standing(*standing);
  });
  co_return call.success(200, json::to_value(*view));
}

std::int64_t read_last_event_id(const Call& call) {
  const auto header = call.request.headers.get("Last-Event-ID");
  if (!header || header->empty()) return 0;
  std::int64_t seq = 0;
  const auto [end, failure] = std::from_chars(header->data(), header->data() + header->size(), seq);
  if (failure != std::errc() || end != header->data() + header->size() || seq < 0)
    throw base::validation_error("Last-Event-ID", "is none of ours");
  return seq;
}

// Sends what the journal has, then what comes, until the run has ended and all is told (WF-44).
net::Awaitable<void> follow(Call& call, base::RunId id, std::int64_t after) {
  const auto bell = call.hub.run_bell.bell(id.str());
  net::Response head{.status = 200, .headers = {}, .body = net::format_retry(base::Duration(500))};
  head.headers.set("Content-Type", "text/event-stream");
  head.headers.set("Cache-Control", "no-store");
  head.headers.set("X-Accel-Buffering", "no");
  head.headers.set("X-Request-Id", call.request_id);
  auto stream = co_await call.exchange.start_stream(std::move(head));
  stream->on_closed([bell] { bell->notify_all(); });
  while (!stream->closed()) {
    std::vector<durable::Event> events;
    bool ended = false;
    co_await read(call.hub, [&](store::Transaction& tx) {
      ended = visible(tx, call, id).completed_at.has_value();
      events = journal::events(tx, id, after, kEventsPerRead);
    });
    std::string text;
    for (const auto& event : events) {
      after = event.seq;
      text += net::format_event({.id = std::to_string(event.seq),
                                 .event = boost::describe::enum_to_string(event.type, ""),
                                 .data = json::print(view_event(event))});
    }
    if (!text.empty() && !co_await stream->write(std::move(text))) co_return;
    if (std::int64_t(events.size()) == kEventsPerRead) continue;
    if (ended) break;
    if (!co_await bell->wait_for(kHeartbeat) && !co_await stream->write(net::format_comment())) co_return;
  }
  co_await stream->finish();
}

Answer events(Call& call) {
  expect_query(call, {"limit", "cursor"});
  const auto id = read_id(call);
  const auto accept = call.request.headers.get("Accept").value_or("");
  if (accept.find("text/event-stream") != std::string_view::npos) {
    const auto after = read_last_event_id(call);
    co_await read(call.hub, [&](store::Transaction& tx) { visible(tx, call, id); });
    co_await follow(call, id, after);
    co_return std::nullopt;
  }
  const auto paging = read_paging(call);
  std::int64_t after = 0;
  const auto [end, failure] = std::from_chars(paging.cursor.data(), paging.cursor.data() + paging.cursor.size(), after);
  if (!paging.cursor.empty() && (failure != std::errc() || end != paging.cursor.data() + paging.cursor.size()))
    throw base::validation_error("cursor", "is none of ours");
  std::vector<durable::Event> found;
  Page page{.page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    visible(tx, call, id);
    found = journal::events(tx, id, after, paging.limit + 1);
    page.total = journal::count_events(tx, id);
  });
  page.has_more = std::int64_t(found.size()) > paging.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = std::to_string(found.back().seq);
  }
  json::Array items;
  for (const auto& event : found) items.push_back(json::to_value(view_event(event)));
  co_return list(call.meta(), std::move(items), page);
}

net::Awaitable<void> ask_to_cancel(Hub& hub, base::RunId id, std::string by) {
  net::Completion done(hub.io);
  std::exception_ptr failure;
  hub.engine.cancel(id, by, [&failure, done](std::exception_ptr outcome) mutable {
    failure = outcome;
    done.complete();
  });
  co_await done.wait();
  if (failure) std::rethrow_exception(failure);
}

Answer cancel(Call& call) {
  expect_query(call, {});
  const auto id = read_id(call);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto row = visible(tx, call, id);
    if (row.completed_at)
      throw base::invalid_state("the run has ended: " + std::string(boost::describe::enum_to_string(row.status, "")));
    const auto view =
        view_run(row, durable::fold_all(journal::events(tx, id)), call.hub.engine.find_workflow(row.record.type));
    const auto url = "/v1/workflows/runs/" + id.str();
    auto answer = call.success(202, json::Object{{"run", json::to_value(view)}, {"statusUrl", url}});
    answer.headers.set("Location", url);
    answer.headers.set("Retry-After", "1");
    return Deed{.answer = std::move(answer), .action = "run.cancel", .resource_type = "run", .resource_id = id.str()};
  });
  // Also for an answer from before: the hub may have died between the answer's commit and the asking.
  try {
    co_await ask_to_cancel(call.hub, id, call.caller->user.str());
  } catch (const base::Error& error) {
    if (!committed.replayed || error.code() != "INVALID_STATE_TRANSITION") throw;
  }
  co_return std::move(committed.answer);
}

}  // namespace

void add_run_routes(Router& router) {
  const std::string base = "/v1/workflows/runs";
  router.add(net::Method::get, base, Permission::member, list_all);
  router.add(net::Method::get, base + "/:id", Permission::member, get);
  router.add(net::Method::get, base + "/:id/events", Permission::member, events);
  router.add(net::Method::post, base + "/:id/cancel", Permission::member, cancel);
}

}  // namespace slipway::api
