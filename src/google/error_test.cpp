#include "google/error.h"

#include <gtest/gtest.h>

#include "google/json_reading.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

using base::ErrorClass;
using namespace std::chrono_literals;

const Call kCall{"workstations", "workstations.create", "/v1/projects/p/locations/l"};

// One answer as a server gives it, and what is to be made of it. A row of the table in docs/google.md each.
struct Sample {
  const char* name;
  int http_status;
  const char* body;
  ErrorClass error_class;
  const char* code;
  const char* in_message = "";
  std::optional<base::Duration> retry_after = std::nullopt;
  net::Headers headers = {};
};

std::ostream& operator<<(std::ostream& out, const Sample& sample) { return out << sample.name; }

class Answers : public ::testing::TestWithParam<Sample> {};

TEST_P(Answers, AreUnderstoodByStatusAndReason) {
  const Sample& sample = GetParam();
  const auto error = to_error(kCall, {sample.http_status, sample.headers, sample.body});
  EXPECT_EQ(error.code(), sample.code);
  EXPECT_EQ(error.error_class(), sample.error_class) << error.what();
  EXPECT_TRUE(error.message().contains(sample.in_message)) << error.message();
  EXPECT_EQ(error.retry_after(), sample.retry_after);
  const auto details = details_of(error);
  ASSERT_TRUE(details);
  EXPECT_EQ(details->http_status, sample.http_status);
  EXPECT_EQ(details->path, kCall.path);
}

