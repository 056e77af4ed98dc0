// Queues, for admins: their limits, their pauses, and who waits in them.

#include "api/commit.h"
#include "api/query.h"
#include "api/routes.h"
#include "durable/queue_store.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
namespace queues = durable::queues;

constexpr std::int64_t kKeysShown = 50;        // those with the most waiting runs
constexpr std::size_t kReasonMax = 500;        // characters
constexpr std::int64_t kCountMax = 1'000'000;  // these two as durable::validate has them
constexpr std::int64_t kPeriodMaxMs = 366 * std::int64_t(24) * 3'600'000;
constexpr std::size_t kQueuesMax = 1'000;  // every look of every replica reads them all

struct RateView {
  std::int64_t count = 0;
  base::Duration period_ms{0};
};
SLIPWAY_JSON_CAMEL(RateView, count, period_ms)
inline const json::Rules& json_rules(const RateView*) {
  static const json::Rules rules{{.member = "count", .minimum = 1, .maximum = kCountMax},
                                 {.member = "period_ms", .minimum = 1, .maximum = kPeriodMaxMs}};
  return rules;
}

// The whole of the limits: what is left out is not limited.
struct PutQueue {
  std::optional<std::int64_t> concurrency;
  std::optional<std::int64_t> key_concurrency;
  std::optional<RateView> rate;
  std::optional<std::int64_t> size;
};
SLIPWAY_JSON_CAMEL(PutQueue, concurrency, key_concurrency, rate, size)
inline const json::Rules& json_rules(const PutQueue*) {
  static const json::Rules rules{
      {.member = "concurrency", .description = "Runs at work at once", .minimum = 1},
      {.member = "key_concurrency", .description = "The same for each key", .minimum = 1},
      {.member = "rate", .description = "Runs that may begin in a period"},
      {.member = "size", .description = "Runs that may wait: more are refused with QUEUE_FULL", .minimum = 1}};
  return rules;
}

struct PatchQueue {
  bool paused = false;
  std::optional<std::string> reason;
};
SLIPWAY_JSON_CAMEL(PatchQueue, paused, reason)
inline const json::Rules& json_rules(const PatchQueue*) {
  static const json::Rules rules{{.member = "paused", .description = "Whether nothing of it may begin"},
                                 {.member = "reason", .description = "For people", .max_length = kReasonMax}};
  return rules;
}

struct PauseView {
  base::Instant at;
  std::string by;
  std::string reason;
};
SLIPWAY_JSON_CAMEL(PauseView, at, by, reason)

struct KeyView {
  std::string key;
  std::int64_t waiting = 0;
  std::int64_t admitted = 0;
  std::optional<base::Instant> waiting_since;
};
SLIPWAY_JSON_CAMEL(KeyView, key, waiting, admitted, waiting_since)

struct QueueView {
  std::string name;
  std::optional<std::int64_t> concurrency;
  std::optional<std::int64_t> key_concurrency;
  std::optional<RateView> rate;
  std::optional<std::int64_t> size;
  std::optional<PauseView> paused;
  std::int64_t waiting = 0;
  std::int64_t admitted = 0;
  std::optional<base::Instant> waiting_since;
  std::optional<std::vector<KeyView>> keys;  // left out in lists
};
SLIPWAY_JSON_CAMEL(QueueView, name, concurrency, key_concurrency, rate, size, paused, waiting, admitted, waiting_since,
                   keys)

struct NamedView {
  std::string name;
};
SLIPWAY_JSON_CAMEL(NamedView, name)

QueueView view_queue(store::Transaction& tx, const durable::Queue& queue) {
  const auto counts = queues::counts(tx, queue.name);
  QueueView view{.name = queue.name,
                 .concurrency = queue.limits.concurrency,
                 .key_concurrency = queue.limits.key_concurrency,
                 .rate = {},
                 .size = queue.limits.size,
                 .paused = {},
                 .waiting = counts.waiting,
                 .admitted = counts.admitted,
                 .waiting_since = counts.waiting_since,
                 .keys = {}};
  if (queue.limits.rate) view.rate = RateView{queue.limits.rate->count, queue.limits.rate->period};
  if (queue.pause) view.paused = PauseView{queue.pause->at, queue.pause->by, queue.pause->reason};
  return view;
}

// With its keys. Throws NOT_FOUND.
json::Value show(store::Transaction& tx, const std::string& name) {
  const auto found = queues::find(tx, name);
  if (!found) throw base::not_found("queue", name);
  auto view = view_queue(tx, found->queue);
  view.keys.emplace();
  for (const auto& key : queues::keys(tx, name, kKeysShown))
    view.keys->push_back({key.key, key.waiting, key.admitted, key.waiting_since});
  return json::to_value(view);
}

