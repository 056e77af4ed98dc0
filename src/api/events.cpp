// GET /v1/events: the live stream of the caller's changes, resumable by Last-Event-ID (WF-44).

#include <charconv>

#include "api/change_stream.h"
#include "api/routes.h"
#include "net/sse.h"

namespace slipway::api {
namespace {

constexpr std::int64_t kReplayPage = 500;
constexpr base::Duration kHeartbeat = std::chrono::seconds(15);

std::string format(const fleet::Change& change) {
  const auto dot = change.type.find('.');
  return net::format_event(
      {.id = std::to_string(change.seq), .event = change.type.substr(0, dot), .data = json::print(change)});
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

// From the feed itself: what a reconnecting or lagging reader missed. Gives the number of the last one sent.
net::Awaitable<std::optional<std::int64_t>> catch_up(Call& call, net::Stream& stream, fleet::Scope scope,
                                                     std::int64_t after) {
  for (;;) {
    std::vector<fleet::Change> missed;
    co_await read(call.hub, [&](store::Transaction& tx) {
      missed = fleet::changes_between(tx, scope, after, call.hub.changes.position(), kReplayPage);
    });
    std::string text;
    for (const auto& change : missed) {
      after = change.seq;
      text += format(change);
    }
    if (!text.empty() && !co_await stream.write(std::move(text))) co_return std::nullopt;
    if (std::int64_t(missed.size()) < kReplayPage) co_return after;
  }
}

net::Awaitable<std::optional<net::Response>> stream_changes(Call& call) {
  expect_query(call, {});
  const auto resume = read_last_event_id(call);
  const auto scope = call.caller->scope();
  co_await call.hub.changes.wait_until_begun();
  const auto subscription = call.hub.changes.subscribe(scope);
  std::int64_t sent = call.hub.changes.position();

  net::Response head{.status = 200, .headers = {}, .body = net::format_retry(base::Duration(500))};
  // Tells a first-time reader where it stands, so that a reconnect before the first change misses nothing.
  head.body += net::format_event({.id = std::to_string(resume.value_or(sent)), .event = "hello", .data = "{}"});
  head.headers.set("Content-Type", "text/event-stream");
  head.headers.set("Cache-Control", "no-store");
  head.headers.set("X-Accel-Buffering", "no");
  head.headers.set("X-Request-Id", call.request_id);
  auto stream = co_await call.exchange.start_stream(std::move(head));
  stream->on_closed([subscription] { subscription->arrived.notify_all(); });
  if (resume) {
    const auto reached = co_await catch_up(call, *stream, scope, *resume);
    if (!reached) co_return std::nullopt;
    sent = *reached;
  }
  while (!stream->closed()) {
    if (std::exchange(subscription->lagging, false)) {
      const auto reached = co_await catch_up(call, *stream, scope, sent);
      if (!reached) co_return std::nullopt;
      sent = *reached;
    }
    std::string text;
    for (; !subscription->waiting.empty(); subscription->waiting.pop_front()) {
      const auto& change = *subscription->waiting.front();
      if (change.seq <= sent) continue;
      sent = change.seq;
      text += format(change);
    }
    if (!text.empty()) {
      if (!co_await stream->write(std::move(text))) co_return std::nullopt;
    } else if (!co_await subscription->arrived.wait_for(kHeartbeat)) {
      if (!co_await stream->write(net::format_comment())) co_return std::nullopt;
    }
  }
  co_await stream->finish();
  co_return std::nullopt;
}

}  // namespace

void add_event_routes(Router& router) {
  router.add(net::Method::get, "/v1/events", Permission::member, stream_changes);
}

}  // namespace slipway::api
