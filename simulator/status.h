#pragma once
// Google's canonical errors: codes, their HTTP numbers, and the shapes in which the APIs send them.

#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace slipway::simulator {

// google.rpc.Code: the values are those of the wire.
enum class Code {
  ok = 0,
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

std::string_view canonical_name(Code code);  // "NOT_FOUND"
int http_status(Code code);
std::optional<Code> parse_code(std::string_view canonical_name);

// google.rpc.Status, as it stands in a failed operation and, with other members, in an error's body.
struct Status {
  int code = 0;
  std::string message;
  json::Value details = json::Array{};
};
SLIPWAY_JSON_CAMEL(Status, code, message, details)

// What a request is refused with.
class Failure : public std::exception {
 public:
  Failure(Code code, std::string message, json::Array details = {});

  Code code() const { return code_; }
  int http() const { return http_; }
  const std::string& message() const { return message_; }
  const json::Array& details() const { return details_; }
  std::optional<std::chrono::seconds> retry_after() const { return retry_after_; }
  // `errors[].reason` and `.domain` of the older shape, which Compute Engine sends.
  const std::string& legacy_reason() const { return legacy_reason_; }
  const std::string& legacy_domain() const { return legacy_domain_; }
  const char* what() const noexcept override { return message_.c_str(); }

  Failure&& with_http(int http) &&;
  Failure&& with_retry_after(std::chrono::seconds after) &&;
  Failure&& with_legacy(std::string reason, std::string domain = "global") &&;
  Status status() const;

 private:
  Code code_;
  int http_;
  std::string message_;
  json::Array details_;
  std::optional<std::chrono::seconds> retry_after_;
  std::string legacy_reason_;
  std::string legacy_domain_ = "global";
};

Failure not_found(std::string_view resource);
Failure already_exists(std::string_view resource);
// One field violation; `field` as the request names it.
Failure invalid_argument(std::string_view field, std::string_view reason);

// ---- details

using Metadata = std::map<std::string, std::string>;
json::Object error_info(std::string_view reason, std::string_view domain, const Metadata& metadata);
json::Object quota_failure(std::string_view subject, std::string_view description);
json::Object help_link(std::string_view description, std::string_view url);

// ---- the usual refusals

// A limit on what exists or runs: 429 RESOURCE_EXHAUSTED with QuotaFailure and ErrorInfo.
Failure quota_exceeded(std::string_view project, std::string_view service, std::string_view limit, std::int64_t value,
                       std::string_view region);
// The same as 403, as the older front ends say it: PERMISSION_DENIED whose ErrorInfo has a quota's reason.
Failure quota_forbidden(std::string_view project, std::string_view service);
// Requests a minute.
Failure rate_exceeded(std::string_view project, std::string_view service, std::int64_t limit);
Failure permission_denied(std::string_view permission, std::string_view resource, std::string_view service);
Failure unauthenticated(std::string_view reason, std::string_view service);

// {"error":{"code":404,"message":…,"status":"NOT_FOUND","details":[…]}}
std::string error_body(const Failure& failure);
// The same with `errors[]`, as Compute Engine has it.
std::string compute_error_body(const Failure& failure);

}  // namespace slipway::simulator