Answer list_all(Call& call) {
  parse_query<NoQuery>(call);
  json::Array items;
  co_await read(call.hub, [&](store::Transaction& tx) {
    items.clear();
    for (const auto& row : queues::list(tx)) items.push_back(json::to_value(view_queue(tx, row.queue)));
  });
  const auto count = std::int64_t(items.size());
  co_return list(call.meta(), std::move(items), {.total = count, .page_size = count});
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  json::Value view;
  co_await read(call.hub, [&](store::Transaction& tx) { view = show(tx, call.parameters.at(0)); });
  co_return call.success(200, view);
}

// Changes the queue, answers with what it is then, and tells the engine.
Answer change(Call& call, std::string_view action, std::function<void(store::Transaction&)> deed, json::Value details) {
  const std::string name = call.parameters.at(0);
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    deed(tx);
    const bool is_there = queues::find(tx, name).has_value();
    return Deed{.answer = call.success(200, is_there ? show(tx, name) : json::to_value(NamedView{name})),
                .action = std::string(action),
                .resource_type = "queue",
                .resource_id = name,
                .details = details};
  });
  call.hub.engine.queue_changed(name);
  co_return std::move(committed.answer);
}

Answer put(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<PutQueue>(call);
  durable::QueueLimits limits{
      .concurrency = request.concurrency, .key_concurrency = request.key_concurrency, .rate = {}, .size = request.size};
  if (request.rate) limits.rate = durable::Rate{.count = request.rate->count, .period = request.rate->period_ms};
  const std::string name = call.parameters.at(0);
  durable::validate_queue_name(name);
  durable::validate(limits);
  const auto put_it = [name, limits, now = call.hub.clock.now()](store::Transaction& tx) {
    if (!queues::find(tx, name) && queues::list(tx).size() >= kQueuesMax)
      throw base::Error(base::ErrorClass::quota, "QUOTA_EXCEEDED",
                        "there are " + std::to_string(kQueuesMax) + " queues already");
    queues::put(tx, name, limits, now);
  };
  co_return co_await change(call, "queue.put", put_it, json::to_value(request));
}

Answer patch(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<PatchQueue>(call);
  const auto now = call.hub.clock.now();
  std::optional<durable::Pause> pause;
  if (request.paused)
    pause = durable::Pause{.at = now, .by = call.caller->user.str(), .reason = request.reason.value_or("")};
  const auto set = [name = call.parameters.at(0), pause, now](store::Transaction& tx) {
    queues::set_pause(tx, name, pause, now);
  };
  co_return co_await change(call, request.paused ? "queue.pause" : "queue.resume", set, json::to_value(request));
}

Answer remove(Call& call) {
  parse_query<NoQuery>(call);
  const auto take_away = [name = call.parameters.at(0)](store::Transaction& tx) { queues::remove(tx, name); };
  co_return co_await change(call, "queue.delete", take_away, json::Object{});
}

}  // namespace

void add_queue_routes(Router& router) {
  const std::string base = "/v1/queues";
  router.add(net::Method::get, base, Permission::admin, list_all,
             {.id = "listQueues",
              .tag = "Queues",
              .summary = "All queues, with how many runs wait and are at work",
              .answer = page_of<QueueView>()});
  router.add(net::Method::get, base + "/:name", Permission::admin, get,
             {.id = "getQueue",
              .tag = "Queues",
              .summary = "One queue, with the 50 keys that have the most runs waiting",
              .answer = one<QueueView>()});
  router.add(net::Method::put, base + "/:name", Permission::admin, put,
             {.id = "putQueue",
              .tag = "Queues",
              .summary = "Makes a queue, or sets all of its limits",
              .body = body_of<PutQueue>(),
              .answer = one<QueueView>()});
  router.add(net::Method::patch, base + "/:name", Permission::admin, patch,
             {.id = "pauseQueue",
              .tag = "Queues",
              .summary = "Pauses a queue, or lets it go on",
              .body = body_of<PatchQueue>(),
              .answer = one<QueueView>()});
  router.add(net::Method::del, base + "/:name", Permission::admin, remove,
             {.id = "deleteQueue",
              .tag = "Queues",
              .summary = "Takes a queue away: who waits in it begins",
              .answer = one<NamedView>(),
              .errors = {409}});
}

}  // namespace slipway::api
