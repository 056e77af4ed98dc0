#include "notify/webhook_deliverer.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "fleet/change_feed.h"
#include "notify/answer_excerpt.h"
#include "notify/delivery_judge.h"
#include "notify/webhook_fan_out.h"
#include "notify/webhook_message.h"
#include "notify/webhook_target.h"

namespace slipway::notify {

using fleet::Delivery;
using fleet::Scope;
using fleet::Webhook;

namespace {

constexpr base::Duration kOwnLook = std::chrono::seconds(1);             // for what other replicas did
constexpr base::Duration kBetweenTurns = std::chrono::milliseconds(10);  // commits come faster than is worth a look
constexpr base::Duration kInspectEvery = std::chrono::seconds(10);

Scope everyones() { return Scope::everything("the hub delivers for everybody"); }

// How many more may be under way.
class Places {
 public:
  explicit Places(fleet::UnderWay taken) : taken_(std::move(taken)) {}
  std::int64_t left(const fleet::DueEndpoint& endpoint) const {
    const auto at_once = endpoint.failures >= kFailuresInARow ? 1 : kSendingToOneMax;
    return std::min(at_once - count(taken_.to_endpoint, endpoint.id.str()),
                    kSendingToOwnerMax - count(taken_.to_owner, endpoint.owner_id.str()));
  }
  void take(const fleet::DueEndpoint& endpoint, std::int64_t places) {
    taken_.to_endpoint[endpoint.id.str()] += places;
    taken_.to_owner[endpoint.owner_id.str()] += places;
  }

