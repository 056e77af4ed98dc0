#include "google/error.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "google/json_reading.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

using base::ErrorClass;
using namespace std::chrono_literals;

const Call kCall{"workstations", "workstations.create", "/v1/projects/p/locations/l"};

std::string detail(const std::string& type, const std::string& members) {
  return R"({"@type":"type.googleapis.com/google.rpc.)" + type + R"(",)" + members + "}";
}
std::string info(const std::string& reason, const std::string& metadata = "{}") {
  return detail("ErrorInfo", R"("reason":")" + reason + R"(","domain":"googleapis.com","metadata":)" + metadata);
}
std::string refused(int code, const std::string& message, const std::string& status, const std::string& details = "") {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"message":")" + message + R"(","status":")" + status +
         R"(","details":[)" + details + "]}}";
}
// As APIs answered before there were canonical statuses.
std::string older(int code, const std::string& reason) {
  return R"({"error":{"code":)" + std::to_string(code) + R"(,"message":"m","errors":[{"message":"m","reason":")" +
         reason + R"("}]}})";
}

// One answer as a server gives it, and what is to be made of it. A row of the table in docs/google.md each.
struct Sample {
  const char* name;
  int http_status;
  std::string body;
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
    {"QuotaByErrorInfo", 403, refused(403, "Quota exceeded", "PERMISSION_DENIED", info("QUOTA_EXCEEDED")),
     ErrorClass::quota, "QUOTA_EXCEEDED", "Quota exceeded"},
    {"QuotaByQuotaFailure", 403,
     refused(403, "No more", "PERMISSION_DENIED",
             detail("QuotaFailure", R"("violations":[{"subject":"project:p","description":"CPUS, limit 24"}])")),
     ErrorClass::quota, "QUOTA_EXCEEDED", "project:p: CPUS, limit 24"},
    {"QuotaByOlderReason", 403, older(403, "quotaExceeded"), ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"DailyLimit", 403, older(403, "dailyLimitExceeded"), ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"ResourceExhausted", 429, refused(429, "Quota 'CPUS'", "RESOURCE_EXHAUSTED"), ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"ExhaustedThatNamesATime",
     429,
     refused(429, "m", "RESOURCE_EXHAUSTED"),
     ErrorClass::throttled,
     "RATE_LIMITED",
     "",
     7s,
     {{"Retry-After", "7"}}},
    {"RatePerMinute", 429,
     refused(429, "m", "RESOURCE_EXHAUSTED", info("RATE_LIMIT_EXCEEDED", R"({"quota_unit":"1/min/{project}"})")),
     ErrorClass::throttled, "RATE_LIMITED"},
    {"RatePerDay", 429,
     refused(429, "m", "RESOURCE_EXHAUSTED", info("RATE_LIMIT_EXCEEDED", R"({"quota_unit":"1/d/{project}"})")),
     ErrorClass::quota, "QUOTA_EXCEEDED"},
    {"OlderRate", 403, older(403, "rateLimitExceeded"), ErrorClass::throttled, "RATE_LIMITED"},
    {"OlderUserRate", 403, older(403, "userRateLimitExceeded"), ErrorClass::throttled, "RATE_LIMITED"},
    {"BareTooMany", 429, "slow down", ErrorClass::throttled, "RATE_LIMITED", "HTTP 429", 3s, {{"Retry-After", "3"}}},
    {"Capacity", 429, refused(429, "m", "RESOURCE_EXHAUSTED", info("ZONE_RESOURCE_POOL_EXHAUSTED")), ErrorClass::quota,
     "CAPACITY_EXHAUSTED"},
    {"PermissionInTheText", 403,
     refused(403, "Permission 'workstations.workstations.create' denied on 'projects/p'", "PERMISSION_DENIED"),
     ErrorClass::user, "PERMISSION_DENIED", "'workstations.workstations.create' denied on 'projects/p'"},
    {"PermissionInTheMetadata", 403,
     refused(
         403, "Denied.", "PERMISSION_DENIED",
         info("IAM_PERMISSION_DENIED", R"({"permission":"workstations.workstations.create","resource":"projects/p"})")),
     ErrorClass::user, "PERMISSION_DENIED", "Missing permission: workstations.workstations.create. On: projects/p."},
    {"OlderForbidden", 403, older(403, "forbidden"), ErrorClass::user, "PERMISSION_DENIED"},
    {"BareForbidden", 403, "", ErrorClass::user, "PERMISSION_DENIED"},
    {"ApiDisabled", 403, refused(403, "m", "PERMISSION_DENIED", info("SERVICE_DISABLED")), ErrorClass::user,
     "API_DISABLED"},
    {"BillingDisabled", 403, refused(403, "m", "PERMISSION_DENIED", info("BILLING_DISABLED")), ErrorClass::user,
     "BILLING_DISABLED"},
    // 409 has two meanings, and one more when it says none
    {"AlreadyExists", 409, refused(409, "m", "ALREADY_EXISTS"), ErrorClass::conflict, "ALREADY_EXISTS"},
    {"OlderAlreadyExists", 409, older(409, "alreadyExists"), ErrorClass::conflict, "ALREADY_EXISTS"},
    {"Aborted", 409, refused(409, "m", "ABORTED"), ErrorClass::transient, "ABORTED"},
    {"BareConflict", 409, "<html>", ErrorClass::conflict, "CONFLICT"},
    // 400 may be a lost race
    {"FailedPrecondition", 400,
     refused(400, "m", "FAILED_PRECONDITION",
             detail("PreconditionFailure",
                    R"("violations":[{"type":"STATE","subject":"ws","description":"is stopping"}])")),
     ErrorClass::conflict, "FAILED_PRECONDITION", "ws: is stopping"},
    {"InvalidArgument", 400,
     refused(400, "Invalid", "INVALID_ARGUMENT",
             detail("BadRequest", R"("fieldViolations":[{"field":"workstation_id","description":"must match"}])")),
     ErrorClass::user, "INVALID_ARGUMENT", "workstation_id: must match"},
    {"OutOfRange", 400, refused(400, "m", "OUT_OF_RANGE"), ErrorClass::user, "OUT_OF_RANGE"},
    {"BareBadRequest", 400, "{}", ErrorClass::user, "INVALID_ARGUMENT"},
    {"Unauthenticated", 401, refused(401, "m", "UNAUTHENTICATED"), ErrorClass::user, "UNAUTHENTICATED"},
    {"BareUnauthenticated", 401, "", ErrorClass::user, "UNAUTHENTICATED"},
    {"NotFound", 404, refused(404, "m", "NOT_FOUND"), ErrorClass::user, "NOT_FOUND"},
    {"BareNotFound", 404, "<!DOCTYPE html><title>Error 404</title>", ErrorClass::user, "ENDPOINT_NOT_FOUND"},
    {"Gone", 410, "", ErrorClass::user, "REFUSED"},
    {"StaleEtag", 412, older(412, "conditionNotMet"), ErrorClass::conflict, "CONDITION_NOT_MET"},
    {"TooLarge", 413, "", ErrorClass::user, "REFUSED"},
    {"Cancelled", 499, refused(499, "m", "CANCELLED"), ErrorClass::transient, "CANCELLED"},
    // 5xx
    {"Internal", 500, refused(500, "m", "INTERNAL"), ErrorClass::transient, "INTERNAL"},
    {"Unknown", 500, refused(500, "m", "UNKNOWN"), ErrorClass::transient, "UNKNOWN"},
    {"DataLoss", 500, refused(500, "m", "DATA_LOSS"), ErrorClass::internal, "DATA_LOSS"},
    {"Unimplemented", 501, refused(501, "m", "UNIMPLEMENTED"), ErrorClass::internal, "UNIMPLEMENTED"},
    {"Unavailable", 503, refused(503, "m", "UNAVAILABLE", detail("RetryInfo", R"("retryDelay":"1.5s")")),
     ErrorClass::transient, "UNAVAILABLE", "", 1500ms},
    {"TheLaterOfTwoTimes",
     503,
     refused(503, "m", "UNAVAILABLE", detail("RetryInfo", R"("retryDelay":"1.5s")")),
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
    {"DeadlineExceeded", 504, refused(504, "m", "DEADLINE_EXCEEDED"), ErrorClass::transient, "DEADLINE_EXCEEDED"},
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
    {"AStatusFromTheFuture", 503, refused(503, "m", "OVERSLEPT"), ErrorClass::transient, "UNAVAILABLE"},
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

// Each row stands in the table for people, in the same order, and no other does.
TEST(Policy, IsWhatTheDocumentSays) {
  const auto cell = [](std::string_view text) {
    if (text.empty()) return std::string("any");
    return text.starts_with('(') ? std::string(text) : "`" + std::string(text) + "`";
  };
  std::string expected = "| status | reason | class | code |\n| --- | --- | --- | --- |\n";
  for (const auto& row : policy())
    expected += "| " + cell(row.status) + " | " + cell(row.reason) + " | " +
                boost::describe::enum_to_string(row.error_class, "") + " | `" + std::string(row.code) + "` |\n";
  std::ifstream file(SLIPWAY_GOOGLE_DOCUMENT);
  const std::string document{std::istreambuf_iterator(file), {}};
  EXPECT_TRUE(document.contains("\n" + expected + "\n")) << expected;
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
  const auto status = json::parse<Status>(R"({"code":7,"message":"m","details":[)" +
                                          info("QUOTA_EXCEEDED", R"({"quota_limit":"CPUS"})") + "]}");
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
      kCall, net::ClientResponse{
                 429, {}, refused(429, "m", "RESOURCE_EXHAUSTED", info("RATE_LIMIT_EXCEEDED", R"({"service":"s"})"))});
  EXPECT_EQ(json::print_value(error.details()),
            R"({"status":"RESOURCE_EXHAUSTED","httpStatus":429,"reason":"RATE_LIMIT_EXCEEDED",)"
            R"("domain":"googleapis.com","metadata":{"service":"s"},"service":"workstations",)"
            R"("method":"workstations.create","path":"/v1/projects/p/locations/l"})");
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