// WP-11, WP-12, WP-16
const Sample kSamples[] = {
    // 403 and 429: a quota, a rate, or a permission
    {"QuotaByErrorInfo", 403,
     R"({"error":{"code":403,"message":"Quota exceeded","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"QUOTA_EXCEEDED","domain":"workstations.googleapis.com"}]}})",
     ErrorClass::quota, "QUOTA_EXCEEDED", "Quota exceeded"},
    {"QuotaByQuotaFailure", 403,
     R"({"error":{"code":403,"message":"No more","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"project:p","description":"CPUS, limit 24"}]}]}})",
     ErrorClass::quota, "QUOTA_EXCEEDED", "project:p: CPUS, limit 24"},
    {"QuotaByOlderReason", 403,
     R"({"error":{"code":403,"message":"Quota","errors":[{"domain":"usageLimits","reason":"quotaExceeded","message":"Quota"}]}})",
     ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"DailyLimit", 403, R"({"error":{"code":403,"message":"m","errors":[{"reason":"dailyLimitExceeded"}]}})",
     ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"ResourceExhausted", 429, R"({"error":{"code":429,"message":"Quota 'CPUS'","status":"RESOURCE_EXHAUSTED"}})",
     ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"ExhaustedThatNamesATime",
     429,
     R"({"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}})",
     ErrorClass::throttled,
     "RATE_LIMITED",
     "",
     7s,
     {{"Retry-After", "7"}}},
    {"RatePerMinute", 429,
     R"({"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com","metadata":{"quota_unit":"1/min/{project}"}}]}})",
     ErrorClass::throttled, "RATE_LIMITED"},
    {"RatePerDay", 429,
     R"({"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com","metadata":{"quota_unit":"1/d/{project}"}}]}})",
     ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"OlderRate", 403, R"({"error":{"code":403,"message":"m","errors":[{"reason":"rateLimitExceeded"}]}})",
     ErrorClass::throttled, "RATE_LIMITED"},
    {"OlderUserRate", 403, R"({"error":{"code":403,"message":"m","errors":[{"reason":"userRateLimitExceeded"}]}})",
     ErrorClass::throttled, "RATE_LIMITED"},
    {"BareTooMany", 429, "slow down", ErrorClass::throttled, "RATE_LIMITED", "HTTP 429", 3s, {{"Retry-After", "3"}}},
    {"Capacity", 429,
     R"({"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ZONE_RESOURCE_POOL_EXHAUSTED","domain":"compute.googleapis.com"}]}})",
     ErrorClass::quota, "CAPACITY_EXHAUSTED"},
    {"PermissionInTheText", 403,
     R"({"error":{"code":403,"message":"Permission 'workstations.workstations.create' denied on 'projects/p'","status":"PERMISSION_DENIED"}})",
     ErrorClass::user, "PERMISSION_DENIED", "'workstations.workstations.create' denied on 'projects/p'"},
    {"PermissionInTheMetadata", 403,
     R"({"error":{"code":403,"message":"Denied.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"IAM_PERMISSION_DENIED","domain":"iam.googleapis.com","metadata":{"permission":"workstations.workstations.create","resource":"projects/p"}}]}})",
     ErrorClass::user, "PERMISSION_DENIED", "Missing permission: workstations.workstations.create. On: projects/p."},
    {"OlderForbidden", 403, R"({"error":{"code":403,"message":"m","errors":[{"reason":"forbidden"}]}})",
     ErrorClass::user, "PERMISSION_DENIED"},
    {"BareForbidden", 403, "", ErrorClass::user, "PERMISSION_DENIED"},
    {"ApiDisabled", 403,
     R"({"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com"}]}})",
     ErrorClass::user, "API_DISABLED"},
    {"BillingDisabled", 403,
     R"({"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BILLING_DISABLED","domain":"googleapis.com"}]}})",
     ErrorClass::user, "BILLING_DISABLED"},
    // 409 has two meanings, and one more when it says none
    {"AlreadyExists", 409, R"({"error":{"code":409,"message":"m","status":"ALREADY_EXISTS"}})", ErrorClass::conflict,
     "ALREADY_EXISTS"},
    {"OlderAlreadyExists", 409, R"({"error":{"code":409,"message":"m","errors":[{"reason":"alreadyExists"}]}})",
     ErrorClass::conflict, "ALREADY_EXISTS"},
    {"Aborted", 409, R"({"error":{"code":409,"message":"m","status":"ABORTED"}})", ErrorClass::transient, "ABORTED"},
    {"BareConflict", 409, "<html>", ErrorClass::conflict, "CONFLICT"},
    // 400 may be a lost race
    {"FailedPrecondition", 400,
     R"({"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION","details":[{"@type":"type.googleapis.com/google.rpc.PreconditionFailure","violations":[{"type":"STATE","subject":"ws","description":"is stopping"}]}]}})",
     ErrorClass::conflict, "FAILED_PRECONDITION", "ws: is stopping"},
    {"InvalidArgument", 400,
     R"({"error":{"code":400,"message":"Invalid","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"workstation_id","description":"must match"}]}]}})",
     ErrorClass::user, "INVALID_ARGUMENT", "workstation_id: must match"},
    {"OutOfRange", 400, R"({"error":{"code":400,"message":"m","status":"OUT_OF_RANGE"}})", ErrorClass::user,
     "OUT_OF_RANGE"},
    {"BareBadRequest", 400, "{}", ErrorClass::user, "INVALID_ARGUMENT"},
    {"Unauthenticated", 401, R"({"error":{"code":401,"message":"m","status":"UNAUTHENTICATED"}})", ErrorClass::user,
     "UNAUTHENTICATED"},
    {"BareUnauthenticated", 401, "", ErrorClass::user, "UNAUTHENTICATED"},
    {"NotFound", 404, R"({"error":{"code":404,"message":"m","status":"NOT_FOUND"}})", ErrorClass::user, "NOT_FOUND"},
    {"BareNotFound", 404, "<!DOCTYPE html><title>Error 404</title>", ErrorClass::user, "NOT_FOUND"},
    {"Gone", 410, "", ErrorClass::user, "NOT_FOUND"},
    {"StaleEtag", 412, R"({"error":{"code":412,"message":"m","errors":[{"reason":"conditionNotMet"}]}})",
     ErrorClass::conflict, "CONDITION_NOT_MET"},
    {"TooLarge", 413, "", ErrorClass::user, "REFUSED"},
    {"Cancelled", 499, R"({"error":{"code":499,"message":"m","status":"CANCELLED"}})", ErrorClass::transient,
     "CANCELLED"},
    // 5xx
    {"Internal", 500, R"({"error":{"code":500,"message":"m","status":"INTERNAL"}})", ErrorClass::transient, "INTERNAL"},
    {"Unknown", 500, R"({"error":{"code":500,"message":"m","status":"UNKNOWN"}})", ErrorClass::transient, "UNKNOWN"},
    {"DataLoss", 500, R"({"error":{"code":500,"message":"m","status":"DATA_LOSS"}})", ErrorClass::internal,
     "DATA_LOSS"},
    {"Unimplemented", 501, R"({"error":{"code":501,"message":"m","status":"UNIMPLEMENTED"}})", ErrorClass::internal,
     "UNIMPLEMENTED"},
    {"Unavailable", 503,
     R"({"error":{"code":503,"message":"m","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}})",
     ErrorClass::transient, "UNAVAILABLE", "", 1500ms},
    {"TheLaterOfTwoTimes",
     503,
     R"({"error":{"code":503,"message":"m","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}})",
     ErrorClass::transient,
     "UNAVAILABLE",
     "",
     9s,
     {{"Retry-After", "9"}}},
    {"RetryAfterAsADate",
     503,
     "",
     ErrorClass::transient,
     "UNAVAILABLE",
     "",
     30s,
     {{"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}, {"Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT"}}},
    {"RetryAfterThatIsNoTime",
     503,
     "",
     ErrorClass::transient,
     "UNAVAILABLE",
     "",
     std::nullopt,
     {{"Retry-After", "soon"}}},
    {"DeadlineExceeded", 504, R"({"error":{"code":504,"message":"m","status":"DEADLINE_EXCEEDED"}})",
     ErrorClass::transient, "DEADLINE_EXCEEDED"},
    {"HtmlOfAFrontEnd",
     502,
     "<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>",
     ErrorClass::transient,
     "UNAVAILABLE",
     "HTTP 502 without an explanation (text/html",
     std::nullopt,
     {{"Content-Type", "text/html; charset=UTF-8"}}},
    {"EmptyAnswer", 500, "", ErrorClass::transient, "UNAVAILABLE"},
    {"Redirect", 302, "", ErrorClass::internal, "UNEXPECTED_REDIRECT"},
    {"ProxyWantsAPassword", 407, "", ErrorClass::internal, "PROXY_REFUSED"},
    {"AStatusFromTheFuture", 503, R"({"error":{"code":503,"message":"m","status":"OVERSLEPT"}})", ErrorClass::transient,
     "UNAVAILABLE"},
    {"WithinAnArray", 404, R"([{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}])", ErrorClass::user,
     "NOT_FOUND"},
    {"WrongTypesEverywhere", 400,
     R"({"error":{"code":"x","message":7,"status":[],"details":{"a":1},"errors":["x",{"reason":5}]}})",
     ErrorClass::user, "INVALID_ARGUMENT"},
    // Token endpoints
    {"InvalidGrant", 400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})", ErrorClass::user,
     "CREDENTIALS_REFUSED", "invalid_grant: Invalid JWT Signature."},
    {"InvalidClient", 401, R"({"error":"invalid_client"})", ErrorClass::user, "CREDENTIALS_REFUSED"},
    {"TokenServerBusy", 400, R"({"error":"temporarily_unavailable"})", ErrorClass::transient, "UNAVAILABLE"},
    {"TokenServerDown", 503, R"({"error":"invalid_grant"})", ErrorClass::transient, "UNAVAILABLE"},
};
INSTANTIATE_TEST_SUITE_P(Google, Answers, ::testing::ValuesIn(kSamples),
                         [](const auto& sample) { return std::string(sample.param.name); });

