#pragma once
// What Google's APIs answer when they refuse, as base::Error. The one place that classifies: clients, workflows and
// alerts branch on the class and the code made here, never on a number or a text.
//
// Facts: google.rpc.Status and its details (AIP-193), the older `errors[].reason`, Compute's errors inside operations,
// RFC 6749 §5.2 for token endpoints. The table itself is `policy()`; docs/google.md shows it.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace slipway::net {
struct ClientResponse;
}

namespace slipway::google {

// google.rpc.Status as it stands in a finished operation. `code` is google.rpc.Code: 8 is RESOURCE_EXHAUSTED.
struct Status {
  std::int64_t code = 0;
  std::string message;
  json::Value details;  // an array of messages with "@type", or null
};
SLIPWAY_JSON_CAMEL(Status, code, message, details)

// Which call is spoken of: for messages and details. Never contains a query or a body.
struct Call {
  std::string service;  // "workstations"
  std::string name;     // "workstations.create"
  std::string path;     // "/v1/projects/p/…"
};

// How one refusal is understood. The first row that fits decides; an empty column fits everything.
struct PolicyRow {
  std::string_view
      status;  // canonical; "HTTP_409" or "HTTP_5xx" for an answer that has none; "OAUTH" of a token endpoint
  std::string_view reason;  // ErrorInfo.reason, errors[].reason, Compute's or OAuth's code; or one of those below
  base::ErrorClass error_class;
  std::string_view code;  // of the base::Error
};
// Reasons that an answer gives by its form instead of a name.
inline constexpr std::string_view kQuotaFailure = "(QuotaFailure)";  // a detail of that type
inline constexpr std::string_view kPerDay = "(per day)";          // a rate whose unit is a day: no use in asking soon
inline constexpr std::string_view kNamedTime = "(names a time)";  // RetryInfo or Retry-After, and no other reason
std::span<const PolicyRow> policy();
const PolicyRow& classify(std::string_view status, std::span<const std::string> reasons);

// For an answer with a status of 400 or more. `now` is needed for a Retry-After that is a date.
base::Error to_error(const Call& call, const net::ClientResponse& response,
                     std::optional<base::Instant> now = std::nullopt);
// For an operation that is done and has failed.
base::Error to_error(const Call& call, const Status& status);
// For Compute's operations: {"errors":[{"code","message","errorDetails"}]}.
base::Error compute_operation_error(const Call& call, const json::Value& error);

// The details of every Error made above. Empty members are left out.
struct ErrorDetails {
  std::string status;                           // canonical: RESOURCE_EXHAUSTED
  std::optional<std::int64_t> http_status;      // none: the error stood inside an operation
  std::string reason, domain;                   // of ErrorInfo, or the older names
  std::map<std::string, std::string> metadata;  // of ErrorInfo: "permission", "quota_limit" …
  std::string service, method, path;
};
SLIPWAY_JSON_CAMEL(ErrorDetails, status, http_status, reason, domain, metadata, service, method, path)
// Empty when the error was not made here.
std::optional<ErrorDetails> details_of(const base::Error& error);

// The text with everything that looks like a token or key replaced, and cut to a length fit for a message.
std::string scrub(std::string_view text);

}  // namespace slipway::google
