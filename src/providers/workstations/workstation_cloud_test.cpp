#include "providers/workstations/workstation_cloud.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>

#include "google/api_client.h"
#include "google/testing/fake_google.h"
#include "net/http_client.h"

namespace slipway::providers::workstations {
namespace {

using base::ErrorClass;

const std::string kLocation = "projects/p/locations/l";
const std::string kConfig = kLocation + "/workstationClusters/c/workstationConfigs/starter";
const std::string kName = kConfig + "/workstations/ws-1";
const std::string kOperation = kLocation + "/operations/o";
const WorkstationSpec kSpec{.config = kConfig,
                            .id = "ws-1",
                            .display_name = "Ada's",
                            .labels = {{"tier", "starter"}},
                            .environment = {{"USER_ID", "ada"}}};

std::string error_body(int code, const std::string& status) {
  return json::print_value(
      json::Object{{"error", json::Object{{"code", code}, {"status", status}, {"message", "as told"}}}});
}

std::string workstation(const std::string& state, const std::string& hub, const std::string& id, bool busy = false) {
  return json::print_value(json::Object{{"name", kName},
                                        {"state", state},
                                        {"reconciling", busy},
                                        {"host", "h.example"},
                                        {"labels", json::Object{{"slipway-hub", hub}, {"slipway-workstation", id}}}});
}

std::string creation(const std::string& target) {
  return json::print_value(json::Object{
      {"operations", json::Array{json::Object{{"name", kOperation},
                                              {"metadata", json::Object{{"verb", "create"}, {"target", target}}}}}}});
}

const std::string kPending = json::print_value(json::Object{{"name", kOperation}});
const std::string kDone = json::print_value(json::Object{{"name", kOperation}, {"done", true}});

// The cloud answers what the test says to each "METHOD path"; NOT_FOUND to everything else.
struct WorkstationCloudTest : ::testing::Test {
  void answer(const std::string& call, const std::string& body, int status = 200) {
    answers[call] = {status, body};
    server.set([answers = answers](const net::Request& request) {
      const auto found = answers.find(key_of(request));
      return found == answers.end() ? net::json_response(404, error_body(404, "NOT_FOUND"))
                                    : net::json_response(found->second.first, found->second.second);
    });
  }
  // What is there, what the create answers, and what is under way.
  void there(const std::string& body) { answer("GET " + kName, body); }
  void name_exists() { answer("POST " + kConfig + "/workstations", error_body(409, "ALREADY_EXISTS"), 409); }
  void under_way(const std::string& body) { answer("GET " + kLocation + "/operations", body); }
  void operation(const std::string& body) { answer("GET " + kOperation, body); }

  static std::string key_of(const net::Request& request) {
    return std::string(net::to_string(request.method)) + " " + request.target.substr(4, request.target.find('?') - 4);
  }
  std::size_t times_asked(const std::string& call) const {
    return std::size_t(
        std::ranges::count_if(server.requests(), [&](const auto& request) { return key_of(request) == call; }));
  }