TEST(Policy, EachRowCanBeReached) {
  for (const auto& row : policy()) {
    std::string status(row.status.empty() ? "OVERSLEPT" : row.status);
    if (status.ends_with("xx")) status.replace(status.size() - 2, 2, "97");
    std::vector<std::string> reasons;
    if (!row.reason.empty()) reasons.emplace_back(row.reason);
    EXPECT_EQ(&classify(status, reasons), &row) << row.status << " " << row.reason;
  }
}

TEST(Policy, KnowsEveryCanonicalCodeInsideAnOperation) {
  const std::map<int, std::pair<const char*, ErrorClass>> expected{{1, {"CANCELLED", ErrorClass::transient}},
                                                                   {2, {"UNKNOWN", ErrorClass::transient}},
                                                                   {3, {"INVALID_ARGUMENT", ErrorClass::user}},
                                                                   {4, {"DEADLINE_EXCEEDED", ErrorClass::transient}},
                                                                   {5, {"NOT_FOUND", ErrorClass::user}},
                                                                   {6, {"ALREADY_EXISTS", ErrorClass::conflict}},
                                                                   {7, {"PERMISSION_DENIED", ErrorClass::user}},
                                                                   {8, {"QUOTA_EXCEEDED", ErrorClass::quota}},
                                                                   {9, {"FAILED_PRECONDITION", ErrorClass::conflict}},
                                                                   {10, {"ABORTED", ErrorClass::transient}},
                                                                   {11, {"OUT_OF_RANGE", ErrorClass::user}},
                                                                   {12, {"UNIMPLEMENTED", ErrorClass::internal}},
                                                                   {13, {"INTERNAL", ErrorClass::transient}},
                                                                   {14, {"UNAVAILABLE", ErrorClass::transient}},
                                                                   {15, {"DATA_LOSS", ErrorClass::internal}},
                                                                   {16, {"UNAUTHENTICATED", ErrorClass::user}},
                                                                   {17, {"UNKNOWN", ErrorClass::transient}},
                                                                   {-4, {"UNKNOWN", ErrorClass::transient}}};
  for (const auto& [code, meaning] : expected) {
    const auto error = to_error(kCall, Status{.code = code, .message = "m", .details = nullptr});
    EXPECT_EQ(error.code(), meaning.first) << code;
    EXPECT_EQ(error.error_class(), meaning.second) << code;
    EXPECT_FALSE(details_of(error)->http_status);
  }
}

