// A run's journal: as pages, and as a live stream (WF-6, WF-44).

#include <charconv>

#include "api/cursor.h"
#include "api/doorbell.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/runs.h"
#include "net/sse.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
namespace journal = durable::journal;

constexpr std::int64_t kEventsPerRead = 500;  // of a stream: bounds memory
constexpr base::Duration kHeartbeat =
    std::chrono::seconds(15);  // so that proxies keep the stream, and we notice its end

struct EventsQuery {
  std::vector<durable::EventType> type;
  std::int64_t after = 0;
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
};
SLIPWAY_JSON_CAMEL(EventsQuery, type, after, limit, cursor)
inline const json::Rules& json_rules(const EventsQuery*) {
  static const json::Rules rules{
      {.member = "type", .description = "One or several, separated by commas", .max_items = 50},
      {.member = "after", .description = "Those with a greater number. A stream may begin there too", .minimum = 0},
      kLimitRule,
      kCursorRule};
  return rules;
}

std::int64_t read_last_event_id(std::string_view text) {
  std::int64_t seq = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seq);
  if (failure != std::errc() || end != text.data() + text.size() || seq < 0)
    throw base::validation_error("Last-Event-ID", "is none of ours");
  return seq;
}

bool is_wanted(const EventsQuery& query, const durable::Event& event) {
  return query.type.empty() || std::ranges::find(query.type, event.type) != query.type.end();
}

// Sends what the journal has, then what comes, until the run has ended and all is told.
net::Awaitable<void> follow(Call& call, base::RunId id, const EventsQuery& query, std::int64_t after) {
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
      ended = visible_run(tx, call, id).completed_at.has_value();
      events = journal::events(tx, id, after, kEventsPerRead);
    });
    std::string text;
    for (const auto& event : events) {
      after = event.seq;
      if (!is_wanted(query, event)) continue;
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

Answer stream(Call& call, base::RunId id, EventsQuery query) {
  auto after = query.after;
  if (const auto last = call.request.headers.get("Last-Event-ID"); last && !last->empty())
    after = std::max(after, read_last_event_id(*last));
  co_await read(call.hub, [&](store::Transaction& tx) { visible_run(tx, call, id); });
  co_await follow(call, id, query, after);
  co_return std::nullopt;
}

Answer events(Call& call) {
  const auto query = parse_query<EventsQuery>(call);
  const auto id = read_run_id(call);
  const auto accept = call.request.headers.get("Accept").value_or("");
  if (accept.find("text/event-stream") != std::string_view::npos) co_return co_await stream(call, id, query);
  auto after = query.after;
  if (query.cursor) after = std::max(after, read_number_cursor(call, *query.cursor).value_or(0));
  std::vector<durable::Event> found;
  Page page{.page_size = query.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    visible_run(tx, call, id);
    found = journal::events(tx, id, after, query.limit + 1, query.type);
    page.total = journal::count_events(tx, id, query.type);
  });
  page.has_more = std::int64_t(found.size()) > query.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, std::to_string(found.back().seq));
  }
  json::Array items;
  for (const auto& event : found) items.push_back(json::to_value(view_event(event)));
  co_return list(call.meta(), std::move(items), page);
}

}  // namespace

void add_run_event_routes(Router& router) {
  router.add(net::Method::get, std::string(kRuns) + "/:id/events", Permission::member, events,
             {.id = "listRunEvents",
              .tag = "Runs",
              .summary = "The run's journal, oldest first",
              .description = "A stream ends when the run has ended and all is told.",
              .query = query_of<EventsQuery>(),
              .answer = page_of<EventView>(),
              .stream = events_of<EventView>()});
}

}  // namespace slipway::api
