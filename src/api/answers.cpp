#include "api/answers.h"

#include <array>
#include <cmath>

namespace slipway::api {
namespace {

json::Object meta_object(const Meta& meta) {
  return {{"requestId", meta.request_id}, {"timestamp", base::format_rfc3339(meta.timestamp)}};
}

net::Response response(const Meta& meta, int status, std::string_view content_type, const json::Value& body) {
  net::Response response{.status = status, .headers = {}, .body = json::print_value(body)};
  response.headers.set("Content-Type", content_type);
  response.headers.set("X-Request-Id", meta.request_id);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

struct CodeStatus {
  std::string_view code;
  int status;
};

// Codes whose status does not follow from their class.
constexpr std::array kStatuses = {
    CodeStatus{"UNAUTHORIZED", 401},
    CodeStatus{"FORBIDDEN", 403},
    CodeStatus{"QUOTA_EXCEEDED", 403},
    CodeStatus{"NOT_FOUND", 404},
    CodeStatus{"METHOD_NOT_ALLOWED", 405},
    CodeStatus{"PRECONDITION_FAILED", 412},
    CodeStatus{"PAYLOAD_TOO_LARGE", 413},
    CodeStatus{"IDEMPOTENCY_KEY_REUSED", 422},
    CodeStatus{"QUEUE_FULL", 429},
    CodeStatus{"UPGRADE_REQUIRED", 426},
    CodeStatus{"BMC_CONNECTION_FAILED", 502},
    CodeStatus{"STORE_UNAVAILABLE", 503},
    CodeStatus{"STORE_FULL", 503},
    CodeStatus{"STORE_BUSY", 503},
    CodeStatus{"SHUTTING_DOWN", 503},
};

// Errors quote what was sent, which may be of any length.
std::string shortened(std::string_view text) {
  constexpr std::size_t kTextMax = 500;  // bytes
  if (text.size() <= kTextMax) return std::string(text);
  std::size_t end = kTextMax;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;  // between two characters
  return std::string(text.substr(0, end)) + "…";
}

json::Value shortened(const json::Value& details) {
  if (const auto* text = details.if_string()) return json::Value(shortened(std::string_view(*text)));
  if (const auto* object = details.if_object()) {
    json::Object copy;
    for (const auto& [name, value] : *object) copy[name] = shortened(value);
    return copy;
  }
  if (const auto* array = details.if_array()) {
    json::Array copy;
    for (const auto& value : *array) copy.push_back(shortened(value));
    return copy;
  }
  return details;
}

}  // namespace

int http_status(const base::Error& error) {
  for (const auto& [code, status] : kStatuses)
    if (error.code() == code) return status;
  switch (error.error_class()) {
    case base::ErrorClass::user:
      return 400;
    case base::ErrorClass::conflict:
      return 409;
    case base::ErrorClass::quota:
      return 403;
    case base::ErrorClass::throttled:
      return 429;
    case base::ErrorClass::transient:
      return 503;
    case base::ErrorClass::internal:
      break;
  }
  return 500;
}

net::Response success(const Meta& meta, int status, const json::Value& data) {
  return response(meta, status, "application/json",
                  json::Object{{"success", true}, {"data", data}, {"meta", meta_object(meta)}});
}

net::Response bytes(const Meta& meta, std::string content) {
  net::Response response{.status = 200, .headers = {}, .body = std::move(content)};
  response.headers.set("Content-Type", "application/octet-stream");
  response.headers.set("X-Request-Id", meta.request_id);
  response.headers.set("Cache-Control", "no-store");
  return response;
}

net::Response list(const Meta& meta, json::Array items, const Page& page) {
  auto described = meta_object(meta);
  described["pagination"] = json::to_value(page);
  return response(meta, 200, "application/json",
                  json::Object{{"success", true}, {"data", std::move(items)}, {"meta", std::move(described)}});
}

net::Response failure(const Meta& meta, const base::Error& error, std::string_view accept) {
  const int status = http_status(error);
  const std::string message = shortened(error.message());
  const json::Value details = shortened(error.details());
  net::Response answer;
  if (accept.find("application/problem+json") != std::string_view::npos) {
    json::Object problem{{"type", "about:blank"}, {"title", net::status_text(status)},
                         {"status", status},      {"detail", message},
                         {"code", error.code()},  {"requestId", meta.request_id}};
    if (!details.is_null()) problem["details"] = details;
    answer = response(meta, status, "application/problem+json", problem);
  } else {
    json::Object described{{"code", error.code()}, {"message", message}};
    if (!details.is_null()) described["details"] = details;
    answer = response(meta, status, "application/json",
                      json::Object{{"success", false}, {"error", std::move(described)}, {"meta", meta_object(meta)}});
  }
  if (status == 401) answer.headers.set("WWW-Authenticate", "Bearer");
  if (status == 503 || status == 429) {
    const auto after = error.retry_after().value_or(base::Duration(1'000));
    answer.headers.set("Retry-After", std::to_string((after.count() + 999) / 1'000));
  }
  return answer;
}

}  // namespace slipway::api
