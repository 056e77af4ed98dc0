#include "app/cli/hub_client.h"

#include <algorithm>

#include "base/id.h"
#include "net/http.h"

namespace slipway::app::cli {

namespace {

using base::Error;
using base::ErrorClass;

constexpr base::Duration kFirstWait{200};
constexpr base::Duration kLongestWait{5000};
constexpr std::size_t kPageSize = 200;  // the API's largest

ErrorClass class_of_status(int status) {
  if (status == 429) return ErrorClass::throttled;
  if (status == 409 || status == 412) return ErrorClass::conflict;
  if (status >= 500) return status == 500 ? ErrorClass::internal : ErrorClass::transient;
  return ErrorClass::user;
}

std::string text_member(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// A status without an envelope: something between us and the hub answered, or no hub at all.
Error error_without_envelope(const Answer& answer) {
  const std::string status = std::to_string(answer.status);
  std::string code = "HTTP_" + status;
  if (answer.status == 401) code = "UNAUTHORIZED";
  if (answer.status == 503) code = "STORE_UNAVAILABLE";
  return Error(class_of_status(answer.status), std::move(code),
               "the answer " + status + " " + std::string(net::status_text(answer.status)) +
                   " did not come from a Slipway hub; is the address right?");
}

bool is_worth_repeating(const Answer& answer) {
  if (answer.status == 503 || answer.status == 429) return true;
  return answer.status == 409 && answer.body.find("\"IDEMPOTENCY_KEY_IN_PROGRESS\"") != std::string::npos;
}

std::optional<json::Value> parse_envelope(const std::string& body) {
  try {
    json::Value value = json::parse_value(body, "answer");
    if (value.is_object()) return value;
  } catch (const Error&) {  // not JSON: the caller says so in its own words
  }
  return std::nullopt;
}

json::Value envelope_of(const Answer& answer) {
  auto envelope = parse_envelope(answer.body);
  const bool is_success = answer.status >= 200 && answer.status < 300;
  if (envelope && is_success && envelope->get_object().contains("data")) return *std::move(envelope);
  const json::Value* failure = envelope ? envelope->get_object().if_contains("error") : nullptr;
  if (failure == nullptr || !failure->is_object()) throw error_without_envelope(answer);
  const json::Object& error = failure->get_object();
  const json::Value* details = error.if_contains("details");
  throw Error(class_of_status(answer.status), text_member(error, "code"), text_member(error, "message"),
              details != nullptr ? *details : json::Value());
}

std::optional<std::string> next_cursor(const json::Value& envelope) {
  const json::Value* meta = envelope.get_object().if_contains("meta");
  if (meta == nullptr || !meta->is_object()) return std::nullopt;
  const json::Value* pagination = meta->get_object().if_contains("pagination");
  if (pagination == nullptr || !pagination->is_object()) return std::nullopt;
  std::string cursor = text_member(pagination->get_object(), "nextCursor");
  if (cursor.empty()) return std::nullopt;
  return cursor;
}

}  // namespace

json::Value open_envelope(const Answer& answer) { return envelope_of(answer).get_object().at("data"); }

void HubClient::authorize(Call& call) const {
  if (!address_.key.empty()) call.headers.emplace_back("Authorization", "Bearer " + address_.key.reveal());
  if (!call.body.empty()) call.headers.emplace_back("Content-Type", "application/json");
}

bool HubClient::wait_before_retry(base::Instant began, int attempt, base::Duration at_least) {
  const base::Duration full = std::min(kLongestWait, kFirstWait * (1 << std::min(attempt, 10)));
  const base::Duration jittered = full / 2 + base::Duration(parts_.random.below(std::uint64_t(full.count() / 2) + 1));
  const base::Duration wait = std::max(jittered, at_least);
  if (parts_.clock.now() - began + wait > kPatience) return false;
  parts_.sleep(wait);
  return true;
}

Answer HubClient::send(Call call, Patience patience) {
  authorize(call);
  const base::Instant began = parts_.clock.now();
  for (int attempt = 0;; ++attempt) {
    base::Duration at_least{};
    try {
      Answer answer = parts_.transport.send(call);
      if (patience == Patience::none || !is_worth_repeating(answer)) return answer;
      at_least = answer.retry_after.value_or(base::Duration{});
      if (attempt == 0)
        parts_.notice("the hub cannot answer now (" + std::to_string(answer.status) + "); trying again");
      if (!wait_before_retry(began, attempt, at_least)) return answer;
    } catch (const Error& error) {
      if (patience == Patience::none || error.code() != kHubUnreachable) throw;
      if (attempt == 0) parts_.notice(error.message() + "; trying again");
      if (!wait_before_retry(began, attempt)) throw;
    }
  }
}

json::Value HubClient::get(const std::string& target, Patience patience) {
  return open_envelope(send(Call{.target = target}, patience));
}

json::Array HubClient::list(const std::string& target, std::size_t limit) {
  json::Array elements;
  const std::string joint = target.contains('?') ? "&" : "?";
  std::string cursor;
  while (elements.size() < limit) {
    std::string page = target + joint + "limit=" + std::to_string(std::min(kPageSize, limit - elements.size()));
    if (!cursor.empty()) page += "&cursor=" + net::percent_encode(cursor);
    const json::Value envelope = envelope_of(send(Call{.target = page}, Patience::none));
    const json::Value& data = envelope.get_object().at("data");
    if (!data.is_array()) throw base::internal_error("the hub's answer to " + target + " is no list");
    for (const json::Value& element : data.get_array()) elements.push_back(element);
    const auto next = next_cursor(envelope);
    if (!next || data.get_array().empty()) break;
    cursor = *next;
  }
  return elements;
}

json::Value HubClient::change(Call call, std::string idempotency_key) {
  if (idempotency_key.empty()) idempotency_key = base::random_token(16);
  call.headers.emplace_back("Idempotency-Key", std::move(idempotency_key));
  return open_envelope(send(std::move(call), Patience::retry));
}

json::Value HubClient::post(const std::string& target, const json::Value& body, std::string idempotency_key) {
  std::string text = body.is_null() ? std::string() : json::print_value(body);
  return change(Call{.method = "POST", .target = target, .body = std::move(text)}, std::move(idempotency_key));
}

json::Value HubClient::put(const std::string& target, const json::Value& body) {
  return change(Call{.method = "PUT", .target = target, .body = json::print_value(body)}, {});
}

json::Value HubClient::upload(const std::string& target, std::string bytes) {
  return change(Call{.method = "PUT",
                     .target = target,
                     .body = std::move(bytes),
                     .headers = {{"Content-Type", "application/octet-stream"}}},
                {});
}

json::Value HubClient::patch(const std::string& target, const json::Value& body) {
  return change(Call{.method = "PATCH", .target = target, .body = json::print_value(body)}, {});
}

json::Value HubClient::remove(const std::string& target) {
  return change(Call{.method = "DELETE", .target = target}, {});
}

void HubClient::stream(const std::string& target, const std::string& last_id, const Events& events) {
  Call call{.target = target, .headers = {{"Accept", "text/event-stream"}}};
  if (!last_id.empty()) call.headers.emplace_back("Last-Event-ID", last_id);
  authorize(call);
  std::vector<net::ServerSentEvent> arrived;
  net::EventParser parser([&](net::ServerSentEvent event) { arrived.push_back(std::move(event)); });
  const Answer answer = parts_.transport.stream(call, StreamSink{[&](std::string_view bytes) {
                                                                   parser.feed(bytes);
                                                                   if (arrived.empty()) return true;
                                                                   return events.on_events(std::exchange(arrived, {}));
                                                                 },
                                                                 events.on_idle});
  if (answer.status != 200) open_envelope(answer);
}

void HubClient::download(const std::string& target, const std::function<bool(std::string_view)>& on_bytes) {
  Call call{.target = target};
  authorize(call);
  const Answer answer = parts_.transport.stream(call, StreamSink{on_bytes, [] { return true; }});
  if (answer.status != 200) open_envelope(answer);
}

json::Value HubClient::find_workspace(const std::string& name_or_id, Patience patience) {
  if (base::is_uuid(name_or_id)) return get("/v1/workspaces/" + name_or_id, patience);
  const json::Value found = get("/v1/workspaces?name=" + net::percent_encode(name_or_id), patience);
  if (found.is_array()) {
    for (const json::Value& workspace : found.get_array())
      if (workspace.is_object() && text_member(workspace.get_object(), "name") == name_or_id) return workspace;
  }
  throw base::not_found("workspace", name_or_id);
}

std::string HubClient::resolve_workspace(const std::string& name_or_id, Patience patience) {
  if (base::is_uuid(name_or_id)) return name_or_id;
  return text_member(find_workspace(name_or_id, patience).get_object(), "id");
}

}  // namespace slipway::app::cli
