#include "provisioner/terraform/http_state.h"

#include <unistd.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/random.h"

namespace slipway::provisioner::terraform {
namespace {

constexpr std::size_t kStateMaxBytes = 256 << 20;    // more than a hub keeps
constexpr auto kTimeout = std::chrono::seconds(60);  // a large state over a slow line

std::string random_uuid() {
  base::SystemRandom random;
  const base::SystemClock clock;
  return base::IdGenerator(clock, random).make_uuid();
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}

// Of the lock that is in the way.
std::string describe_lock(const std::string& body) {
  try {
    const auto lock = json::parse_value(body);
    const auto text = [&](std::string_view name) -> std::string {
      const auto* value = lock.is_object() ? lock.get_object().if_contains(name) : nullptr;
      return value && value->is_string() ? std::string(value->get_string()) : "?";
    };
    const auto info = text("Info");
    return "by " + text("Who") + " since " + text("Created") + " (lock " + text("ID") + ")" +
           (info.empty() || info == "?" ? "" : ": " + info);
  } catch (const base::Error&) {
    return "by somebody else";
  }
}

// Only the hub itself can say that a state is not wanted: a proxy before it answers 404 or 403 as well while it is
// away.
bool is_the_hubs(const net::ClientResponse& response) {
  try {
    const auto answer = json::parse_value(response.body);
    const auto* error = answer.is_object() ? answer.get_object().if_contains("error") : nullptr;
    const auto* code = error && error->is_object() ? error->get_object().if_contains("code") : nullptr;
    return code && code->is_string();
  } catch (const base::Error&) {
    return false;
  }
}

bool may_pass(const base::Error& error) {
  return error.error_class() == base::ErrorClass::transient || error.error_class() == base::ErrorClass::throttled;
}

// Errors of the hub's as they are, all others as transient.
void throw_for_answer(const net::ClientResponse& response) {
  try {
    net::throw_for_status(response);
  } catch (const base::Error& error) {
    if (may_pass(error) || response.status == 409 || response.status == 423 || is_the_hubs(response)) throw;
    throw base::Error(base::ErrorClass::transient, "STATE_OUT_OF_REACH",
                      "somebody between here and the hub answered: " + error.message());
  }
}

}  // namespace

HttpState::HttpState(net::HttpClient& client, StateBackend where)
    : client_(client), where_(std::move(where)), id_(random_uuid()) {}

net::ClientResponse HttpState::call(net::Method method, std::string url, std::string body, std::stop_token stop) {
  net::ClientRequest request{.method = method,
                             .url = std::move(url),
                             .body = std::move(body),
                             .timeout = kTimeout,
                             .ca_file = where_.ca_file,
                             .body_limit = kStateMaxBytes};
  request.headers.set("Authorization", "Basic " + base::base64(where_.username + ":" + where_.password));
  if (!request.body.empty()) request.headers.set("Content-Type", "application/json");
  return client_.fetch(std::move(request), std::move(stop));
}

std::optional<std::string> HttpState::get(std::stop_token stop) {
  auto response = call(net::Method::get, where_.address, {}, std::move(stop));
  throw_for_answer(response);
  if (response.body.empty()) return std::nullopt;
  return std::move(response.body);
}

void HttpState::lock(std::stop_token stop) {
  const json::Object info{{"ID", id_},     {"Operation", "OperationTypeApply"},
                          {"Info", ""},    {"Who", "slipway@" + host_name()},
                          {"Version", ""}, {"Created", base::format_rfc3339(base::SystemClock().now())},
                          {"Path", ""}};
  const auto body = json::print_value(info);
  const auto response = call(net::Method::lock, where_.address, body, std::move(stop));
  if (response.status == 423 || response.status == 409) {
    throw base::Error(base::ErrorClass::transient, "STATE_LOCKED",
                      "the state of this workspace is locked " + describe_lock(response.body));
  }
  throw_for_answer(response);
  lock_ = body;
}

void HttpState::put(std::string_view state, std::stop_token stop) {
  const char separator = where_.address.find('?') == std::string::npos ? '?' : '&';
  auto url = where_.address + separator + "ID=" + id_;
  const auto response = call(net::Method::post, std::move(url), std::string(state), std::move(stop));
  try {
    throw_for_answer(response);
  } catch (const base::Error& error) {
    if (may_pass(error)) throw;
    throw base::Error(base::ErrorClass::conflict, "STATE_REFUSED",
                      "the hub takes no state from this build any more: " + error.message());
  }
}

void HttpState::unlock(std::stop_token stop) {
  if (!is_locked()) return;
  throw_for_answer(call(net::Method::unlock, where_.address, lock_, std::move(stop)));
  lock_.clear();
}

}  // namespace slipway::provisioner::terraform
