#include "google/api_client.h"

#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "google/testing/fake_google.h"
#include "net/http_client.h"
#include "net/testing/raw_client.h"
#include "net/testing/tls_files.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using net::json_response;
using testing::CountingTokens;
using testing::FakeServer;

constexpr const char* kUnavailable = R"({"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}})";
constexpr const char* kNotFound = R"({"error":{"code":404,"message":"gone","status":"NOT_FOUND"}})";

struct ApiClientTest : ::testing::Test {
  FakeServer server;
  net::HttpClient http;
  testing::SetClock clock;
  CountingTokens tokens;
  observe::Registry metrics;
  ApiClient api{http, tokens, clock, metrics, {.quota_project = "billed", .read_retry_delay = 1ms}};

  ApiRequest get(const std::string& path = "/v1/x") {
    return {.service = "test", .name = "things.get", .endpoint = server.url(), .path = path};
  }
  ApiRequest post() {
    ApiRequest request = get();
    request.method = net::Method::post;
    request.body = json::Object{{"a", 1}};
    return request;
  }
  std::string failure(const ApiRequest& request) {
    try {
      api.call(request);
      return "";
    } catch (const base::Error& error) {
      return error.code();
    }
  }
};

TEST_F(ApiClientTest, SendsTheTokenTheProjectAndTheQuery) {
  server.set([](const net::Request&) { return json_response(200, R"({"ok":true})"); });
  ApiRequest request = post();
  request.query = {{"id", "a b&c"}, {"filter", ""}};
  EXPECT_EQ(json::print_value(api.call(request)), R"({"ok":true})");
  const auto seen = server.requests().at(0);
  EXPECT_EQ(seen.target, "/v1/x?id=a%20b%26c");
  EXPECT_EQ(seen.headers.get("Authorization"), "Bearer token-1");
  EXPECT_EQ(seen.headers.get("X-Goog-User-Project"), "billed");
  EXPECT_EQ(seen.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(seen.body, R"({"a":1})");
}

TEST_F(ApiClientTest, GivesNullForAnEmptyAnswer) {
  server.set([](const net::Request&) { return net::Response{200, {}, ""}; });
  EXPECT_TRUE(api.call(post()).is_null());
}

// WP-16: the token is refreshed once
TEST_F(ApiClientTest, AsksOnceMoreWithANewTokenAfterA401) {
  server.set([](const net::Request& request) {
    return request.headers.get("Authorization") == "Bearer token-1" ? net::Response{401, {}, ""}
                                                                    : json_response(200, "{}");
  });
  EXPECT_EQ(failure(post()), "");
  EXPECT_EQ(server.count(), 2u);
  server.set([](const net::Request&) { return net::Response{401, {}, ""}; });
  EXPECT_EQ(failure(post()), "UNAUTHENTICATED");
  EXPECT_EQ(server.count(), 4u);
}

TEST_F(ApiClientTest, RepeatsReadsThatFailForAReasonThatPasses) {
  server.set([this](const net::Request&) {
    return server.count() < 3 ? json_response(503, kUnavailable) : json_response(200, "{}");
  });
  EXPECT_EQ(failure(get()), "");
  EXPECT_EQ(server.count(), 3u);
}

TEST_F(ApiClientTest, GivesUpAReadAfterAFewTimes) {
  server.set([](const net::Request&) { return json_response(503, kUnavailable); });
  EXPECT_EQ(failure(get()), "UNAVAILABLE");
  EXPECT_EQ(server.count(), 3u);
}

TEST_F(ApiClientTest, NeverRepeatsWhatChangesSomething) {
  server.set([](const net::Request&) { return json_response(503, kUnavailable); });
  EXPECT_EQ(failure(post()), "UNAVAILABLE");
  EXPECT_EQ(server.count(), 1u);
}

TEST_F(ApiClientTest, LeavesALongWaitToItsCaller) {
  server.set([](const net::Request&) { return net::Response{503, {{"Retry-After", "60"}}, kUnavailable}; });
  try {
    api.call(get());
    ADD_FAILURE();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.retry_after(), 60s);
  }
  EXPECT_EQ(server.count(), 1u);
}

