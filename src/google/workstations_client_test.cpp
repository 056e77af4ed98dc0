#include "google/workstations_client.h"

#include <gtest/gtest.h>

#include "google/api_client.h"
#include "google/resource_name.h"
#include "google/testing/fake_google.h"
#include "net/http_client.h"

namespace slipway::google {
namespace {

using namespace std::chrono_literals;
using net::json_response;
using testing::FakeServer;

const std::string kCluster = "projects/p/locations/l/workstationClusters/c";
const std::string kConfig = kCluster + "/workstationConfigs/starter";
const std::string kName = kConfig + "/workstations/ws-1";
constexpr const char* kPending = R"({"name":"projects/p/locations/l/operations/o","metadata":{"verb":"create"}})";

struct WorkstationsTest : ::testing::Test {
  FakeServer server;
  net::HttpClient http;
  testing::SetClock clock;
  testing::CountingTokens tokens;
  observe::Registry metrics;
  ApiClient api{http, tokens, clock, metrics};
  WorkstationsClient client{api, server.url()};

  void answer(const std::string& body, int status = 200) {
    server.set([=](const net::Request&) { return json_response(status, body); });
  }
  // The last request as "METHOD target body".
  std::string asked() {
    const auto last = server.requests().back();
    return std::string(net::to_string(last.method)) + " " + last.target + " " + last.body;
  }
};

// WP-5
TEST_F(WorkstationsTest, CreatesWithAnIdOfOurs) {
  answer(kPending);
  const auto operation = client.create_workstation(
      kConfig, "ws-1", {.labels = {{"slipway-run", "r"}}, .env = {{"USER_ID", "u"}}, .state_text = "ignored"});
  EXPECT_EQ(asked(), "POST /v1/" + kConfig + "/workstations?workstationId=ws-1 " +
                         R"({"labels":{"slipway-run":"r"},"env":{"USER_ID":"u"}})");
  EXPECT_EQ(operation.name, "projects/p/locations/l/operations/o");
  EXPECT_FALSE(operation.done);
  EXPECT_EQ(operation.metadata.at("verb").as_string(), "create");
}

TEST_F(WorkstationsTest, StartsStopsAndRemoves) {
  answer(kPending);
  client.start_workstation(kName);
  EXPECT_EQ(asked(), "POST /v1/" + kName + ":start {}");
  client.stop_workstation(kName, "\"e\"");
  EXPECT_EQ(asked(), "POST /v1/" + kName + R"(:stop {"etag":"\"e\""})");
  client.remove_workstation(kName, "e");
  EXPECT_EQ(asked(), "DELETE /v1/" + kName + "?etag=e ");
  client.remove_workstation(kName);
  EXPECT_EQ(asked(), "DELETE /v1/" + kName + " ");
}

TEST_F(WorkstationsTest, ReadsAWorkstation) {
  answer(R"({"name":"n","uid":"u","etag":"e","host":"h.cloudworkstations.dev","state":"STATE_RUNNING",)"
         R"("labels":{"a":"b"},"env":{"K":"V"},"createTime":"2025-01-12T10:00:00.123456789Z","new":[1]})");
  const auto workstation = client.get_workstation(kName);
  EXPECT_EQ(asked(), "GET /v1/" + kName + " ");
  EXPECT_EQ(workstation.state, WorkstationState::running);
  EXPECT_EQ(workstation.host, "h.cloudworkstations.dev");
  EXPECT_EQ(workstation.labels.at("a"), "b");
  EXPECT_EQ(workstation.created_at, base::parse_rfc3339("2025-01-12T10:00:00.123Z"));
}

// WP-6: unknown states are tolerated
TEST(WorkstationStates, ThatWeDoNotKnowAreKeptAsTheyAre) {
  const std::map<std::string, WorkstationState> states{{"STATE_STARTING", WorkstationState::starting},
                                                       {"STATE_RUNNING", WorkstationState::running},
                                                       {"STATE_STOPPING", WorkstationState::stopping},
                                                       {"STATE_STOPPED", WorkstationState::stopped},
                                                       {"STATE_SUSPENDING", WorkstationState::suspending},
                                                       {"STATE_SUSPENDED", WorkstationState::suspended},
                                                       {"STATE_UNSPECIFIED", WorkstationState::unknown},
                                                       {"STATE_DREAMING", WorkstationState::unknown},
                                                       {"", WorkstationState::unknown}};
  for (const auto& [text, state] : states) {
    const auto workstation = parse_workstation(json::Object{{"state", text}});
    EXPECT_EQ(workstation.state, state) << text;
    EXPECT_EQ(workstation.state_text, text);
  }
  EXPECT_EQ(parse_workstation(json::Object{{"state", 2}}).state, WorkstationState::unknown);
}

TEST_F(WorkstationsTest, FindsNothingWhereNothingIs) {
  answer(R"({"error":{"code":404,"message":"m","status":"NOT_FOUND"}})", 404);
  EXPECT_FALSE(client.find_workstation(kName));
  EXPECT_FALSE(client.find_config(kConfig));
  EXPECT_FALSE(client.find_cluster(kCluster));
  EXPECT_THROW(client.get_workstation(kName), base::Error);
}

TEST_F(WorkstationsTest, ListsAllPagesAndWhatCouldNotBeReached) {
  server.set([](const net::Request& request) {
    return json_response(200, request.query_value("pageToken")
                                  ? R"({"workstations":[{"name":"b"}]})"
                                  : R"({"workstations":[{"name":"a"}],"nextPageToken":"t","unreachable":["z"]})");
  });
  const auto listed = client.list_workstations(kConfig, {.fields = "workstations(name),nextPageToken"});
  ASSERT_EQ(listed.items.size(), 2u);
  EXPECT_EQ(listed.items[1].name, "b");
  EXPECT_EQ(listed.unreachable, std::vector<std::string>{"z"});
  EXPECT_EQ(asked(), "GET /v1/" + kConfig +
                         "/workstations?pageSize=500&fields=workstations%28name%29%2CnextPageToken&pageToken=t ");
}

TEST_F(WorkstationsTest, AnEmptyListIsAnEmptyObject) { EXPECT_TRUE(client.list_workstations(kConfig).items.empty()); }

TEST_F(WorkstationsTest, GivesAccessTokens) {
  answer(R"({"accessToken":"secret","expireTime":"2025-01-12T10:00:00Z"})");
  const auto access = client.generate_access_token(kName, 2h, 22);
  EXPECT_EQ(asked(), "POST /v1/" + kName + R"(:generateAccessToken {"ttl":"7200s","port":22})");
  EXPECT_EQ(access.token.reveal(), "secret");
  EXPECT_EQ(access.expires_at, base::parse_rfc3339("2025-01-12T10:00:00Z"));
  EXPECT_THROW(client.generate_access_token(kName, 25h), base::Error);
  answer("{}");
  EXPECT_THROW(client.generate_access_token(kName), base::Error);
}

TEST(WorkstationConfigs, SurviveTheWire) {
  const WorkstationConfig config{.display_name = "Starter",
                                 .labels = {{"tier", "starter"}},
                                 .machine_type = "e2-medium",
                                 .boot_disk_size_gb = 50,
                                 .pool_size = 1,
                                 .service_account = "a@p",
                                 .tags = {"t"},
                                 .disable_public_ip_addresses = true,
                                 .home_size_gb = 100,
                                 .home_disk_type = "pd-balanced",
                                 .keep_home = true,
                                 .container_image = "image",
                                 .container_env = {{"A", "B"}},
                                 .idle_timeout = 20min,
                                 .running_timeout = 12h,
                                 .replica_zones = {"l-a", "l-b"}};
  const auto wire = to_wire(config);
  EXPECT_EQ(json::print_value(wire.at("persistentDirectories")),
            R"([{"mountPath":"/home","gcePd":{"sizeGb":100,"diskType":"pd-balanced","reclaimPolicy":"RETAIN"}}])");
  EXPECT_EQ(wire.at("idleTimeout").as_string(), "1200s");
  EXPECT_EQ(json::print(parse_config(wire)), json::print(config));
}

TEST(WorkstationConfigs, LeaveWhatIsNotSetToTheApi) {
  EXPECT_EQ(json::print_value(to_wire(WorkstationConfig{.machine_type = "e2-medium"})),
            R"({"host":{"gceInstance":{"machineType":"e2-medium"}}})");
  EXPECT_EQ(json::print_value(to_wire(WorkstationCluster{.network = "n"})), R"({"network":"n"})");
}

TEST(WorkstationConfigs, SayWhyTheyAreDegraded) {
  const auto config =
      parse_config(json::parse_value(R"({"degraded":true,"conditions":[{"code":5,"message":"no network"}],)"
                                     R"("host":"wrong","persistentDirectories":{}})"));
  EXPECT_TRUE(config.degraded);
  EXPECT_EQ(config.conditions, std::vector<std::string>{"no network"});
}

TEST_F(WorkstationsTest, MakesAndChangesConfigsAndClusters) {
  answer(kPending);
  client.create_config(kCluster, "starter", {.machine_type = "e2-medium"});
  EXPECT_EQ(asked(), "POST /v1/" + kCluster + "/workstationConfigs?workstationConfigId=starter " +
                         R"({"host":{"gceInstance":{"machineType":"e2-medium"}}})");
  client.update_config({.name = kConfig, .machine_type = "n2-highmem-8", .etag = "e"}, "host.gceInstance.machineType");
  EXPECT_EQ(asked(), "PATCH /v1/" + kConfig + "?updateMask=host.gceInstance.machineType " +
                         R"({"host":{"gceInstance":{"machineType":"n2-highmem-8"}},"name":")" + kConfig +
                         R"(","etag":"e"})");
  // WP-22: the tenant's own network
  client.create_cluster("projects/p/locations/l", "acme",
                        {.network = "projects/p/global/networks/acme", .subnetwork = "s", .private_endpoint = true});
  EXPECT_EQ(asked(),
            "POST /v1/projects/p/locations/l/workstationClusters?workstationClusterId=acme "
            R"({"network":"projects/p/global/networks/acme","subnetwork":"s",)"
            R"("privateClusterConfig":{"enablePrivateEndpoint":true}})");
}

