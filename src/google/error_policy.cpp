// The table. Rows with a reason come first: a reason says more than a status, and a status more than a number.

#include <algorithm>

#include "google/error.h"

namespace slipway::google {

namespace {

using enum base::ErrorClass;

constexpr PolicyRow kPolicy[] = {
    // Calls too fast: the same again, later.
    {"", kPerDay, quota, "QUOTA_EXCEEDED"},
    {"", "dailyLimitExceeded", quota, "QUOTA_EXCEEDED"},
    {"", "RATE_LIMIT_EXCEEDED", throttled, "RATE_LIMITED"},
    {"", "rateLimitExceeded", throttled, "RATE_LIMITED"},
    {"", "userRateLimitExceeded", throttled, "RATE_LIMITED"},
    {"", "concurrentLimitExceeded", throttled, "RATE_LIMITED"},
    {"", "RESOURCE_OPERATION_RATE_EXCEEDED", throttled, "RATE_LIMITED"},
    {"OAUTH", "rate_limit_exceeded", throttled, "RATE_LIMITED"},
    {"OAUTH", "slow_down", throttled, "RATE_LIMITED"},
    // A limit that frees up slowly, or that a person must raise.
    {"", "QUOTA_EXCEEDED", quota, "QUOTA_EXCEEDED"},
    {"", "RESOURCE_QUOTA_EXCEEDED", quota, "QUOTA_EXCEEDED"},
    {"", "quotaExceeded", quota, "QUOTA_EXCEEDED"},
    {"", "limitExceeded", quota, "QUOTA_EXCEEDED"},
    {"", kQuotaFailure, quota, "QUOTA_EXCEEDED"},
    // The place has no more machines of that kind.
    {"", "ZONE_RESOURCE_POOL_EXHAUSTED", quota, "CAPACITY_EXHAUSTED"},
    {"", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", quota, "CAPACITY_EXHAUSTED"},
    {"", "STOCKOUT", quota, "CAPACITY_EXHAUSTED"},
    // What the project's owner must mend.
    {"", "SERVICE_DISABLED", user, "API_DISABLED"},
    {"", "accessNotConfigured", user, "API_DISABLED"},
    {"", "BILLING_DISABLED", user, "BILLING_DISABLED"},
    // The older names of canonical statuses, and Compute's.
    {"", "alreadyExists", conflict, "ALREADY_EXISTS"},
    {"", "RESOURCE_ALREADY_EXISTS", conflict, "ALREADY_EXISTS"},
    {"", "conditionNotMet", conflict, "CONDITION_NOT_MET"},
    {"", "notFound", user, "NOT_FOUND"},
    {"", "RESOURCE_NOT_FOUND", user, "NOT_FOUND"},
    {"", "resourceNotReady", transient, "RESOURCE_NOT_READY"},
    {"", "RESOURCE_NOT_READY", transient, "RESOURCE_NOT_READY"},
    {"", "resourceInUseByAnotherResource", conflict, "FAILED_PRECONDITION"},
    {"", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", conflict, "FAILED_PRECONDITION"},
    {"", "UNSUPPORTED_OPERATION", conflict, "FAILED_PRECONDITION"},
    {"", "conflict", transient, "ABORTED"},
    {"", "authError", user, "UNAUTHENTICATED"},
    {"", "forbidden", user, "PERMISSION_DENIED"},
    {"", "PERMISSIONS_ERROR", user, "PERMISSION_DENIED"},
    {"", "backendError", transient, "UNAVAILABLE"},
    {"", "internalError", transient, "INTERNAL"},
    {"", "INTERNAL_ERROR", transient, "INTERNAL"},
    // Token endpoints, RFC 6749 §5.2. All but these say that our credentials are not taken.
    {"OAUTH", "server_error", transient, "UNAVAILABLE"},
    {"OAUTH", "temporarily_unavailable", transient, "UNAVAILABLE"},
    {"OAUTH", "internal_failure", transient, "UNAVAILABLE"},
    {"OAUTH", "", user, "CREDENTIALS_REFUSED"},
    // google.rpc.Code. What is exhausted and says when to come back is a rate; what does not is a stock.
    {"RESOURCE_EXHAUSTED", kNamedTime, throttled, "RATE_LIMITED"},
    {"RESOURCE_EXHAUSTED", "", quota, "QUOTA_EXCEEDED"},
    {"INVALID_ARGUMENT", "", user, "INVALID_ARGUMENT"},
    {"FAILED_PRECONDITION", "", conflict, "FAILED_PRECONDITION"},
    {"OUT_OF_RANGE", "", user, "OUT_OF_RANGE"},
    {"UNAUTHENTICATED", "", user, "UNAUTHENTICATED"},
    {"PERMISSION_DENIED", "", user, "PERMISSION_DENIED"},
    {"NOT_FOUND", "", user, "NOT_FOUND"},
    {"ALREADY_EXISTS", "", conflict, "ALREADY_EXISTS"},
    {"ABORTED", "", transient, "ABORTED"},
    {"CANCELLED", "", transient, "CANCELLED"},
    {"UNKNOWN", "", transient, "UNKNOWN"},
    {"INTERNAL", "", transient, "INTERNAL"},
    {"DATA_LOSS", "", internal, "DATA_LOSS"},
    {"UNIMPLEMENTED", "", internal, "UNIMPLEMENTED"},
    {"UNAVAILABLE", "", transient, "UNAVAILABLE"},
    {"DEADLINE_EXCEEDED", "", transient, "DEADLINE_EXCEEDED"},
    // Not Google's API but something on the way to it: only the number is left.
    {"HTTP_400", "", user, "INVALID_ARGUMENT"},
    {"HTTP_401", "", user, "UNAUTHENTICATED"},
    {"HTTP_403", "", user, "PERMISSION_DENIED"},
    // Not NOT_FOUND, with which callers forget what they asked for: a page says nothing of that.
    {"HTTP_404", "", user, "ENDPOINT_NOT_FOUND"},
    {"HTTP_405", "", internal, "UNIMPLEMENTED"},
    {"HTTP_407", "", internal, "PROXY_REFUSED"},
    {"HTTP_408", "", transient, "DEADLINE_EXCEEDED"},
    {"HTTP_409", "", conflict, "CONFLICT"},
    {"HTTP_412", "", conflict, "CONDITION_NOT_MET"},
    {"HTTP_425", "", transient, "UNAVAILABLE"},
    {"HTTP_429", "", throttled, "RATE_LIMITED"},
    {"HTTP_499", "", transient, "CANCELLED"},
    {"HTTP_501", "", internal, "UNIMPLEMENTED"},
    {"HTTP_504", "", transient, "DEADLINE_EXCEEDED"},
    {"HTTP_3xx", "", internal, "UNEXPECTED_REDIRECT"},
    {"HTTP_4xx", "", user, "REFUSED"},
    {"HTTP_5xx", "", transient, "UNAVAILABLE"},
    // A status that was invented after us.
    {"", "", transient, "UNKNOWN"},
};

bool fits_status(std::string_view row, std::string_view status) {
  if (row.empty() || row == status) return true;
  return row.ends_with("xx") && status.size() == row.size() && status.starts_with(row.substr(0, row.size() - 2));
}

bool fits_reason(std::string_view row, std::span<const std::string> reasons) {
  return row.empty() || std::ranges::find(reasons, row) != reasons.end();
}

}  // namespace

std::span<const PolicyRow> policy() { return kPolicy; }

const PolicyRow& classify(std::string_view status, std::span<const std::string> reasons) {
  return *std::ranges::find_if(kPolicy, [&](const PolicyRow& row) {
    return fits_status(row.status, status) && fits_reason(row.reason, reasons);
  });
}

}  // namespace slipway::google