// WP-11: a quota inside a finished operation
TEST(Policy, ReadsTheDetailsInsideAnOperation) {
  const auto status = json::parse<Status>(
      R"({"code":7,"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"QUOTA_EXCEEDED","domain":"compute.googleapis.com","metadata":{"quota_limit":"CPUS"}}]})");
  const auto error = to_error(kCall, status);
  EXPECT_EQ(error.code(), "QUOTA_EXCEEDED");
  EXPECT_EQ(error.error_class(), ErrorClass::quota);
  EXPECT_EQ(details_of(error)->metadata.at("quota_limit"), "CPUS");
}

TEST(Policy, ReadsComputesOperations) {
  const auto judged = [](const char* text) { return compute_operation_error(kCall, json::parse_value(text)); };
  EXPECT_EQ(judged(R"({"errors":[{"code":"QUOTA_EXCEEDED","message":"Quota 'CPUS' exceeded."}]})").error_class(),
            ErrorClass::quota);
  EXPECT_EQ(judged(R"({"errors":[{"code":"ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS","message":"m"}]})").code(),
            "CAPACITY_EXHAUSTED");
  EXPECT_EQ(judged(R"({"errors":[{"code":"RESOURCE_ALREADY_EXISTS","message":"m"}]})").code(), "ALREADY_EXISTS");
  EXPECT_EQ(judged(R"({"errors":[{"code":"RESOURCE_NOT_READY","message":"m"}]})").error_class(), ErrorClass::transient);
  EXPECT_EQ(judged("{}").code(), "UNKNOWN");
}

TEST(Policy, KeepsWhatProgramsNeedInTheDetails) {
  const auto error = to_error(
      kCall,
      net::ClientResponse{
          429,
          {},
          R"({"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com","metadata":{"service":"workstations.googleapis.com"}}]}})"});
  EXPECT_EQ(
      json::print_value(error.details()),
      R"({"status":"RESOURCE_EXHAUSTED","httpStatus":429,"reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com","metadata":{"service":"workstations.googleapis.com"},"service":"workstations","method":"workstations.create","path":"/v1/projects/p/locations/l"})");
  EXPECT_FALSE(details_of(base::internal_error("not from here")));
}

// WP-20
TEST(Scrub, TakesOutWhatLooksLikeASecret) {
  EXPECT_EQ(scrub("token ya29.a0AfH6SMBx-canary_1 is bad"), "token *redacted* is bad");
  EXPECT_EQ(scrub("'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln'"), "'*redacted*'");
  EXPECT_EQ(scrub("Authorization: Bearer canary"), "Authorization: Bearer *redacted*");
  EXPECT_EQ(scrub("at /t?access_token=canary&x=1"), "at /t?*redacted*&x=1");
  EXPECT_EQ(scrub("key -----BEGIN PRIVATE KEY-----\ncanary"), "key ");
  EXPECT_EQ(scrub(std::string(200, 'a')), "*redacted*");
  EXPECT_EQ(scrub("projects/p/locations/l/workstationClusters/c"), "projects/p/locations/l/workstationClusters/c");
  EXPECT_EQ(scrub(""), "");
}

TEST(Scrub, CutsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 600; ++i) text += "é ";
  const auto cut = scrub(text);
  EXPECT_LT(cut.size(), 1'010u);
  EXPECT_TRUE(cut.ends_with("…"));
  EXPECT_TRUE(net::is_valid_utf8(cut));
}

TEST(JsonReading, TakesProtosDurationsInBothForms) {
  EXPECT_EQ(duration(json::parse_value(R"("3.5s")")), 3500ms);
  EXPECT_EQ(duration(json::parse_value(R"({"seconds":"3","nanos":500000000})")), 3500ms);
  EXPECT_FALSE(duration(json::parse_value(R"("3")")));
  EXPECT_FALSE(duration(json::parse_value(R"("-3s")")));
  EXPECT_FALSE(duration(json::parse_value(R"("infs")")));
  EXPECT_EQ(print_duration(3500ms), "3.500s");
  EXPECT_EQ(print_duration(1h), "3600s");
}

}  // namespace
}  // namespace slipway::google