TEST_F(WorkstationsTest, RefusesNamesThatCannotBeBeforeItAsks) {
  EXPECT_THROW(client.create_workstation(kConfig, "WS", {}), base::Error);
  EXPECT_THROW(client.create_workstation(kCluster, "ws-1", {}), base::Error);
  EXPECT_THROW(client.get_workstation(kName + "/../x"), base::Error);
  EXPECT_THROW(
      client.get_workstation("projects/p/locations/../workstationClusters/c/workstationConfigs/f/workstations/w"),
      base::Error);
  EXPECT_THROW(client.remove_workstation(kConfig), base::Error);
  EXPECT_THROW(client.update_config({.name = kConfig}, ""), base::Error);
  EXPECT_EQ(server.count(), 0u);
}

// ---- operations

TEST_F(WorkstationsTest, FollowsOperations) {
  answer(R"({"name":"o","done":true,"response":{"name":"n"}})");
  const auto done = client.operations().get("projects/p/locations/l/operations/o");
  EXPECT_EQ(asked(), "GET /v1/projects/p/locations/l/operations/o ");
  EXPECT_NO_THROW(throw_if_failed(done));
  EXPECT_EQ(done.response.at("name").as_string(), "n");
  answer("{}");
  client.operations().cancel("projects/p/locations/l/operations/o");
  EXPECT_EQ(asked(), "POST /v1/projects/p/locations/l/operations/o:cancel {}");
  answer(R"({"operations":[{"name":"a"},{"name":"b","done":true}]})");
  EXPECT_EQ(client.operations().list("projects/p/locations/l").size(), 2u);
  answer("{}");
  EXPECT_THROW(client.operations().get("projects/p/locations/l/operations/o"), base::Error);
}