 private:
  static std::int64_t count(const std::map<std::string, std::int64_t>& counts, const std::string& key) {
    const auto found = counts.find(key);
    return found == counts.end() ? 0 : found->second;
  }
  fleet::UnderWay taken_;
};

// Endpoints with something due and a free place, the longest due first.
std::vector<fleet::DueEndpoint> find_sendable(std::vector<fleet::DueEndpoint> due, const Places& places,
                                              base::Instant now) {
  std::erase_if(due, [&](const auto& endpoint) { return endpoint.due_at > now || places.left(endpoint) <= 0; });
  std::ranges::sort(due, {}, &fleet::DueEndpoint::due_at);
  return due;
}

// What follows from the answer of a receiver that the endpoint no longer names: its success counts, its failure says
// nothing about the one that is named now, which is asked at once.
Judgement judge_former(const Delivery& delivery, const fleet::WebhookHealth& health, const Reply& reply,
                       base::Instant now) {
  auto judgement = judge(delivery, health, reply, now, 0);
  judgement.health = health;
  if (judgement.delivery.status == fleet::DeliveryStatus::delivered) return judgement;
  const auto attempts = judgement.delivery.attempts;
  judgement.delivery = delivery;
  judgement.delivery.attempts = attempts;
  judgement.delivery.claimed_until.reset();
  judgement.delivery.due_at = now;
  judgement.disable_reason.clear();
  return judgement;
}

}  // namespace

// What a look at the tables shows.
struct WebhookDeliverer::Outlook {
  bool listening = false;
  bool steps_wanted = false;
  bool has_changes = false;
  bool has_unsettled = false;
  bool has_expired = false;
  bool has_sendable = false;
  std::optional<base::Instant> next_due;  // of those that are not due yet
};

// One delivery to send now.
struct WebhookDeliverer::Order {
  Delivery delivery;
  std::string url;
  fleet::WebhookSecrets secrets;
};

struct WebhookDeliverer::Outcome {
  Reply reply;
  fleet::DeliveryAttempt attempt;
};

WebhookDeliverer::WebhookDeliverer(net::IoContext& io, store::Database& database, const fleet::Sealer& sealer,
                                   const base::Clock& clock, base::Random& random, base::IdGenerator& ids,
                                   observe::Registry& metrics, const observe::Logger& log, Send send,
                                   DelivererOptions options)
    : io_(io),
      database_(database),
      sealer_(sealer),
      clock_(clock),
      random_(random),
      ids_(ids),
      metrics_(metrics),
      log_(log),
      send_(std::move(send)),
      options_(std::move(options)),
      looked_for_(io),
      pending_(
          metrics.gauge("slipway_webhook_deliveries_pending", "Webhook deliveries not yet ended, over all replicas.")),
      disabled_(
          metrics.gauge("slipway_webhooks_disabled", "Webhook endpoints disabled because they failed for too long.")),
      latency_(metrics.histogram("slipway_webhook_attempt_duration_seconds",
                                 "From the sending of a webhook to its answer or failure.",
                                 observe::latency_buckets())) {}

void WebhookDeliverer::look() {
  if (listening_) wake();
}

void WebhookDeliverer::wake() {
  news_expected_ = true;
  looked_for_.notify_all();
}

void WebhookDeliverer::stop() {
  stopped_ = true;
  looked_for_.notify_all();
}

net::Awaitable<void> WebhookDeliverer::run() {
  bool owes_release = options_.sole;
  while (!stopped_) {
    news_expected_ = false;
    base::Duration pause = kOwnLook;
    try {
      if (owes_release)  // claims of the process that was here before
        co_await access(true, [now = clock_.now()](store::Transaction& tx) {
          fleet::release_claims(tx, base::Instant::max(), now);
        });
      owes_release = false;
      pause = co_await take_turn();
    } catch (const base::Error& error) {
      log_.warning("webhooks cannot be looked after, and it is tried again", {{"error", error.what()}});
      news_expected_ = false;
    }
    if (stopped_) break;
    if (news_expected_) {
      co_await net::sleep_for(kBetweenTurns);
    } else if (pause.count() > 0) {
      co_await looked_for_.wait_for(pause);
    }
  }
  while (sending_ > 0) co_await looked_for_.wait_for(kOwnLook);
}

// Looks, does what is to be done, and says when to look again by itself.
net::Awaitable<base::Duration> WebhookDeliverer::take_turn() {
  const auto now = clock_.now();
  if (!inspected_at_ || now - *inspected_at_ >= kInspectEvery) co_await inspect();
  Outlook outlook;
  const auto settled = options_.settled();
  co_await access(false, [&outlook, now, settled](store::Transaction& tx) {
    outlook = Outlook{.listening = fleet::has_listening_webhooks(tx)};
    if (outlook.listening) {
      outlook.steps_wanted = fleet::any_webhook_wants_steps(tx);
      const auto position = fleet::webhook_feed_position(tx);
      const auto newest = fleet::last_change(tx);
      outlook.has_changes = std::min(newest, settled) > position;
      outlook.has_unsettled = newest > std::max(settled, position);
      const auto due = fleet::due_endpoints(tx);
      outlook.has_sendable = !find_sendable(due, Places(fleet::deliveries_under_way(tx)), now).empty();
      for (const auto& endpoint : due)
        if (endpoint.due_at > now)
          outlook.next_due = std::min(outlook.next_due.value_or(endpoint.due_at), endpoint.due_at);
    }
    outlook.has_expired = fleet::has_expired_claims(tx, now);
  });
  listening_ = outlook.listening;
  if (std::exchange(steps_wanted_, std::optional(outlook.steps_wanted)) != outlook.steps_wanted)
    options_.on_steps_wanted(outlook.steps_wanted);
  const bool can_send = outlook.has_sendable && sending_ < kSendingMax;
  if (outlook.has_changes || outlook.has_expired || can_send)
    if (co_await decide(now, settled)) co_return base::Duration(0);
  if (has_old_) co_await forget_old(now);
  if (outlook.has_unsettled || has_old_) co_return kBetweenTurns;
  co_return outlook.next_due ? std::clamp(*outlook.next_due - now, base::Duration(1), kOwnLook) : kOwnLook;
}

// One transaction: new deliveries, and claims on what is due. True when there is certainly more to do at once.
net::Awaitable<bool> WebhookDeliverer::decide(base::Instant now, std::int64_t settled) {
  std::vector<Order> orders;
  bool has_more = false;
  const std::int64_t room = kSendingMax - sending_;
  co_await access(true, [&, now, settled, room](store::Transaction& tx) {
    orders.clear();
    fleet::lock_webhooks(tx);
    fleet::release_claims(tx, now, now);
    has_more = fan_out(tx, ids_, settled, now) >= kFanOutMax;
    Places places(fleet::deliveries_under_way(tx));
    for (const auto& endpoint : find_sendable(fleet::due_endpoints(tx), places, now)) {
      const auto left = std::min(room - std::int64_t(orders.size()), places.left(endpoint));
      if (left <= 0) continue;
      const auto webhook = fleet::get_webhook(tx, everyones(), endpoint.id);
      const auto secrets = fleet::webhook_secrets(tx, webhook.id);
      auto claimed = fleet::claim_deliveries(tx, webhook.id, left, now, now + kClaimFor);
      places.take(endpoint, std::int64_t(claimed.size()));
      for (auto& delivery : claimed) orders.push_back({std::move(delivery), webhook.definition.url, secrets});
    }
  });
  for (auto& order : orders) send(std::move(order));
  co_return has_more;
}

net::ClientRequest WebhookDeliverer::make_request(const Order& order) const {
  const auto now = clock_.now();
  const auto& delivery = order.delivery;
  const auto timestamp = base::to_unix_ms(now) / 1'000;
  std::string signatures = sign(sealer_.unseal(order.secrets.sealed), delivery.id.str(), timestamp, delivery.body);
  if (order.secrets.sealed_old && order.secrets.old_until && now < *order.secrets.old_until)
    signatures += " " + sign(sealer_.unseal(*order.secrets.sealed_old), delivery.id.str(), timestamp, delivery.body);
  return {.method = net::Method::post,
          .url = order.url,
          .headers = message_headers(delivery, now, signatures, options_.user_agent),
          .body = delivery.body,
          .timeout = kAttemptTimeout,
          .body_limit = kAnswerReadMax,
          .truncate_body = true,
          .follow_redirects = false,  // a redirect is a failure: it could lead anywhere
          .direct = true,
          .guard = options_.guard,
          .on_data = {}};
}

void WebhookDeliverer::send(Order order) {
  ++sending_;
  const auto at = clock_.now();
  const auto began = clock_.monotonic();
  const auto shared = std::make_shared<const Order>(std::move(order));
  const auto answered = [this, shared, at, began](net::ClientOutcome result) {
    const auto now = clock_.now();
    Outcome outcome{.reply = {}, .attempt = {.at = at, .duration = clock_.monotonic() - began}};
    outcome.attempt.url = without_query(shared->url);
    if (result) {
      outcome.reply.status = result->status;
      outcome.attempt.status = result->status;
      if (const auto after = result->headers.get("Retry-After"))
        outcome.reply.retry_after = parse_retry_after(std::string(*after), now);
      outcome.attempt.headers = excerpt_headers(result->headers, kAnswerKeptMax);
      outcome.attempt.body = excerpt(result->body, kAnswerKeptMax);
      if (result->status < 200 || result->status >= 300) {
        outcome.attempt.error_code = "HTTP_" + std::to_string(result->status);
        outcome.attempt.error_message = "the receiver answered " + std::to_string(result->status);
      }
    } else {
      outcome.attempt.error_code = result.error().code();
      outcome.attempt.error_message = excerpt(result.error().message(), kAnswerKeptMax);
    }
    boost::asio::post(io_,
                      [this, shared, outcome = std::move(outcome)]() mutable { record(*shared, std::move(outcome)); });
  };
  try {
    send_(make_request(*shared), answered);
  } catch (const base::Error& error) {  // a secret that cannot be unsealed, say
    answered(std::unexpected(error));
  }
}

void WebhookDeliverer::record(const Order& order, Outcome outcome) {
  latency_.observe(double(outcome.attempt.duration.count()) / 1'000.0);
  const auto shared = std::make_shared<const Order>(order);
  const auto result = std::make_shared<Outcome>(std::move(outcome));
  const auto disabled = std::make_shared<std::string>();
  const double chance = random_.fraction();
  const auto now = clock_.now();
  database_.write(
      [shared, result, disabled, chance, now](store::Transaction& tx) {
        disabled->clear();
        fleet::lock_webhooks(tx);
        const auto delivery = fleet::find_claimed(tx, shared->delivery.id, shared->delivery.turn);
        if (!delivery) return;  // the claim ran out, or the endpoint was disabled meanwhile
        auto webhook = fleet::find_webhook(tx, everyones(), delivery->endpoint_id);
        if (!webhook) return;
        const bool is_former = shared->url != webhook->definition.url;
        auto judgement = is_former ? judge_former(*delivery, webhook->health, result->reply, now)
                                   : judge(*delivery, webhook->health, result->reply, now, chance);
        result->attempt.number = judgement.delivery.attempts;
        fleet::settle(tx, judgement.delivery, result->attempt, now);
        if (!is_former) fleet::set_webhook_health(tx, webhook->id, judgement.health);
        if (judgement.disable_reason.empty() || webhook->status == fleet::WebhookStatus::disabled) return;
        disable(tx, *webhook, judgement.disable_reason, now);
        *disabled = judgement.disable_reason;
      },
      [this, shared, result, disabled](std::exception_ptr failure) {
        boost::asio::post(
            io_, [this, shared, result, disabled, failure] { on_recorded(*shared, *result, *disabled, failure); });
      });
}

void WebhookDeliverer::on_recorded(const Order& order, const Outcome& outcome, const std::string& disabled,
                                   std::exception_ptr failure) {
  --sending_;
  if (failure)  // the claim runs out, and the message is sent again
    log_.warning("what came of a webhook could not be recorded",
                 {{"delivery", order.delivery.id}, {"error", base::as_error(failure).what()}});
  const bool delivered = !outcome.attempt.error_code;
  metrics_
      .counter("slipway_webhook_attempts_total", "Attempts to deliver a webhook, by what came of them.",
               {{"outcome", delivered              ? "delivered"
                            : outcome.reply.status ? "refused"
                                                   : "unreachable"}})
      .increment();
  if (!disabled.empty()) {
    metrics_.counter("slipway_webhooks_disabled_total", "Webhook endpoints that this replica disabled.").increment();
    log_.warning("a webhook endpoint is disabled", {{"webhook", order.delivery.endpoint_id}, {"reason", disabled}});
  }
  wake();
}

// From time to time: what the gauges show, endpoints for which too much waits, and what is old.
net::Awaitable<void> WebhookDeliverer::inspect() {
  const auto now = clock_.now();
  inspected_at_ = now;
  std::map<std::string, std::int64_t> pending;
  std::int64_t disabled = 0;
  co_await access(false, [&, now](store::Transaction& tx) {
    pending = fleet::pending_by_endpoint(tx);
    disabled = fleet::count_webhooks(tx, everyones(), {.status = fleet::WebhookStatus::disabled, .after = {}});
    has_old_ = fleet::has_forgettable_deliveries(tx, now - kDeliveriesKept);
  });
  std::int64_t total = 0;
  for (const auto& [endpoint, count] : pending) {
    total += count;
    if (count <= kBacklogMax) continue;
    const base::WebhookId id(endpoint);
    co_await access(true, [id, now](store::Transaction& tx) {
      fleet::lock_webhooks(tx);
      auto webhook = fleet::find_webhook(tx, everyones(), id);
      if (webhook && webhook->status != fleet::WebhookStatus::disabled)
        disable(tx, *webhook, "more than " + std::to_string(kBacklogMax) + " deliveries waited", now);
    });
    log_.warning("a webhook endpoint is disabled: too much waits for it", {{"webhook", id}, {"waiting", count}});
  }
  pending_.set(double(total));
  disabled_.set(double(disabled));
}

// One page only: what is to be sent meanwhile does not wait for the end of a long purge.
net::Awaitable<void> WebhookDeliverer::forget_old(base::Instant now) {
  std::int64_t removed = 0;
  co_await access(true, [&removed, now](store::Transaction& tx) {
    fleet::lock_webhooks(tx);
    removed = fleet::forget_deliveries(tx, now - kDeliveriesKept);
  });
  has_old_ = removed > 0;
}

net::Awaitable<void> WebhookDeliverer::access(bool is_write, store::Work work) {
  net::Completion done(io_);
  std::exception_ptr failure;
  const auto finished = [&failure, done](std::exception_ptr outcome) mutable {
    failure = outcome;
    done.complete();
  };
  if (is_write) {
    database_.write(std::move(work), finished);
  } else {
    database_.read(std::move(work), finished);
  }
  co_await done.wait();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace slipway::notify