  google::testing::FakeServer server{
      [](const net::Request&) { return net::json_response(404, error_body(404, "NOT_FOUND")); }};
  net::HttpClient http;
  google::testing::SetClock clock;
  google::testing::CountingTokens tokens;
  observe::Registry metrics;
  google::ApiClient api{http, tokens, clock, metrics};
  google::WorkstationsClient client{api, server.url()};
  WorkstationCloud cloud{client, "hub-1"};
  std::map<std::string, std::pair<int, std::string>> answers;
};

// What is thrown as "code class"; empty when nothing is.
std::string thrown(const std::function<void()>& call) {
  try {
    call();
    return {};
  } catch (const base::Error& error) {
    return error.code() + " " + std::string(boost::describe::enum_to_string(error.error_class(), "?"));
  }
}

// ---- WP-5, WP-12: a create that may be repeated at any time

TEST_F(WorkstationCloudTest, WhatItMakesCarriesItsLabels) {
  answer("POST " + kConfig + "/workstations", kPending);
  EXPECT_EQ(cloud.create(kSpec, {}), kOperation);
  const auto sent = json::parse_value(server.requests().back().body);
  EXPECT_EQ(json::print_value(sent.at("labels")),
            R"({"slipway-hub":"hub-1","slipway-workstation":"ws-1","tier":"starter"})");
  EXPECT_EQ(sent.at("env").at("USER_ID").as_string(), "ada");
}

TEST_F(WorkstationCloudTest, AdoptsWhatAnEarlierCallOfItsOwnHasMade) {
  name_exists();
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  EXPECT_EQ(cloud.create(kSpec, {}), "");
  EXPECT_EQ(times_asked("POST " + kConfig + "/workstations"), 1u);
}

TEST_F(WorkstationCloudTest, AdoptsWhatAnEarlierCallIsStillMaking) {
  name_exists();
  under_way(creation(kName));
  EXPECT_EQ(cloud.create(kSpec, {}), "");
}

TEST_F(WorkstationCloudTest, AdoptsWhatIsMadeWhileItLooks) {
  std::atomic<bool> is_made = false;
  server.set([&](const net::Request& request) {
    const auto key = key_of(request);
    if (key.starts_with("POST")) return net::json_response(409, error_body(409, "ALREADY_EXISTS"));
    if (key == "GET " + kName && is_made) return net::json_response(200, workstation("STATE_STOPPED", "hub-1", "ws-1"));
    if (!key.ends_with("/operations")) return net::json_response(404, error_body(404, "NOT_FOUND"));
    is_made = true;
    return net::json_response(200, R"({"operations":[]})");
  });
  EXPECT_EQ(cloud.create(kSpec, {}), "");
}

TEST_F(WorkstationCloudTest, SaysThatTheNameIsTakenByAnotherHub) {
  name_exists();
  there(workstation("STATE_STOPPED", "hub-2", "ws-1"));
  EXPECT_EQ(thrown([&] { cloud.create(kSpec, {}); }), "NAME_TAKEN conflict");
}

TEST_F(WorkstationCloudTest, SaysThatTheNameIsTakenByWhatNobodyLabelled) {
  name_exists();
  there(json::print_value(json::Object{{"name", kName}, {"state", "STATE_RUNNING"}}));
  EXPECT_EQ(thrown([&] { cloud.create(kSpec, {}); }), "NAME_TAKEN conflict");
}

TEST_F(WorkstationCloudTest, SaysThatTheNameIsTakenByAnotherOfItsOwn) {
  name_exists();
  there(workstation("STATE_STOPPED", "hub-1", "ws-other"));
  EXPECT_EQ(thrown([&] { cloud.create(kSpec, {}); }), "NAME_TAKEN conflict");
}

TEST_F(WorkstationCloudTest, SaysThatTheNameIsTakenWhenOnlySomethingElseIsBeingMade) {
  name_exists();
  under_way(creation(kConfig + "/workstations/ws-2"));
  EXPECT_EQ(thrown([&] { cloud.create(kSpec, {}); }), "NAME_TAKEN conflict");
}

TEST_F(WorkstationCloudTest, LeavesEveryOtherRefusalAsItIs) {
  answer("POST " + kConfig + "/workstations", error_body(403, "PERMISSION_DENIED"), 403);
  EXPECT_EQ(thrown([&] { cloud.create(kSpec, {}); }), "PERMISSION_DENIED user");
}

// ---- starting and stopping

TEST_F(WorkstationCloudTest, StartsNothingThatRunsOrStarts) {
  for (const char* state : {"STATE_RUNNING", "STATE_STARTING"}) {
    there(workstation(state, "hub-1", "ws-1"));
    EXPECT_EQ(cloud.start(kName, {}), "") << state;
  }
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  answer("POST " + kName + ":start", kPending);
  EXPECT_EQ(cloud.start(kName, {}), kOperation);
  EXPECT_EQ(times_asked("POST " + kName + ":start"), 1u);
}

TEST_F(WorkstationCloudTest, StopsNothingThatIsStoppedOrGone) {
  EXPECT_EQ(cloud.stop(kName, {}), "");
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  EXPECT_EQ(cloud.stop(kName, {}), "");
  EXPECT_EQ(times_asked("POST " + kName + ":stop"), 0u);
}

TEST_F(WorkstationCloudTest, WhatIsInAnotherStateJustNowPasses) {
  there(workstation("STATE_STOPPING", "hub-1", "ws-1"));
  answer("POST " + kName + ":start", error_body(400, "FAILED_PRECONDITION"), 400);
  EXPECT_EQ(thrown([&] { cloud.start(kName, {}); }), "BUSY transient");
}

// ---- WP-6: looking

TEST_F(WorkstationCloudTest, AnOperationThatNeverEndsDoesNotHideThatItsWorkIsDone) {
  operation(kPending);
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  const auto created = cloud.look_created(kName, kOperation, {}).end;
  ASSERT_TRUE(created && created->succeeded);
  there(workstation("STATE_RUNNING", "hub-1", "ws-1"));
  const auto running = cloud.look_running(kName, kOperation, {}).end;
  ASSERT_TRUE(running && running->succeeded);
  EXPECT_EQ(running->host, "h.example");
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  EXPECT_TRUE(cloud.look_stopped(kName, kOperation, {}).end->succeeded);
}

TEST_F(WorkstationCloudTest, WhatIsUnderWayHasNoEnd) {
  operation(kPending);
  EXPECT_FALSE(cloud.look_created(kName, kOperation, {}).end) << "not there yet, and its creation goes on";
  there(workstation("STATE_STOPPED", "hub-1", "ws-1", true));
  const auto look = cloud.look_created(kName, kOperation, {});
  EXPECT_FALSE(look.end);
  EXPECT_EQ(look.appearance, "STATE_STOPPED+");
  there(workstation("STATE_DREAMING", "hub-1", "ws-1"));
  EXPECT_FALSE(cloud.look_running(kName, kOperation, {}).end) << "a state that nobody has heard of is waited for";
}

TEST_F(WorkstationCloudTest, AnOperationThatFailedIsTheEnd) {
  operation(json::print_value(json::Object{
      {"name", kOperation}, {"done", true}, {"error", json::Object{{"code", 8}, {"message", "none left"}}}}));
  const auto created = cloud.look_created(kName, kOperation, {}).end;
  ASSERT_TRUE(created && !created->succeeded);
  EXPECT_TRUE(created->failed_for(ErrorClass::quota)) << created->failure->code;
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  EXPECT_TRUE(cloud.look_running(kName, kOperation, {}).end->failed_for(ErrorClass::quota));
}

TEST_F(WorkstationCloudTest, WhatIsGoneAgainHasVanished) {
  operation(kDone);
  under_way("{}");
  const auto created = cloud.look_created(kName, kOperation, {}).end;
  ASSERT_TRUE(created && created->failure);
  EXPECT_EQ(created->failure->code, "UNDONE") << "and is made again";
  const auto running = cloud.look_running(kName, kOperation, {}).end;
  ASSERT_TRUE(running && running->failure);
  EXPECT_EQ(running->failure->code, "VANISHED");
  EXPECT_TRUE(running->failed_for(ErrorClass::conflict));
}

TEST_F(WorkstationCloudTest, WhatStartedAndIsStoppedIsTriedAgain) {
  operation(kDone);
  there(workstation("STATE_STOPPED", "hub-1", "ws-1"));
  const auto running = cloud.look_running(kName, kOperation, {}).end;
  ASSERT_TRUE(running && running->failure);
  EXPECT_EQ(running->failure->code, "UNDONE");
  EXPECT_TRUE(running->failed_for(ErrorClass::transient));
}

// ---- WP-13: taking away what was given up

TEST_F(WorkstationCloudTest, TakesAwayItsOwnUntilItIsGone) {
  there(workstation("STATE_RUNNING", "hub-1", "ws-1"));
  answer("DELETE " + kName, kPending);
  EXPECT_EQ(thrown([&] { cloud.take_away(kName, {}); }), "STILL_THERE transient");
  EXPECT_EQ(times_asked("DELETE " + kName), 1u);
  there(workstation("STATE_STOPPED", "hub-1", "ws-1", true));
  answer("DELETE " + kName, error_body(400, "FAILED_PRECONDITION"), 400);
  EXPECT_EQ(thrown([&] { cloud.take_away(kName, {}); }), "BUSY transient");
  answers.erase("GET " + kName);
  under_way("{}");
  EXPECT_EQ(thrown([&] { cloud.take_away(kName, {}); }), "");
}

TEST_F(WorkstationCloudTest, LeavesOthersAlone) {
  there(workstation("STATE_RUNNING", "hub-2", "ws-1"));
  EXPECT_EQ(thrown([&] { cloud.take_away(kName, {}); }), "");
  there(json::print_value(json::Object{{"name", kName}, {"state", "STATE_RUNNING"}}));
  EXPECT_EQ(thrown([&] { cloud.take_away(kName, {}); }), "");
  EXPECT_EQ(times_asked("DELETE " + kName), 0u);
}

TEST_F(WorkstationCloudTest, WaitsForWhatIsStillBeingMadeToTakeItAway) {
  under_way(creation(kName));
  EXPECT_EQ(thrown([&] { cloud.take_away(kName, {}); }), "STILL_THERE transient");
  EXPECT_EQ(times_asked("DELETE " + kName), 0u);
}

}  // namespace
}  // namespace slipway::providers::workstations
