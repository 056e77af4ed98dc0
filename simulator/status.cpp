#include "simulator/status.h"

#include <array>

namespace slipway::simulator {

namespace {

struct CodeFacts {
  std::string_view name;
  int http;
};

// In the order of the enum. Source: google/rpc/code.proto.
constexpr std::array<CodeFacts, 17> kCodes{{
    {"OK", 200},
    {"CANCELLED", 499},
    {"UNKNOWN", 500},
    {"INVALID_ARGUMENT", 400},
    {"DEADLINE_EXCEEDED", 504},
    {"NOT_FOUND", 404},
    {"ALREADY_EXISTS", 409},
    {"PERMISSION_DENIED", 403},
    {"RESOURCE_EXHAUSTED", 429},
    {"FAILED_PRECONDITION", 400},
    {"ABORTED", 409},
    {"OUT_OF_RANGE", 400},
    {"UNIMPLEMENTED", 501},
    {"INTERNAL", 500},
    {"UNAVAILABLE", 503},
    {"DATA_LOSS", 500},
    {"UNAUTHENTICATED", 401},
}};

std::string host_of(std::string_view service) { return std::string(service) + ".googleapis.com"; }

json::Object typed(std::string_view type) { return {{"@type", "type.googleapis.com/google.rpc." + std::string(type)}}; }

std::string legacy_reason_of(const Failure& failure) {
  if (!failure.legacy_reason().empty()) return failure.legacy_reason();
  switch (failure.code()) {
    case Code::not_found:
      return "notFound";
    case Code::already_exists:
      return "alreadyExists";
    case Code::permission_denied:
      return "forbidden";
    case Code::unauthenticated:
      return "authError";
    case Code::resource_exhausted:
      return "rateLimitExceeded";
    case Code::unavailable:
    case Code::internal:
      return "backendError";
    default:
      return "invalid";
  }
}

}  // namespace

std::string_view canonical_name(Code code) { return kCodes[std::size_t(code)].name; }

int http_status(Code code) { return kCodes[std::size_t(code)].http; }

std::optional<Code> parse_code(std::string_view name) {
  for (std::size_t i = 0; i < kCodes.size(); ++i) {
    if (kCodes[i].name == name) return Code(i);
  }
  return {};
}

Failure::Failure(Code code, std::string message, json::Array details)
    : code_(code), http_(http_status(code)), message_(std::move(message)), details_(std::move(details)) {}

Failure&& Failure::with_http(int http) && {
  http_ = http;
  return std::move(*this);
}

Failure&& Failure::with_retry_after(std::chrono::seconds after) && {
  retry_after_ = after;
  return std::move(*this);
}

Failure&& Failure::with_legacy(std::string reason, std::string domain) && {
  legacy_reason_ = std::move(reason);
  legacy_domain_ = std::move(domain);
  return std::move(*this);
}

Status Failure::status() const { return {int(code_), message_, details_}; }

Failure not_found(std::string_view resource) {
  return Failure(Code::not_found, "Resource '" + std::string(resource) + "' was not found");
}

Failure already_exists(std::string_view resource) {
  return Failure(Code::already_exists, "Resource '" + std::string(resource) + "' already exists");
}

Failure invalid_argument(std::string_view field, std::string_view reason) {
  json::Object detail = typed("BadRequest");
  detail["fieldViolations"] = json::Array{json::Object{{"field", field}, {"description", reason}}};
  return Failure(Code::invalid_argument, std::string(field) + ": " + std::string(reason), {std::move(detail)});
}

json::Object error_info(std::string_view reason, std::string_view domain, const Metadata& metadata) {
  json::Object detail = typed("ErrorInfo");
  detail["reason"] = reason;
  detail["domain"] = domain;
  json::Object pairs;
  for (const auto& [key, value] : metadata) pairs[key] = value;
  if (!pairs.empty()) detail["metadata"] = std::move(pairs);
  return detail;
}

json::Object quota_failure(std::string_view subject, std::string_view description) {
  json::Object detail = typed("QuotaFailure");
  detail["violations"] = json::Array{json::Object{{"subject", subject}, {"description", description}}};
  return detail;
}

json::Object help_link(std::string_view description, std::string_view url) {
  json::Object detail = typed("Help");
  detail["links"] = json::Array{json::Object{{"description", description}, {"url", url}}};
  return detail;
}

Failure quota_exceeded(std::string_view project, std::string_view service, std::string_view limit, std::int64_t value,
                       std::string_view region) {
  const std::string consumer = "projects/" + std::string(project);
  std::string message = "Quota '" + std::string(limit) + "' exceeded. Limit: " + std::to_string(value);
  if (!region.empty()) message += " in region " + std::string(region);
  message += '.';
  Metadata metadata{{"consumer", consumer},
                    {"service", host_of(service)},
                    {"quota_limit", std::string(limit)},
                    {"quota_limit_value", std::to_string(value)},
                    {"quota_metric", host_of(service) + "/" + std::string(limit)}};
  if (!region.empty()) metadata["quota_location"] = region;
  json::Array details{error_info("QUOTA_EXCEEDED", "googleapis.com", metadata), quota_failure(consumer, message)};
  return Failure(Code::resource_exhausted, message, std::move(details)).with_legacy("quotaExceeded", "usageLimits");
}

Failure quota_forbidden(std::string_view project, std::string_view service) {
  const Metadata metadata{{"consumer", "projects/" + std::string(project)}, {"service", host_of(service)}};
  return Failure(Code::permission_denied, "Quota exceeded for " + host_of(service) + ".",
                 {error_info("QUOTA_EXCEEDED", "googleapis.com", metadata)})
      .with_legacy("quotaExceeded", "usageLimits");
}

Failure rate_exceeded(std::string_view project, std::string_view service, std::int64_t limit) {
  const std::string consumer = "projects/" + std::string(project);
  const Metadata metadata{{"consumer", consumer},
                          {"service", host_of(service)},
                          {"quota_limit", "DefaultPerMinutePerProject"},
                          {"quota_limit_value", std::to_string(limit)},
                          {"quota_unit", "1/min/{project}"},
                          {"quota_metric", host_of(service) + "/default_requests"}};
  return Failure(
             Code::resource_exhausted,
             "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service '" +
                 host_of(service) + "' for consumer '" + consumer + "'.",
             {error_info("RATE_LIMIT_EXCEEDED", "googleapis.com", metadata),
              help_link("Request a higher quota limit.", "https://cloud.google.com/docs/quotas/help/request_increase")})
      .with_legacy("rateLimitExceeded", "usageLimits");
}

Failure permission_denied(std::string_view permission, std::string_view resource, std::string_view service) {
  const Metadata metadata{{"permission", std::string(permission)}, {"resource", std::string(resource)}};
  return Failure(Code::permission_denied,
                 "Permission '" + std::string(permission) + "' denied on resource '" + std::string(resource) +
                     "' (or it may not exist).",
                 {error_info("IAM_PERMISSION_DENIED", host_of(service), metadata)})
      .with_legacy("forbidden");
}

Failure unauthenticated(std::string_view reason, std::string_view service) {
  return Failure(Code::unauthenticated,
                 "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
                 "valid authentication credential. See "
                 "https://developers.google.com/identity/sign-in/web/devconsole-project.",
                 {error_info(reason, "googleapis.com", {{"service", host_of(service)}})});
}

std::string error_body(const Failure& failure) {
  json::Object error{
      {"code", failure.http()}, {"message", failure.message()}, {"status", canonical_name(failure.code())}};
  if (!failure.details().empty()) error["details"] = failure.details();
  return json::print_value(json::Object{{"error", std::move(error)}});
}

std::string compute_error_body(const Failure& failure) {
  json::Object error{{"code", failure.http()}, {"message", failure.message()}};
  error["errors"] = json::Array{json::Object{
      {"message", failure.message()}, {"domain", failure.legacy_domain()}, {"reason", legacy_reason_of(failure)}}};
  error["status"] = canonical_name(failure.code());
  if (!failure.details().empty()) error["details"] = failure.details();
  return json::print_value(json::Object{{"error", std::move(error)}});
}

}  // namespace slipway::simulator
