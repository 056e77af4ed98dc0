// The push endpoint: Pub/Sub posts a message and takes a 2xx for its acknowledgement (WP-1). For places where a process
// has a CPU only while a request is under way, such as Cloud Run.
//
// A request shows a token that Google has signed for the service account of the subscription. Whatever is wrong with
// the message's data is no failure of the push: it is recorded, and need not come again.

#include "api/pubsub_push.h"

#include "api/query.h"
#include "api/routes.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

// For the document; what Pub/Sub adds besides is fine.
struct PushBody {
  json::Value message;
  std::string subscription;
};
SLIPWAY_JSON_SNAKE(PushBody, message, subscription)
inline const json::Rules& json_rules(const PushBody*) {
  static const json::Rules rules{{.member = "message", .description = "A PubsubMessage, its data in base64"},
                                 {.member = "subscription",
                                  .description = "Its full name",
                                  .example = R"("projects/demo/subscriptions/workstation-provisioning-sub")"}};
  return rules;
}

base::Error unauthorized(const std::string& message) { return {base::ErrorClass::user, "UNAUTHORIZED", message}; }

std::string bearer(const Call& call) {
  constexpr std::string_view kScheme = "Bearer ";
  const auto header = call.request.headers.get("Authorization").value_or("");
  if (!header.starts_with(kScheme)) throw unauthorized("a token signed by Google is needed: Authorization: Bearer …");
  return std::string(header.substr(kScheme.size()));
}

net::Awaitable<void> verify(Call& call, google::OidcVerifier& verifier) {
  const auto token = bearer(call);
  try {
    co_await net::run_blocking(call.hub.io, call.hub.workers, [&] { verifier.verify(token); });
  } catch (const base::Error& error) {
    if (error.code() == "UNAUTHENTICATED") throw unauthorized(error.message());
    throw;
  }
}

google::PubsubMessage read_push(const Call& call, const std::string& expected) {
  const auto body = body_value(call);
  if (!body.is_object()) throw base::validation_error("body", "must be an object");
  const auto* subscription = body.get_object().if_contains("subscription");
  if (subscription == nullptr || !subscription->is_string() || subscription->get_string() != expected)
    throw base::validation_error("subscription", "is not the one that this hub is configured for");
  const auto* message = body.get_object().if_contains("message");
  if (message == nullptr) throw base::validation_error("message", "is required");
  const json::Path path{&json::kRoot, "message"};
  auto read = google::read_pubsub_message(*message, path);
  if (read.id.empty()) throw base::validation_error("message/messageId", "is required");
  return read;
}

net::Awaitable<void> take(Call& call, PubsubPush& push, const google::PubsubMessage& message) {
  net::Completion done(call.hub.io);
  std::exception_ptr failure;
  push.intake.take(push.subscription, message, [&failure, done](std::exception_ptr thrown) mutable {
    failure = thrown;
    done.complete();
  });
  co_await done.wait();
  if (failure) std::rethrow_exception(failure);
}

// One more at work, until it goes.
struct Turn {
  explicit Turn(PubsubPush& of) : push(of) {
    if (push.under_way >= push.under_way_max)
      throw base::Error(base::ErrorClass::throttled, "TOO_MANY_PUSHES", "too many messages are pushed at a time")
          .with_retry_after(std::chrono::seconds(1));
    ++push.under_way;
  }
  ~Turn() { --push.under_way; }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  PubsubPush& push;
};

Answer receive(Call& call) {
  parse_query<NoQuery>(call);
  if (call.hub.push == nullptr) throw base::not_found("push endpoint", "/v1/pubsub/push");
  auto& push = *call.hub.push;
  if (call.hub.draining)
    throw base::Error(base::ErrorClass::transient, "SHUTTING_DOWN", "the hub is shutting down; push again");
  const Turn turn(push);
  co_await verify(call, push.verifier);
  co_await take(call, push, read_push(call, push.subscription));
  net::Response answer{.status = 204, .headers = {}, .body = {}};
  answer.headers.set("X-Request-Id", call.request_id);
  co_return answer;
}

}  // namespace

void add_pubsub_push_routes(Router& router) {
  router.add(net::Method::post, "/v1/pubsub/push", Permission::open, receive,
             {.id = "pushMessage",
              .tag = "Messages",
              .summary = "A message that Pub/Sub pushes: 204 when it need not come again",
              .description = "Shows a token signed by Google for the configured audience and service account. There "
                             "only where both are configured.",
              .body = body_of<PushBody>(),
              .answer = answer_of(AnswerShape::none, 204),
              .errors = {401, 404, 429}});
}

}  // namespace slipway::api
