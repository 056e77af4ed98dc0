// GET /v1/events: everything that the caller may see, as it happens: a live stream, resumable by Last-Event-ID on any
// replica (WF-44), or a page of what happened, for scripts. As CloudEvents 1.0 where asked (WF-46).

#include <charconv>

#include "api/change_stream.h"
#include "api/query.h"
#include "api/routes.h"
#include "net/sse.h"

namespace slipway::api {
namespace {

constexpr std::int64_t kReplayPage = 500;
constexpr base::Duration kHeartbeat = std::chrono::seconds(15);

struct EventsQuery {
  std::optional<std::vector<std::string>> types;
  std::optional<std::string> resource_id;
  std::optional<std::string> format;
  std::optional<std::int64_t> after;
  std::int64_t limit = 100;
};
SLIPWAY_JSON_CAMEL(EventsQuery, types, resource_id, format, after, limit)
inline const json::Rules& json_rules(const EventsQuery*) {
  static const json::Rules rules{
      {.member = "types", .description = "Types, or families such as `run.*`, separated by commas"},
      {.member = "resource_id", .description = "Of what it is about: a run, or the resource that a run works on"},
      {.member = "format", .description = "`cloudevents`: each is a CloudEvent 1.0"},
      {.member = "after",
       .description = "Of a page: changes after this one; without it, from the oldest kept",
       .minimum = 0},
      {.member = "limit", .description = "Of a page: how many, at most", .minimum = 1, .maximum = kReplayPage}};
  return rules;
}

struct ChangesView {
  std::vector<json::Value> changes;
  std::int64_t next = 0;
  bool has_more = false;
  std::optional<bool> reset;
};
SLIPWAY_JSON_CAMEL(ChangesView, changes, next, has_more, reset)
inline const json::Rules& json_rules(const ChangesView*) {
  static const json::Rules rules{{.member = "changes", .description = "Oldest first; CloudEvents where asked"},
                                 {.member = "next", .description = "To be asked for as `after` next"},
                                 {.member = "reset",
                                  .description = "True when changes after `after` are not kept any more, or it is none "
                                                 "of this hub's: read anew what you know"}};
  return rules;
}

struct Question {
  fleet::Scope scope;
  EventFilter filter;
  EventFormat format;
};

EventsQuery read_query(const Call& call) {
  auto query = parse_query<EventsQuery>(call);
  if (query.format && *query.format != "cloudevents")
    throw base::validation_error("format", "must be 'cloudevents'", json::Array{"cloudevents"});
  if (query.types) notify::validate_event_types("types", *query.types);
  return query;
}

Question to_question(const Call& call, const EventsQuery& query) {
  return {call.caller->scope(),
          {query.types.value_or(std::vector<std::string>{}), query.resource_id.value_or("")},
          query.format ? EventFormat::cloud_event : EventFormat::plain};
}

std::optional<std::int64_t> read_last_event_id(const Call& call) {
  const auto header = call.request.headers.get("Last-Event-ID");
  if (!header || header->empty()) return std::nullopt;
  std::int64_t seq = 0;
  const auto [end, failure] = std::from_chars(header->data(), header->data() + header->size(), seq);
  if (failure != std::errc() || end != header->data() + header->size() || seq < 0)
    throw base::validation_error("Last-Event-ID", "is none of ours");
  return seq;
}

// Whether all after this place can be told: not when some of it is gone, nor when no change had that number yet. A
// place ahead of this hub's reader is fine: another replica was faster.
bool can_resume(store::Transaction& tx, std::int64_t after) {
  return after >= fleet::first_change(tx) - 1 && after <= fleet::last_change(tx);
}

std::vector<News> news_between(store::Transaction& tx, const Question& question, std::int64_t& after,
                               std::int64_t until, std::int64_t limit, bool& more) {
  std::vector<News> found;
  const auto owner = question.scope.owner_id();
  const auto changes = fleet::changes_between(tx, question.scope, after, until, limit);
  for (const auto& change : changes) {
    after = change.seq;
    News news({owner.value_or(""), change});
    if (question.filter.wants(news.occurrence())) found.push_back(std::move(news));
  }
  more = std::int64_t(changes.size()) == limit;
  return found;
}

// From the feed itself: what a reconnecting or lagging reader missed. Gives the number of the last one sent.
net::Awaitable<std::optional<std::int64_t>> catch_up(Call& call, net::Stream& stream, const Question& question,
                                                     std::int64_t after) {
  const auto until = std::max(after, call.hub.changes.position());
  for (bool more = true; more;) {
    std::string text;
    co_await read(call.hub, [&](store::Transaction& tx) {
      std::int64_t reached = after;
      text.clear();
      for (const auto& news : news_between(tx, question, reached, until, kReplayPage, more))
        text += news.frame(question.format);
      after = reached;
    });
    if (!text.empty() && !co_await stream.write(std::move(text))) co_return std::nullopt;
  }
  co_return until;
}

net::Response stream_head(const Call& call, std::string body) {
  net::Response head{.status = 200, .headers = {}, .body = net::format_retry(base::Duration(500)) + body};
  head.headers.set("Content-Type", "text/event-stream");
  head.headers.set("Cache-Control", "no-store");
  head.headers.set("X-Accel-Buffering", "no");
  head.headers.set("X-Request-Id", call.request_id);
  return head;
}

// A key that is taken away ends the streams that were opened with it.
net::Awaitable<bool> may_still_ask(Call& call) {
  bool known = false;
  co_await read(call.hub, [&](store::Transaction& tx) {
    known = fleet::find_key(tx, base::KeyId(call.caller->key_id)).has_value();
  });
  co_return known;
}

// Hands on what arrives until the reader has gone. `sent`: up to where it has all.
net::Awaitable<void> hand_on(Call& call, net::Stream& stream, ChangeStream::Subscription& subscription,
                             const Question& question, std::int64_t sent) {
  auto checked_at = call.hub.clock.monotonic();
  while (!stream.closed()) {
    if (call.hub.clock.monotonic() - checked_at >= kHeartbeat) {
      if (!co_await may_still_ask(call)) break;
      checked_at = call.hub.clock.monotonic();
    }
    if (std::exchange(subscription.lagging, false)) {  // it was too slow, and its own changes were too many to keep
      const auto reached = co_await catch_up(call, stream, question, sent);
      if (!reached) co_return;
      sent = *reached;
    }
    std::string text;
    for (const auto& news : std::exchange(subscription.waiting, {})) {
      if (news->seq() <= sent) continue;
      sent = news->seq();
      text += news->frame(question.format);
    }
    if (!text.empty()) {
      if (!co_await stream.write(std::move(text))) co_return;
    } else if (!subscription.lagging && !co_await subscription.arrived.wait_for(kHeartbeat)) {
      // All that has come is handed on: a reader of few things need not go back far when it comes again.
      if (subscription.waiting.empty() && !subscription.lagging) sent = std::max(sent, call.hub.changes.position());
      if (!co_await stream.write(net::format_place(std::to_string(sent)))) co_return;
    }
  }
  co_await stream.finish();
}

net::Awaitable<void> stream_changes(Call& call, const Question& question) {
  const auto resume = read_last_event_id(call);
  co_await call.hub.changes.wait_until_begun();
  const auto subscription = call.hub.changes.subscribe(question.scope, question.filter);
  std::int64_t sent = call.hub.changes.position();
  bool reset = false;
  if (resume) co_await read(call.hub, [&](store::Transaction& tx) { reset = !can_resume(tx, *resume); });
  // Tells a reader where it stands, so that a reconnect before the first change misses nothing.
  const auto begun_at = std::to_string(resume && !reset ? *resume : sent);
  auto hello = net::format_event({.id = begun_at, .event = "hello", .data = "{}"});
  if (reset)
    hello +=
        net::format_event({.id = begun_at,
                           .event = "reset",
                           .data = R"({"reason":"what came since is not kept any more: read anew what you show"})"});
  auto stream = co_await call.exchange.start_stream(stream_head(call, std::move(hello)));
  stream->on_closed([weak = std::weak_ptr(subscription)] {
    if (const auto subscription = weak.lock()) subscription->arrived.notify_all();
  });
  if (resume && !reset) {
    const auto reached = co_await catch_up(call, *stream, question, *resume);
    if (!reached) co_return;
    sent = *reached;
  }
  co_await hand_on(call, *stream, *subscription, question, sent);
}

net::Awaitable<net::Response> page_changes(Call& call, const Question& question, const EventsQuery& query) {
  co_await call.hub.changes.wait_until_begun();
  const auto until = call.hub.changes.position();
  ChangesView view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    view = {};
    view.next = query.after.value_or(0);
    if (query.after && !can_resume(tx, *query.after)) {
      view.reset = true;
      view.next = until;
      return;
    }
    for (const auto& news : news_between(tx, question, view.next, until, query.limit, view.has_more))
      view.changes.push_back(question.format == EventFormat::plain ? json::to_value(news.change())
                                                                   : json::parse_value(news.to_cloud_event()));
    if (!view.has_more) view.next = std::max(view.next, until);
  });
  co_return call.success(200, json::to_value(view));
}

net::Awaitable<std::optional<net::Response>> get_events(Call& call) {
  const auto query = read_query(call);
  const auto question = to_question(call, query);
  const auto accept = call.request.headers.get("Accept").value_or("");
  const bool wants_page = accept.find("application/json") != std::string_view::npos &&
                          accept.find("text/event-stream") == std::string_view::npos;
  if (wants_page) co_return co_await page_changes(call, question, query);
  if (query.after)
    throw base::validation_error("after", "is for pages (Accept: application/json); streams resume by Last-Event-ID");
  co_await stream_changes(call, question);
  co_return std::nullopt;
}

}  // namespace

void add_event_routes(Router& router) {
  router.add(
      net::Method::get, "/v1/events", Permission::member, get_events,
      {.id = "streamEvents",
       .tag = "Events",
       .summary = "Changes of everything that the caller may see, live or as a page",
       .description = "With `Accept: application/json` a page of what happened; else a live stream that resumes by "
                      "Last-Event-ID. A stream that cannot resume says so by an event `reset`.",
       .query = query_of<EventsQuery>(),
       .answer = one<ChangesView>(),
       .stream = events_of<fleet::Change>()});
}

}  // namespace slipway::api
