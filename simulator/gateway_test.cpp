#include "simulator/gateway.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "net/http_client.h"
#include "net/testing/loop.h"
#include "simulator/pusher.h"

namespace slipway::simulator {
namespace {

using namespace std::chrono_literals;

// A simulator on a port, with a cluster and a config, where everything is done at the next look.
class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest() {
    WorldOptions options;
    options.delays.scale = 0;
    loop.call([&] {
      world = std::make_unique<World>(clock, options, WorldState{.identity = keys()});
      gateway = std::make_unique<Gateway>(loop.io(), *world);
      server = std::make_unique<net::Server>(loop.io(), net::ServerLimits{},
                                             [this](net::Exchange& exchange) { return gateway->handle(exchange); });
      base = "http://127.0.0.1:" + std::to_string(server->listen_tcp("127.0.0.1", 0));
      world->base_url = base;
    });
    token = ask("GET", "/simulator/token").at("access_token").as_string();
    ask("POST", kLocation + "/workstationClusters?workstationClusterId=main", "{}");
    ask("POST", kLocation + "/workstationClusters/main/workstationConfigs?workstationConfigId=starter", "{}");
  }
  ~GatewayTest() override {
    loop.call([&] { gateway->stop(); });
    loop.await(server->drain(0s));
    loop.call([&] { server.reset(); });
  }

  // A key takes time to make: one for all tests.
  static const IdentityState& keys() {
    static const IdentityState made = Identity("simulated-project", {}, 1h).state();
    return made;
  }
  net::ClientResponse send(const std::string& method, const std::string& path, const std::string& body = "",
                           net::Headers headers = {}, net::HttpClient* through = nullptr) {
    net::ClientRequest request{.method = *net::parse_method(method), .url = base + path, .body = body, .direct = true};
    request.headers = std::move(headers);
    if (!token.empty() && !request.headers.get("Authorization"))
      request.headers.set("Authorization", "Bearer " + token);
    return (through ? *through : client).fetch(std::move(request));
  }
  json::Value ask(const std::string& method, const std::string& path, const std::string& body = "") {
    const auto response = send(method, path, body);
    EXPECT_EQ(response.status, 200) << response.body;
    return json::parse_value(response.body);
  }
  void fault(const std::string& rule) { ask("POST", "/simulator/faults", rule); }
  std::size_t machines() { return ask("GET", "/simulator/machines").at("now").as_array().size(); }
  // The code of the client's error; empty if there is an answer. With connections of its own: libcurl sends a request
  // again by itself when a connection that it used before ends without a byte.
  std::string failure(const std::string& method, const std::string& path, const std::string& body) {
    try {
      net::HttpClient fresh;
      send(method, path, body, {}, &fresh);
      return "";
    } catch (const base::Error& error) {
      return error.code();
    }
  }

  const std::string kLocation = "/v1/projects/simulated-project/locations/us-central1";
  const std::string kWorkstations = kLocation + "/workstationClusters/main/workstationConfigs/starter/workstations";
  const std::string kCreate = kWorkstations + "?workstationId=ws-1";
  base::SystemClock clock;
  net::testing::LoopThread loop;
  std::unique_ptr<World> world;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<net::Server> server;
  net::HttpClient client;
  std::string base;
  std::string token;
};

// WP-5
TEST_F(GatewayTest, ALostAnswerLeavesItsEffectAndTheLedgerSaysSo) {
  fault(R"({"kind":"lost_answer","call":"workstations.create","times":1})");
  EXPECT_EQ(failure("POST", kCreate, "{}"), "CONNECTION_CLOSED");
  EXPECT_EQ(machines(), 1u);
  const auto response = send("POST", kCreate, "{}");
  EXPECT_EQ(response.status, 409);
  const auto entries = ask("GET", "/simulator/ledger?effect=workstation.create").at("entries").as_array();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].at("answer_lost"), true);
}

TEST_F(GatewayTest, AResetBeforeTheEffectHasNone) {
  fault(R"({"kind":"reset","call":"workstations.create","times":1})");
  EXPECT_NE(failure("POST", kCreate, "{}"), "");
  EXPECT_EQ(machines(), 0u);
}

TEST_F(GatewayTest, HalfABodyIsNoAnswer) {
  fault(R"({"kind":"truncated_body","call":"workstations.create","times":1})");
  EXPECT_NE(failure("POST", kCreate, "{}"), "");
  EXPECT_EQ(machines(), 1u);
  fault(R"({"kind":"cut_json","call":"workstations.list","times":1})");
  EXPECT_THROW(json::parse_value(send("GET", kWorkstations).body), base::Error);
}

