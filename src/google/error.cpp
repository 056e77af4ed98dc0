#include "google/error.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "google/json_reading.h"
#include "net/http_client.h"

namespace slipway::google {

namespace {

using base::Error;

// More than any service gives; details are kept in journals.
constexpr std::size_t kMetadataMax = 16;

// By google.rpc.Code.
constexpr std::array<std::string_view, 17> kCanonical = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

bool is_canonical(std::string_view status) {
  return status != "OK" && std::ranges::find(kCanonical, status) != kCanonical.end();
}

// What an answer says, before it is judged.
struct Refusal {
  ErrorDetails details;
  std::string message;               // the server's own
  std::vector<std::string> reasons;  // as the table knows them
  std::vector<std::string> particulars;
  std::optional<base::Duration> retry_after;

  void name_reason(const std::string& reason, const std::string& domain);
  void take_detail(const json::Value& detail);
  void take_error_info(const json::Value& detail);
  void take_violations(const json::Value& list, std::string_view subject);
  void take_retry_after(std::optional<base::Duration> after);
  Error judge(const Call& call) const;
  std::string sentence(const Call& call, const PolicyRow& row) const;
};

void Refusal::name_reason(const std::string& reason, const std::string& domain) {
  if (reason.empty()) return;
  if (details.reason.empty()) {
    details.reason = reason;
    details.domain = domain;
  }
  reasons.push_back(reason);
}

void Refusal::take_retry_after(std::optional<base::Duration> after) {
  if (after) retry_after = std::max(retry_after.value_or(base::Duration(0)), *after);
}

void Refusal::take_error_info(const json::Value& detail) {
  name_reason(text(member(detail, "reason")), text(member(detail, "domain")));
  details.metadata.merge(text_map(member(detail, "metadata")));
  // "1/d/{project}": google.api.QuotaLimit.unit
  const auto unit = details.metadata.find("quota_unit");
  if (unit != details.metadata.end() && unit->second.starts_with("1/d")) reasons.emplace_back(kPerDay);
}

// BadRequest.fieldViolations, QuotaFailure.violations, PreconditionFailure.violations.
void Refusal::take_violations(const json::Value& list, std::string_view subject) {
  for (const auto& violation : elements(list))
    particulars.push_back(text(member(violation, subject)) + ": " + text(member(violation, "description")));
}

void Refusal::take_detail(const json::Value& detail) {
  const std::string type = text(member(detail, "@type"));
  const std::string_view name = std::string_view(type).substr(type.rfind('/') + 1);
  if (name == "google.rpc.ErrorInfo") {
    take_error_info(detail);
  } else if (name == "google.rpc.RetryInfo") {
    take_retry_after(duration(member(detail, "retryDelay")));
  } else if (name == "google.rpc.QuotaFailure") {
    reasons.emplace_back(kQuotaFailure);
    take_violations(member(detail, "violations"), "subject");
  } else if (name == "google.rpc.BadRequest") {
    take_violations(member(detail, "fieldViolations"), "field");
  } else if (name == "google.rpc.PreconditionFailure") {
    take_violations(member(detail, "violations"), "subject");
  }
}

std::string Refusal::sentence(const Call& call, const PolicyRow& row) const {
  std::string result = call.name.empty() ? call.service : call.name;
  if (!result.empty()) result += ": ";
  result += message;
  const auto told = [&](const char* name) {
    const auto found = details.metadata.find(name);
    return found == details.metadata.end() ? std::string() : found->second;
  };
  if (row.code == "PERMISSION_DENIED") {
    const std::string permission = told("permission"), resource = told("resource");
    if (!permission.empty() && !message.contains(permission)) result += " Missing permission: " + permission + ".";
    if (!resource.empty() && !message.contains(resource)) result += " On: " + resource + ".";
  }
  for (const auto& particular : particulars)
    if (!result.contains(particular)) result += "; " + particular;
  return scrub(result);
}

Error Refusal::judge(const Call& call) const {
  std::vector<std::string> known = reasons;
  if (known.empty() && retry_after) known.emplace_back(kNamedTime);
  const PolicyRow& row = classify(details.status, known);
  ErrorDetails told = details;
  told.service = call.service;
  told.method = call.name;
  told.path = call.path;
  told.reason = scrub(told.reason);
  told.domain = scrub(told.domain);
  told.metadata.clear();
  for (const auto& [name, value] : details.metadata)
    if (told.metadata.size() < kMetadataMax) told.metadata.emplace(scrub(name), scrub(value));
  json::Value printed = json::to_value(told);
  auto& fields = printed.get_object();
  for (auto at = fields.begin(); at != fields.end();) {
    const bool is_empty = (at->value().is_string() && at->value().get_string().empty()) ||
                          (at->value().is_object() && at->value().get_object().empty());
    at = is_empty ? fields.erase(at) : at + 1;
  }
  Error error(row.error_class, std::string(row.code), sentence(call, row), std::move(printed));
  if (retry_after) return std::move(error).with_retry_after(*retry_after);
  return error;
}

// ---- the forms of an answer

// {"error":{"code","message","status","details":[…],"errors":[{"reason","domain","message"}]}}
void take_envelope(Refusal& refusal, const json::Value& envelope) {
  refusal.message = text(member(envelope, "message"));
  const std::string status = text(member(envelope, "status"));
  if (is_canonical(status)) refusal.details.status = status;
  for (const auto& detail : elements(member(envelope, "details"))) refusal.take_detail(detail);
  for (const auto& older : elements(member(envelope, "errors")))
    refusal.name_reason(text(member(older, "reason")), text(member(older, "domain")));
}

// {"error":"invalid_grant","error_description":"…"}: RFC 6749 §5.2
void take_oauth(Refusal& refusal, const json::Value& body) {
  refusal.name_reason(text(member(body, "error")), "oauth2");
  refusal.message = "the token endpoint answered " + refusal.details.reason;
  if (const auto description = text(member(body, "error_description")); !description.empty())
    refusal.message += ": " + description;
  if (*refusal.details.http_status < 500) refusal.details.status = "OAUTH";
}

std::string type_of(const net::ClientResponse& response) {
  const auto type = response.headers.get("Content-Type").value_or("no type");
  return std::string(type.substr(0, type.find(';')));
}

std::optional<json::Value> parse_body(const std::string& body) {
  try {
    json::Value parsed = json::parse_value(body);
    // Streamed methods answer with an array of one.
    if (parsed.is_array() && !parsed.get_array().empty()) return json::Value(parsed.get_array().front());
    return parsed;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<base::Instant> parse_http_date(std::string_view date) {
  tm parts{};
  const char* end = ::strptime(std::string(date).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (!end) return std::nullopt;
  return base::from_unix_ms(std::int64_t(::timegm(&parts)) * 1'000);
}

// RFC 9110 §10.2.3: seconds, or a date. Without our clock the server's own Date tells how far away that is.
std::optional<base::Duration> retry_after(const net::ClientResponse& response, std::optional<base::Instant> now) {
  const auto field = response.headers.get("Retry-After");
  if (!field) return std::nullopt;
  if (const auto seconds = duration(json::Value(std::string(*field) + "s"))) return seconds;
  if (const auto date = response.headers.get("Date"); !now && date) now = parse_http_date(*date);
  const auto until = parse_http_date(*field);
  if (!until || !now) return std::nullopt;
  return std::max(base::Duration(0), *until - *now);
}

}  // namespace

base::Error to_error(const Call& call, const net::ClientResponse& response, std::optional<base::Instant> now) {
  Refusal refusal;
  refusal.details.http_status = response.status;
  refusal.details.status = "HTTP_" + std::to_string(response.status);
  refusal.take_retry_after(retry_after(response, now));
  if (const auto body = parse_body(response.body)) {
    const json::Value& error = member(*body, "error");
    if (error.is_object()) take_envelope(refusal, error);
    if (error.is_string()) take_oauth(refusal, *body);
  }
  if (refusal.message.empty())
    refusal.message = "HTTP " + std::to_string(response.status) + " without an explanation (" + type_of(response) +
                      ", " + std::to_string(response.body.size()) + " bytes)";
  return refusal.judge(call);
}

base::Error to_error(const Call& call, const Status& status) {
  Refusal refusal;
  const bool is_known = status.code > 0 && status.code < std::int64_t(kCanonical.size());
  refusal.details.status = is_known ? std::string(kCanonical[std::size_t(status.code)]) : std::string("UNKNOWN");
  refusal.message = status.message.empty() ? "the operation failed: " + refusal.details.status : status.message;
  for (const auto& detail : elements(status.details)) refusal.take_detail(detail);
  return refusal.judge(call);
}

base::Error compute_operation_error(const Call& call, const json::Value& error) {
  Refusal refusal;
  refusal.details.status = "UNKNOWN";
  for (const auto& one : elements(member(error, "errors"))) {
    refusal.name_reason(text(member(one, "code")), "compute");
    if (refusal.message.empty()) refusal.message = text(member(one, "message"));
    for (const auto& detail : elements(member(one, "errorDetails"))) {
      refusal.details.metadata.merge(text_map(member(detail, "errorInfo", "metadatas")));
      refusal.details.metadata.merge(text_map(member(detail, "quotaInfo")));
    }
  }
  if (refusal.message.empty()) refusal.message = "the operation failed without an explanation";
  return refusal.judge(call);
}

std::optional<ErrorDetails> details_of(const base::Error& error) {
  if (!member(error.details(), "status").is_string()) return std::nullopt;
  return json::from_value<ErrorDetails>(error.details(), json::Mode::lenient);
}

}  // namespace slipway::google