TEST_F(ApiClientTest, ThrottledReadsAreNotRepeated) {
  server.set([](const net::Request&) { return net::Response{429, {{"Retry-After", "1"}}, ""}; });
  EXPECT_EQ(failure(get()), "RATE_LIMITED");
  EXPECT_EQ(server.count(), 1u);
}

TEST_F(ApiClientTest, FindTakesOnlyTheApisOwnWordForAbsence) {
  server.set([](const net::Request&) { return json_response(404, kNotFound); });
  EXPECT_FALSE(api.find(get()));
  server.set([](const net::Request&) { return net::Response{404, {}, "<html>"}; });
  EXPECT_THROW(api.find(get()), base::Error);
}

TEST_F(ApiClientTest, AnAnswerThatIsNoJsonIsAFailureThatPasses) {
  server.set([](const net::Request&) { return net::Response{200, {}, "<html>captive portal"}; });
  EXPECT_EQ(failure(get()), "MALFORMED_ANSWER");
}

// WP-16: one broken cloud does not stall the rest
TEST_F(ApiClientTest, LeavesABrokenEndpointAloneAndTriesItAgainLater) {
  server.set([](const net::Request&) { return json_response(503, kUnavailable); });
  for (int i = 0; i < 10; ++i) failure(post());
  EXPECT_EQ(failure(post()), "CIRCUIT_OPEN");
  EXPECT_EQ(server.count(), 10u);
  EXPECT_EQ(api.circuit_state(server.url()), CircuitState::open);
  EXPECT_TRUE(metrics.expose().contains("slipway_google_circuit_state{endpoint=\"" + server.url() + "\"} 2"));

  FakeServer other;
  ApiRequest elsewhere = get();
  elsewhere.endpoint = other.url();
  EXPECT_EQ(failure(elsewhere), "") << "another endpoint's circuit is its own";

  server.set([](const net::Request&) { return json_response(200, "{}"); });
  clock.advance(2s);
  EXPECT_EQ(failure(post()), "");
  EXPECT_EQ(api.circuit_state(server.url()), CircuitState::closed);
}

TEST_F(ApiClientTest, RefusalsOfSingleCallsDoNotOpenTheCircuit) {
  for (const auto& [status, name] : {std::pair{404, "NOT_FOUND"}, {409, "ABORTED"}, {429, "RESOURCE_EXHAUSTED"}}) {
    server.set([=](const net::Request&) {
      return json_response(status, R"({"error":{"message":"m","status":")" + std::string(name) + R"("}})");
    });
    for (int i = 0; i < 30; ++i) failure(post());
  }
  EXPECT_EQ(api.circuit_state(server.url()), CircuitState::closed);
}

TEST_F(ApiClientTest, AnEndpointThatNobodyListensOnIsBroken) {
  const net::testing::RefusingPort nobody;
  ApiRequest request = post();
  request.endpoint = "http://127.0.0.1:" + nobody.str();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(failure(request), "CONNECTION_FAILED");
  EXPECT_EQ(failure(request), "CIRCUIT_OPEN");
}

// A token's endpoint is another endpoint: its troubles are not this one's.
TEST_F(ApiClientTest, AFailureToGetATokenDoesNotOpenTheCircuit) {
  struct Broken final : TokenSource {
    base::Secret token(std::stop_token) override {
      throw base::Error(base::ErrorClass::transient, "CONNECTION_FAILED", "no way");
    }
    void reject(const base::Secret&) override {}
  } broken;
  ApiClient other(http, broken, clock, metrics);
  for (int i = 0; i < 30; ++i) {
    try {
      other.call(post());
      ADD_FAILURE();
    } catch (const base::Error& error) {
      EXPECT_TRUE(error.made_no_call());
    }
  }
  EXPECT_EQ(other.circuit_state(server.url()), CircuitState::closed);
}