TEST_F(GatewayTest, ABrokenProxyAnswersInHtml) {
  fault(R"({"kind":"server_error","status":502,"body":"html","times":1})");
  const auto response = send("GET", kWorkstations);
  EXPECT_EQ(response.status, 502);
  EXPECT_EQ(response.headers.get("Content-Type"), "text/html; charset=UTF-8");
}

TEST_F(GatewayTest, AnOperationIsFollowedToItsFailure) {
  fault(R"({"kind":"operation_fails","code":"RESOURCE_EXHAUSTED","call":"workstations.create"})");
  const auto name = std::string(ask("POST", kCreate, "{}").at("name").as_string());
  const auto operation = ask("GET", "/v1/" + name);
  EXPECT_EQ(operation.at("done"), true);
  EXPECT_EQ(operation.at("error").at("code"), 8);
  EXPECT_EQ(machines(), 0u);
}

// WP-6
TEST_F(GatewayTest, AStateCanBeOneOfTheFuture) {
  ask("POST", kCreate, "{}");
  fault(R"({"kind":"unknown_state","call":"workstations.get","times":1})");
  EXPECT_EQ(ask("GET", kWorkstations + "/ws-1").at("state"), "STATE_HIBERNATING");
  EXPECT_EQ(ask("GET", kWorkstations + "/ws-1").at("state"), "STATE_STOPPED");
}

// WP-16
TEST_F(GatewayTest, CredentialsAreAskedFor) {
  EXPECT_EQ(send("GET", kWorkstations, "", {{"Authorization", "Bearer nonsense"}}).status, 401);
  ask("POST", "/simulator/revoke-tokens");
  const auto response = send("GET", kWorkstations);
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(json::parse_value(response.body).at("error").at("details").at(0).at("reason"), "ACCESS_TOKEN_EXPIRED");
}

TEST_F(GatewayTest, AnExpiredTokenIsRefused) {
  ask("POST", "/simulator/clock", R"({"advance_s":3600})");
  EXPECT_EQ(send("GET", kWorkstations).status, 401);
}

// WP-16
TEST_F(GatewayTest, TooManyRequestsAMinuteAreThrottled) {
  ask("POST", "/simulator/quotas", R"({"requests_per_minute":1000})");
  EXPECT_EQ(send("GET", kWorkstations).status, 200);
  ask("POST", "/simulator/quotas", R"({"requests_per_minute":0})");
  const auto response = send("GET", kWorkstations);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(json::parse_value(response.body).at("error").at("details").at(0).at("reason"), "RATE_LIMIT_EXCEEDED");
}

// WP-20
TEST_F(GatewayTest, OnlyTheKeyThatWasHandedOutOpens) {
  const auto sign = [&](const RsaKey& key, std::int64_t lifetime_s) {
    const std::int64_t now = base::to_unix_ms(clock.now()) / 1000;
    return make_jwt(key, {{"iss", world->identity.service_account()},
                          {"aud", base + "/token"},
                          {"scope", "https://www.googleapis.com/auth/cloud-platform"},
                          {"iat", now},
                          {"exp", now + lifetime_s}});
  };
  const auto exchange = [&](const std::string& assertion) {
    return send("POST", "/token",
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + assertion,
                {{"Content-Type", "application/x-www-form-urlencoded"}});
  };
  const RsaKey own = RsaKey::from_pem(world->identity.state().service_account_key);
  EXPECT_EQ(exchange(sign(own, 3600)).status, 200);
  EXPECT_EQ(exchange(sign(own, 7200)).status, 400);
  EXPECT_EQ(exchange(sign(own, -1)).status, 400);
  const auto forged = exchange(sign(RsaKey::generate(), 3600));
  EXPECT_EQ(forged.status, 400);
  EXPECT_EQ(json::parse_value(forged.body).at("error"), "invalid_grant");
}

