// Messages that subscriptions delivered: list, look at, and do a refused one again (WP-1). For admins.

#include "api/commit.h"
#include "api/cursor.h"
#include "api/launch.h"
#include "api/query.h"
#include "api/routes.h"
#include "api/run_view.h"
#include "base/digest.h"
#include "durable/journal.h"
#include "fleet/alert.h"
#include "fleet/received_message.h"
#include "workflows/message_judgement.h"
#include "workflows/workstation_intake.h"

namespace slipway::api {
namespace {

using fleet::MessageId;
using fleet::MessageOutcome;
using fleet::ReceivedMessage;
using Answer = net::Awaitable<std::optional<net::Response>>;

struct MessageView {
  MessageId id;
  std::string subscription, message_id;
  std::optional<base::Instant> published_at;
  base::Instant received_at, last_received_at;
  std::int64_t deliveries = 1;
  MessageOutcome outcome = MessageOutcome::accepted;
  std::optional<base::RunId> run_id;
  std::optional<std::string> reason, explanation, ordering_key, dead_letter_message_id;
  std::optional<base::RunId> dead_letter_run_id;
  std::optional<base::Instant> replayed_at;
  std::optional<std::string> replayed_by;
  std::optional<std::string> data, data_base64;
  std::optional<std::map<std::string, std::string>> attributes;
};
SLIPWAY_JSON_CAMEL(MessageView, id, subscription, message_id, published_at, received_at, last_received_at, deliveries,
                   outcome, run_id, reason, explanation, ordering_key, dead_letter_message_id, dead_letter_run_id,
                   replayed_at, replayed_by, data, data_base64, attributes)
inline const json::Rules& json_rules(const MessageView*) {
  static const json::Rules rules{
      {.member = "message_id", .description = "The topic's own"},
      {.member = "deliveries", .description = "How often it came"},
      {.member = "outcome", .description = "refused: it could never work"},
      {.member = "run_id", .description = "Of workstation.provision"},
      {.member = "reason", .description = "Of a refusal; stays when it is replayed", .example = R"("unknown_tier")"},
      {.member = "dead_letter_message_id", .description = "Once it is in the dead-letter topic"},
      {.member = "data", .description = "As it came, if it is text; of a refused one, and not in lists"},
      {.member = "data_base64", .description = "The same where it is no text"}};
  return rules;
}

MessageView view_message(const ReceivedMessage& message, bool with_data) {
  MessageView view{.id = message.id,
                   .subscription = message.subscription,
                   .message_id = message.message_id,
                   .published_at = message.published_at,
                   .received_at = message.received_at,
                   .last_received_at = message.last_received_at,
                   .deliveries = message.deliveries,
                   .outcome = message.outcome,
                   .run_id = message.run_id,
                   .dead_letter_message_id = message.dead_letter_message_id,
                   .dead_letter_run_id = message.dead_letter_run_id,
                   .replayed_at = message.replayed_at,
                   .replayed_by = message.replayed_by};
  if (!message.ordering_key.empty()) view.ordering_key = message.ordering_key;
  if (message.refusal) {
    view.reason = message.refusal->reason;
    view.explanation = message.refusal->explanation;
  }
  if (!with_data || !message.data) return view;
  if (net::is_valid_utf8(*message.data))
    view.data = message.data;
  else
    view.data_base64 = base::base64(*message.data);
  view.attributes = message.attributes;
  return view;
}

struct ListMessages {
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
  std::optional<MessageOutcome> outcome;
  std::optional<std::string> subscription;
  std::optional<base::Instant> since;
};
SLIPWAY_JSON_CAMEL(ListMessages, limit, cursor, outcome, subscription, since)
inline const json::Rules& json_rules(const ListMessages*) {
  static const json::Rules rules{
      kLimitRule,
      kCursorRule,
      {.member = "outcome", .description = "accepted or refused"},
      {.member = "subscription", .description = "Of this one, by its full name", .max_length = 1'000},
      {.member = "since", .description = "Received at this time or later"}};
  return rules;
}

struct ReplayMessage {
  std::optional<json::Value> data;
};
SLIPWAY_JSON_CAMEL(ReplayMessage, data)
inline const json::Rules& json_rules(const ReplayMessage*) {
  static const json::Rules rules{
      {.member = "data",
       .description = "The order as it should have been, an object; the message's own data, if not given",
       .example = R"({"user_id":"u-1","org_id":"acme","tier":"starter","user_email":"ann@example.com"})"}};
  return rules;
}

// For the document: launch.h makes it.
struct AcceptedMessage {
  MessageView message;
  RunView run;
  std::string status_url;
  std::optional<base::Duration> estimated_duration_ms;
};
SLIPWAY_JSON_CAMEL(AcceptedMessage, message, run, status_url, estimated_duration_ms)

Answer list_some(Call& call) {
  const auto query = parse_query<ListMessages>(call);
  const fleet::MessageFilter filter{.outcome = query.outcome,
                                    .subscription = query.subscription,
                                    .since = query.since,
                                    .before = read_cursor(call, query.cursor.value_or("")),
                                    .limit = query.limit + 1};
  std::vector<ReceivedMessage> found;
  Page page{.page_size = query.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    found = fleet::list_messages(tx, filter);
    const auto total = fleet::count_messages(tx, filter);
    page.total = total.count;
    page.total_is_estimate = total.is_capped ? std::optional(true) : std::nullopt;
  });
  page.has_more = std::int64_t(found.size()) > query.limit;
  if (page.has_more) {
    found.pop_back();
    page.next_cursor = make_cursor(call, found.back().id.str());
  }
  json::Array items;
  for (const auto& message : found) items.push_back(json::to_value(view_message(message, false)));
  co_return list(call.meta(), std::move(items), page);
}

ReceivedMessage message_of(store::Transaction& tx, const Call& call) {
  const MessageId id(call.parameters.at(0));
  auto message = fleet::find_message(tx, id);
  if (!message) throw base::not_found("message", id.str());
  return std::move(*message);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  json::Value shown;
  co_await read(call.hub,
                [&](store::Transaction& tx) { shown = json::to_value(view_message(message_of(tx, call), true)); });
  co_return call.success(200, std::move(shown));
}

workflows::WorkstationIntake& intake_of(const Call& call) {
  if (call.hub.intake == nullptr)
    throw base::invalid_state("this hub works with no cloud: start it with slipway serve --cloud FILE");
  return *call.hub.intake;
}

void check_refused(const ReceivedMessage& message) {
  if (message.outcome == MessageOutcome::accepted)
    throw base::invalid_state("the message was accepted already, by run " +
                              message.run_id.value_or(base::RunId()).str() + "; if that failed, retry the run");
}

workflows::Order order_of(const ReplayMessage& request, const ReceivedMessage& message, const fleet::Tiers& tiers) {
  const auto data = request.data ? json::print_value(*request.data) : message.data.value_or("");
  auto order = workflows::judge_order(data, tiers);
  if (!order) throw base::validation_error("data", order.error().explanation);
  return std::move(*order);
}

// Whether nothing of the subscription is refused any more.
void resolve_when_none_is_left(store::Transaction& tx, const std::string& subscription, std::string_view by,
                               base::Instant now) {
  const fleet::MessageFilter refused{
      .outcome = MessageOutcome::refused, .subscription = subscription, .since = {}, .before = {}, .limit = 1};
  if (fleet::list_messages(tx, refused).empty())
    fleet::resolve_alert(tx, workflows::kRefusedAlert, "subscription", subscription, by, now);
}

// The run is that of the message: it stays the only one, however often it is delivered or replayed.
Answer replay(Call& call) {
  parse_query<NoQuery>(call);
  const auto request = parse_body<ReplayMessage>(call);
  auto& intake = intake_of(call);
  ReceivedMessage message;
  const auto look = [&](store::Transaction& tx) { message = message_of(tx, call); };
  if (auto earlier = co_await look_unless_answered(call, look)) co_return std::move(*earlier);
  check_refused(message);
  auto run = intake.make_run(order_of(request, message, intake.tiers()), message);
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    auto changed = fleet::get_message_for_update(tx, message.id);
    check_refused(changed);
    durable::journal::insert_run(tx, run);
    fleet::accept_replayed(tx, changed.id, run.id, call.caller->user.str(), now);
    resolve_when_none_is_left(tx, changed.subscription, call.caller->user.str(), now);
    changed = fleet::find_message(tx, changed.id).value();
    const auto usual = durable::journal::usual_duration(tx, run.type);
    return Deed{.answer = accepted(call, run, "message", json::to_value(view_message(changed, true)), usual),
                .action = "message.replay",
                .resource_type = "message",
                .resource_id = changed.id.str(),
                .details = json::Object{{"run", run.id.str()}, {"corrected", request.data.has_value()}}};
  });
  if (committed.replayed) co_return std::move(committed.answer);
  co_return co_await launch(call, std::move(run), std::move(committed.answer));
}

}  // namespace

void add_message_routes(Router& router) {
  const std::string base = "/v1/messages";
  const std::string tag = "Messages";
  router.add(net::Method::get, base, Permission::admin, list_some,
             {.id = "listMessages",
              .tag = tag,
              .summary = "Messages of the subscription and what was made of them, newest first",
              .query = query_of<ListMessages>(),
              .answer = page_of<MessageView>()});
  router.add(net::Method::get, base + "/:id", Permission::admin, show,
             {.id = "getMessage",
              .tag = tag,
              .summary = "One message; of a refused one, what came and why it could not work",
              .answer = one<MessageView>()});
  router.add(net::Method::post, base + "/:id/replay", Permission::admin, replay,
             {.id = "replayMessage",
              .tag = tag,
              .summary = "Does a refused message again, by its one run",
              .description = "With the order as it should have been, or as it came when what was wrong is mended here, "
                             "as a tier that did not exist.",
              .body = optional_body_of<ReplayMessage>(),
              .answer = one<AcceptedMessage>(202),
              .prefer_wait = true,
              .errors = {409}});
}

}  // namespace slipway::api