TEST_F(ApiClientTest, EndsWhenItIsStopped) {
  std::latch asked(1);
  std::stop_source stop;
  const net::testing::ServerThread silent([&](net::Exchange&) -> net::Awaitable<void> {
    asked.count_down();
    co_await net::sleep_for(1h);
  });
  ApiRequest request = get();
  request.endpoint = silent.url("");
  request.stop = stop.get_token();
  std::jthread stopper([&] {
    asked.wait();
    stop.request_stop();
  });
  EXPECT_EQ(failure(request), "CANCELLED");
}

// WP-21
TEST_F(ApiClientTest, RefusesPlainHttpToAnotherMachine) {
  ApiRequest request = get();
  request.endpoint = "http://workstations.example.com";
  EXPECT_EQ(failure(request), "VALIDATION_ERROR");
}

// WP-21
TEST_F(ApiClientTest, VerifiesCertificates) {
  const net::testing::TemporaryTls tls;
  net::testing::ServerThread secure(
      [](net::Exchange& exchange) -> net::Awaitable<void> { co_await exchange.respond(json_response(200, "{}")); });
  const auto port = secure.loop().call([&] { return secure.server().listen_tcp("127.0.0.1", 0, tls.files()); });
  ApiRequest request = get();
  request.endpoint = "https://localhost:" + std::to_string(port);
  EXPECT_EQ(failure(request), "TLS_FAILED");
  ApiClient trusting(http, tokens, clock, metrics, {.ca_file = tls.files().certificate_chain});
  EXPECT_TRUE(trusting.call(request).is_object());
}

TEST_F(ApiClientTest, CountsCallsByWhatCameOfThem) {
  failure(post());
  server.set([](const net::Request&) { return json_response(404, kNotFound); });
  failure(post());
  const std::string exposed = metrics.expose();
  EXPECT_TRUE(exposed.contains(R"(slipway_google_requests_total{method="things.get",outcome="ok",service="test"} 1)"));
  EXPECT_TRUE(
      exposed.contains(R"(slipway_google_requests_total{method="things.get",outcome="user",service="test"} 1)"));
}

// WP-20: no error and no metric holds a token, whatever the server does with it
TEST_F(ApiClientTest, TokensAppearInNoText) {
  struct Canary final : TokenSource {
    base::Secret token(std::stop_token) override { return base::Secret("ya29.canary-canary-canary"); }
    void reject(const base::Secret&) override {}
  } canary;
  ApiClient loud(http, canary, clock, metrics, {.read_retries_max = 0});
  std::string said;
  for (const int status : {301, 400, 401, 403, 404, 409, 429, 500, 503}) {
    for (const bool is_json : {true, false}) {
      server.set([&](const net::Request& request) {
        const std::string echo(*request.headers.get("Authorization"));
        return is_json ? json_response(status, R"({"error":{"message":"bad )" + echo +
                                                   R"(","status":"X","details":[{"@type":"google.rpc.ErrorInfo",)"
                                                   R"("reason":"R","metadata":{"k":")" +
                                                   echo + R"("}}]}})")
                       : net::Response{status, {}, echo};
      });
      try {
        loud.call(get());
        ADD_FAILURE() << status;
      } catch (const base::Error& error) {
        said += std::string(error.what()) + json::print_value(error.details()) + "\n";
      }
    }
  }
  EXPECT_FALSE((said + metrics.expose()).contains("canary")) << said;
}

TEST_F(ApiClientTest, ReadsPagesUntilThereIsNone) {
  server.set([](const net::Request& request) {
    const auto token = request.query_value("pageToken");
    if (!token) return json_response(200, R"({"nextPageToken":"2","n":1})");
    return json_response(200, *token == "2" ? R"({"nextPageToken":"3","n":2})" : R"({"n":3})");
  });
  std::int64_t sum = 0;
  for_each_page(api, get(), 10, [&](const json::Value& page) { sum += page.at("n").as_int64(); });
  EXPECT_EQ(sum, 6);
  EXPECT_THROW(for_each_page(api, get(), 2, [](const json::Value&) {}), base::Error);
}

}  // namespace
}  // namespace slipway::google