// WP-11: a quota that is met inside an operation
TEST_F(WorkstationsTest, AFailedOperationIsClassifiedLikeAnAnswer) {
  answer(R"({"name":"projects/p/locations/l/operations/o","done":true,"metadata":{"verb":"start"},)"
         R"("error":{"code":8,"message":"Quota 'CPUS' exceeded."}})");
  const auto failed = client.operations().get("projects/p/locations/l/operations/o");
  try {
    throw_if_failed(failed);
    ADD_FAILURE();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.error_class(), base::ErrorClass::quota);
    EXPECT_EQ(error.message(), "start: Quota 'CPUS' exceeded.");
  }
  EXPECT_EQ(json::print(json::parse<Operation>(json::print(failed), json::Mode::lenient)), json::print(failed))
      << "an operation can be kept in a journal";
}

// ---- names

TEST(ResourceNames, AreReadAndWritten) {
  const auto name = parse_workstation_name(kName);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->str(), kName);
  EXPECT_EQ(name->workstation, "ws-1");
  EXPECT_EQ(name->parent().str(), kConfig);
  EXPECT_EQ(name->parent().parent().str(), kCluster);
  EXPECT_EQ(name->parent().parent().parent().str(), "projects/p/locations/l");
  EXPECT_TRUE(parse_cluster_name("projects/example.com:p/locations/l/workstationClusters/c"));
  for (const std::string bad : {"", "projects", "projects/", "projects/p", "x/p/locations/l/workstationClusters/c"})
    EXPECT_FALSE(parse_cluster_name(bad)) << bad;
  const std::vector<std::string> bad_ones{kCluster + "/",   kCluster + "/x",
                                          "/" + kCluster,   kCluster + "?a",
                                          kCluster + "%2F", "projects//locations/l/workstationClusters/c"};
  for (const auto& bad : bad_ones) EXPECT_FALSE(parse_cluster_name(bad)) << bad;
}

// WP-3
TEST(ResourceNames, IdsAreChecked) {
  const std::vector<std::string> good_ones{"ws", "ws-1", "a0", std::string(63, 'a')};
  for (const auto& good : good_ones) EXPECT_TRUE(is_resource_id(good)) << good;
  const std::vector<std::string> bad_ones{"", "a", "A1", "1a", "a-", "-a", "a_b", "a.b", "a/b", std::string(64, 'a')};
  for (const auto& bad : bad_ones) EXPECT_FALSE(is_resource_id(bad)) << bad;
}

}  // namespace
}  // namespace slipway::google
