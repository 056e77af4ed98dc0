#include "workflows/workstation_intake.h"

#include <algorithm>

#include "base/digest.h"
#include "base/trace_context.h"
#include "durable/journal.h"
#include "fleet/alert.h"
#include "workflows/message_dead_letter.h"
#include "workflows/message_judgement.h"

namespace slipway::workflows {
namespace {

constexpr std::string_view kBy = "pubsub";
constexpr std::size_t kIdMax = 1'000;
constexpr base::Duration kUnstorableDelay{60'000};

// Pub/Sub's ids are short numbers. One that is none (of a message that could not be read) is known by its content.
std::string identity_of(const google::PubsubMessage& message) {
  const bool is_good = !message.id.empty() && message.id.size() <= kIdMax &&
                       std::ranges::none_of(message.id, [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
  return is_good ? message.id : "sha256:" + base::sha256_hex(message.data);
}

// As W3C names it, or Google's clients do.
std::string trace_of(const google::PubsubMessage& message) {
  for (const auto* name : {"googclient_traceparent", "traceparent"}) {
    const auto found = message.attributes.find(name);
    if (found == message.attributes.end()) continue;
    if (const auto trace = base::parse_trace(found->second)) return trace->caused(identity_of(message)).text();
  }
  return base::trace_of(identity_of(message)).text();
}

std::string without_zeros(std::string text) {
  std::erase(text, '\0');
  return text;
}

void raise_refused(store::Transaction& tx, const fleet::ReceivedMessage& message) {
  fleet::raise_alert(tx,
                     {.kind = std::string(kRefusedAlert),
                      .resource_type = "subscription",
                      .resource_id = message.subscription,
                      .message = "A message was refused: " + message.refusal->explanation +
                                 ". See: slipway messages show " + message.id.str(),
                      .details = json::Object{{"message", message.id.str()}, {"reason", message.refusal->reason}}},
                     message.received_at);
}

}  // namespace

struct WorkstationIntake::Plan {
  fleet::ReceivedMessage row;
  std::optional<durable::RunRecord> run;  // of the provisioning, or of the dead letter
  bool is_new = false;
};

// A delivery until it is answered.
struct WorkstationIntake::Held {
  google::Delivery delivery;
  std::string subscription;
  base::Duration backoff;
};

WorkstationIntake::WorkstationIntake(Parts parts, IntakeSettings settings)
    : parts_(parts), settings_(std::move(settings)), self_(std::make_shared<WorkstationIntake*>(this)) {
  for (const auto reason : kRefusalReasons)  // alert rules need them from the beginning
    parts_.metrics.counter("slipway_messages_refused_total", "Messages that could never work, by reason.",
                           {{"reason", std::string(reason)}});
}

WorkstationIntake::~WorkstationIntake() = default;

// ---- deciding

durable::RunRecord WorkstationIntake::make_run(const Order& order, OrderSource source, std::string trace) {
  auto start = start_request(make_provision_request(order, std::move(source), parts_.random));
  start.trace = std::move(trace);
  return parts_.engine.make_record(std::move(start));
}

durable::RunRecord WorkstationIntake::make_run(const Order& order, const fleet::ReceivedMessage& message) {
  return make_run(order,
                  {.kind = "message",
                   .by = std::string(kBy),
                   .remote = message.subscription,
                   .message_id = message.message_id,
                   .published_at = message.published_at},
                  base::trace_of(message.message_id).text());
}

void WorkstationIntake::refuse(Plan& plan, fleet::Refusal refusal, const google::PubsubMessage& message) {
  auto& row = plan.row;
  row.outcome = fleet::MessageOutcome::refused;
  row.refusal = std::move(refusal);
  row.run_id.reset();
  row.data = message.data;
  row.attributes = message.attributes;
  plan.run.reset();
  if (settings_.dead_letter_topic.empty()) return;
  plan.run = parts_.engine.make_record({.type = std::string(MessageDeadLetter::kType),
                                        .resource_type = "message",
                                        .resource_id = row.id.str(),
                                        .triggered_by = std::string(kBy),
                                        .owner_id = std::string(kBy),
                                        .input = json::to_value(DeadLetterRequest{row.id, settings_.dead_letter_topic}),
                                        .trace = trace_of(message)});
  row.dead_letter_run_id = plan.run->id;
}

std::shared_ptr<WorkstationIntake::Plan> WorkstationIntake::plan(const std::string& subscription,
                                                                 const google::PubsubMessage& message) {
  const auto now = parts_.clock.now();
  auto plan = std::make_shared<Plan>();
  plan->row = {.id = fleet::MessageId(parts_.ids.make(fleet::MessageKind::prefix)),
               .subscription = subscription,
               .message_id = identity_of(message),
               .published_at = message.published_at,
               .received_at = now,
               .last_received_at = now,
               .ordering_key = without_zeros(message.ordering_key)};
  const auto order = judge_order(message.data, parts_.tiers);
  if (!order) {
    refuse(*plan, order.error(), message);
    return plan;
  }
  plan->run = make_run(*order,
                       {.kind = "message",
                        .by = std::string(kBy),
                        .remote = subscription,
                        .message_id = plan->row.message_id,
                        .published_at = message.published_at},
                       trace_of(message));
  plan->row.run_id = plan->run->id;
  return plan;
}

// ---- doing it, in one transaction

void WorkstationIntake::take(const std::string& subscription, const google::PubsubMessage& message, Done done) {
  submit(plan(subscription, message), std::move(done));
}

void WorkstationIntake::submit(std::shared_ptr<Plan> plan, Done done) {
  parts_.database.write(
      [plan](store::Transaction& tx) {
        plan->is_new = fleet::insert_or_count(tx, plan->row);
        if (!plan->is_new) return;
        if (plan->run) durable::journal::insert_run(tx, *plan->run);
        if (plan->row.refusal) raise_refused(tx, plan->row);
      },
      [&loop = parts_.loop, weak = std::weak_ptr(self_), plan,
       done = std::move(done)](std::exception_ptr failure) mutable {
        loop.post([weak, plan, failure, done = std::move(done)] {
          const auto self = weak.lock();
          if (!self) return;
          if (!failure) (*self)->on_stored(*plan);
          done(failure);
        });
      });
}

void WorkstationIntake::on_stored(const Plan& plan) {
  const auto& row = plan.row;
  const bool is_refused = row.outcome == fleet::MessageOutcome::refused;
  parts_.metrics
      .counter("slipway_messages_received_total", "Messages taken from subscriptions, by what was made of them.",
               {{"outcome", !plan.is_new ? "duplicate"
                            : is_refused ? "refused"
                                         : "accepted"}})
      .increment();
  if (!plan.is_new) return;
  if (plan.run) parts_.engine.launch(*plan.run);
  if (!is_refused) return;
  parts_.metrics
      .counter("slipway_messages_refused_total", "Messages that could never work, by reason.",
               {{"reason", row.refusal->reason}})
      .increment();
  parts_.log.warning("a message was refused", {{"message", row.id},
                                               {"pubsub_id", row.message_id},
                                               {"reason", row.refusal->reason},
                                               {"explanation", row.refusal->explanation}});
}

// ---- for a puller

google::PubsubPuller::Handler WorkstationIntake::handler(std::string subscription) {
  return [&loop = parts_.loop, weak = std::weak_ptr(self_), first = settings_.retry_first,
          subscription = std::move(subscription)](google::Delivery delivery) {
    auto held = std::make_shared<Held>(Held{std::move(delivery), subscription, first});
    loop.post([weak, held = std::move(held)] {
      if (const auto self = weak.lock()) (*self)->hold(held);
    });
  };
}

void WorkstationIntake::hold(std::shared_ptr<Held> held) {
  if (is_stopped_) return;  // it is given back with its last owner
  take(held->subscription, held->delivery.message(), [this, held](std::exception_ptr failure) {
    if (failure)
      on_failed(held, base::as_error(failure));
    else
      held->delivery.ack();
  });
}

// What does not pass by itself would hold up those behind: such a message is given back, and looked at again later.
void WorkstationIntake::on_failed(std::shared_ptr<Held> held, const base::Error& error) {
  const bool passes =
      error.error_class() != base::ErrorClass::internal && error.error_class() != base::ErrorClass::user;
  if (!passes) {
    parts_.log.error("a message could not be stored, and comes again", error,
                     {{"pubsub_id", held->delivery.message().id}});
    held->delivery.nack(kUnstorableDelay);
    return;
  }
  const auto jitter = 0.5 + 0.5 * parts_.random.fraction();
  const auto pause = base::Duration(std::int64_t(double(held->backoff.count()) * jitter));
  held->backoff = std::min(held->backoff * 2, settings_.retry_max);
  parts_.loop.post_at(parts_.clock.now() + pause, [weak = std::weak_ptr(self_), held] {
    if (const auto self = weak.lock()) (*self)->hold(held);
  });
}

}  // namespace slipway::workflows