// WP-20
TEST_F(GatewayTest, MetadataServerKnowsItsHeaders) {
  const std::string path = "/computeMetadata/v1/instance/service-accounts/default/token";
  EXPECT_EQ(send("GET", path).status, 403);
  EXPECT_EQ(send("GET", path, "", {{"Metadata-Flavor", "Google"}, {"X-Forwarded-For", "10.0.0.1"}}).status, 403);
  const auto response = send("GET", path, "", {{"Metadata-Flavor", "Google"}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Metadata-Flavor"), "Google");
}

TEST_F(GatewayTest, RestartedItKnowsItsMachinesAndItsTokens) {
  ask("POST", kCreate, "{}");
  const std::string saved = loop.call([&] { return json::print(world->state()); });
  World restarted(clock, {}, json::parse<WorldState>(saved));
  restarted.advance();
  EXPECT_EQ(restarted.workstations.state().resources.size(), 3u);
  EXPECT_EQ(restarted.ledger.entries().back().effect, "workstation.create.done");  // it was due
  const std::string header = "Bearer " + token;
  EXPECT_EQ(restarted.identity.authenticate(header, "workstations", restarted.now()).email,
            "slipway@simulated-project.iam.gserviceaccount.com");
}

TEST_F(GatewayTest, APullWaitsForItsMessage) {
  const std::string project = "/v1/projects/simulated-project";
  ask("PUT", project + "/topics/orders", "{}");
  ask("PUT", project + "/subscriptions/worker", R"({"topic":"projects/simulated-project/topics/orders"})");
  auto pulled = std::async(std::launch::async, [&] {
    net::ClientRequest request{.method = net::Method::post,
                               .url = base + project + "/subscriptions/worker:pull",
                               .body = R"({"maxMessages":5})",
                               .direct = true};
    request.headers.set("Authorization", "Bearer " + token);
    return client.fetch(std::move(request)).body;
  });
  // Only once the pull waits: what comes before it is another path.
  while (ask("GET", "/simulator/status").at("requests").as_object().if_contains("pubsub.pull") == nullptr) {
  }
  ask("POST", "/simulator/publish?topic=orders", "hello");
  const auto message = json::parse_value(pulled.get()).at("receivedMessages").at(0).at("message");
  EXPECT_EQ(message.at("data").as_string(), base::base64("hello"));
}

// WP-1: what a push endpoint gets, and that a refusal brings the message again.
TEST_F(GatewayTest, APushIsSignedAndComesAgainUntilItIsTaken) {
  std::mutex mutex;
  std::vector<net::Request> got;
  net::testing::ServerThread endpoint([&](net::Exchange& exchange) -> net::Awaitable<void> {
    std::size_t count = 0;
    {
      const std::scoped_lock lock(mutex);
      got.push_back(exchange.request());
      count = got.size();
    }
    co_await exchange.respond({count == 1 ? 503 : 204, {}, ""});
  });
  const std::string project = "/v1/projects/simulated-project";
  ask("PUT", project + "/topics/orders", "{}");
  const json::Object push{{"pushEndpoint", endpoint.url("/push")},
                          {"oidcToken", json::Object{{"serviceAccountEmail", "pusher@example.com"}}}};
  ask("PUT", project + "/subscriptions/pushed",
      json::print_value(json::Object{{"topic", "projects/simulated-project/topics/orders"}, {"pushConfig", push}}));
  ask("POST", "/simulator/publish?topic=orders", "hello");

  net::HttpClient pushing;
  Pusher pusher(loop.io(), *world, pushing);
  auto tasks = std::make_unique<net::TaskGroup>(loop.io(), [](std::exception_ptr) {});
  loop.call([&] { tasks->spawn(pusher.run()); });
  EXPECT_TRUE(
      endpoint.wait_until([&](const net::ServerStatistics& statistics) { return statistics.requests_total >= 2; }));
  loop.call([&] { tasks->cancel(); });
  loop.await(tasks->join());
  loop.await(pusher.settle());
  loop.call([&] { tasks.reset(); });

  const auto body = json::parse_value(got.at(0).body);
  EXPECT_EQ(body.at("message").at("data").as_string(), base::base64("hello"));
  EXPECT_EQ(body.at("message").at("messageId"), body.at("message").at("message_id"));
  const auto authorization = got.at(0).headers.get("Authorization").value_or("");
  const auto claims = loop.call([&] { return read_jwt(world->identity.google_key(), authorization.substr(7)); });
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->at("aud").as_string(), endpoint.url("/push"));
  EXPECT_EQ(claims->at("email").as_string(), "pusher@example.com");
  EXPECT_EQ(loop.call([&] { return world->pubsub.backlog("projects/simulated-project/subscriptions/pushed"); }), 0u);
}

}  // namespace
}  // namespace slipway::simulator
