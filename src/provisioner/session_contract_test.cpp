// RUN-20: the same sessions in process and over stdio, with the scripted provisioner (RUN-23).

#include <gtest/gtest.h>

#include "provisioner/scripted.h"
#include "provisioner/stdio_provisioner.h"
#include "provisioner/testing/session_recorder.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner {
namespace {

namespace fs = std::filesystem;
using fleet::ResourceAction;
using fleet::Transition;

constexpr const char* kMachine = R"({
  "variables": [{"name": "world"}, {"name": "size", "default_value": "small", "description": "of all"}],
  "world": "${variable.world}",
  "resources": [
    {"type": "disk", "name": "home", "daily_cost": 1, "attributes": {"gib": "${parameter.gib}"}},
    {"type": "machine", "name": "main", "on": ["start"], "count": "${parameter.count}", "daily_cost": 5,
     "attributes": {"index": "${index}", "of": "${workspace.name}"}}],
  "outputs": {"greeting": "hello ${owner.name}, $${not} expanded"},
  "apply": {"start": [{"log": "starting ${workspace.name}"}]}
})";

std::unique_ptr<Provisioner> in_process() { return std::make_unique<ScriptedProvisioner>(); }
std::unique_ptr<Provisioner> over_stdio() {
  return std::make_unique<StdioProvisioner>(
      StdioOptions{.type = "scripted", .command = {SLIPWAY_SCRIPTED_PROVISIONER}});
}

using Make = std::unique_ptr<Provisioner> (*)();

class SessionContract : public testing::TestWithParam<Make> {
 protected:
  SessionContract() : provisioner_(GetParam()()) {}

  // A new session over a script, configured.
  std::unique_ptr<Session> open(SessionRecorder& recorder, std::string_view script, std::string state_file = "") {
    const auto directory = folder_.make("session" + std::to_string(++sessions_));
    std::ofstream(directory / "script.json") << script;
    auto session = provisioner_->open(recorder.events());
    session->send(Config{.directory = directory, .state_file = std::move(state_file), .debug = true});
    return session;
  }
  Plan plan(Transition transition, std::string count = "2") {
    return {.metadata = {.transition = transition,
                         .workspace_id = "w1",
                         .workspace_name = "dev",
                         .owner_name = "ada",
                         .build_id = "b" + std::to_string(sessions_)},
            .variables = {{.name = "world", .value = world()}},
            .parameters = {{.name = "gib", .value = "10"}, {.name = "count", .value = std::move(count)}}};
  }
  // Plan and apply in a session of their own; the state goes on.
  ApplyComplete build(Transition transition, std::string count = "2") {
    SessionRecorder recorder;
    const auto session = open(recorder, kMachine, state_);
    session->send(plan(transition, std::move(count)));
    EXPECT_FALSE(recorder.wait_for<PlanComplete>().error);
    session->send(Apply{});
    auto applied = recorder.wait_for<ApplyComplete>();
    state_ = applied.state_file;
    session->close(false);
    EXPECT_FALSE(recorder.wait_until_closed());
    return applied;
  }
  std::string world() const { return (folder_.path() / "world").string(); }
  std::size_t things() const {
    std::size_t count = 0;
    if (!fs::exists(world())) return 0;
    for (const auto& entry : fs::directory_iterator(world())) {
      const auto name = entry.path().filename().string();
      count += !name.starts_with('.') && name != "journal";
    }
    return count;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Provisioner> provisioner_;
  int sessions_ = 0;
  std::string state_;
};

INSTANTIATE_TEST_SUITE_P(InProcess, SessionContract, testing::Values(&in_process));
INSTANTIATE_TEST_SUITE_P(OverStdio, SessionContract, testing::Values(&over_stdio));

TEST_P(SessionContract, GreetsThenParsesWhatTheTemplateDeclares) {
  SessionRecorder recorder;
  const auto session = open(recorder, kMachine);
  const auto hello = recorder.wait_for<Hello>();
  EXPECT_EQ(hello.provisioner, "scripted");
  EXPECT_TRUE(hello.repeatable);
  session->send(Parse{});
  const auto parsed = recorder.wait_for<ParseComplete>().parsed;
  ASSERT_EQ(parsed.variables.size(), 2u);
  EXPECT_TRUE(parsed.variables[0].required);
  EXPECT_EQ(parsed.variables[1].default_value, "\"small\"");
}

TEST_P(SessionContract, PlansWithActionsAndCosts) {
  SessionRecorder recorder;
  const auto session = open(recorder, kMachine);
  session->send(plan(Transition::start));
  const auto resources = recorder.wait_for<PlanComplete>().resources;
  ASSERT_EQ(resources.size(), 3u);
  EXPECT_EQ(resources[0].address, "disk.home");
  EXPECT_EQ(resources[1].address, "machine.main[0]");
  EXPECT_EQ(resources[2].action, ResourceAction::create);
  EXPECT_EQ(resources[2].daily_cost, 5);
  EXPECT_EQ(things(), 0u);
}

TEST_P(SessionContract, AStateGoesFromBuildToBuild) {
  auto applied = build(Transition::start);
  EXPECT_EQ(applied.resources.size(), 3u);
  EXPECT_EQ(applied.outputs.at("greeting"), "hello ada, ${not} expanded");
  EXPECT_EQ(things(), 3u);
  EXPECT_EQ(build(Transition::stop).resources.size(), 1u);
  EXPECT_EQ(things(), 1u);
  EXPECT_EQ(build(Transition::start, "4").resources.size(), 5u);
  EXPECT_EQ(build(Transition::destroy).resources.size(), 0u);
  EXPECT_EQ(things(), 0u);
  EXPECT_EQ(read_text(fs::path(world()) / "journal").find("overlap"), std::string::npos);
}

TEST_P(SessionContract, WhatWasMadeIsNotMadeTwiceFromAnOlderState) {
  build(Transition::start);
  state_.clear();
  build(Transition::start);
  EXPECT_EQ(things(), 3u);
  EXPECT_NE(read_text(fs::path(world()) / "journal").find("adopt"), std::string::npos);
}

// RUN-12: whatever the moment, everything that is there is in the state that was said last.
TEST_P(SessionContract, NothingIsMadeThatNoStateHasAnnounced) {
  SessionRecorder recorder;
  std::size_t announced = 0;
  recorder.on_message = [&](const Message& message) {
    EXPECT_LE(things(), announced);
    const auto* written = std::get_if<StateWritten>(&message);
    if (written == nullptr) return;
    announced = 0;
    const auto text = read_text(written->file);
    for (auto at = text.find("\"address\""); at != text.npos; at = text.find("\"address\"", at + 1)) ++announced;
  };
  const auto session = open(recorder, kMachine);
  session->send(plan(Transition::start));
  recorder.wait_for<PlanComplete>();
  session->send(Apply{});
  EXPECT_FALSE(recorder.wait_for<ApplyComplete>().error);
  EXPECT_EQ(announced, 3u);
}

TEST_P(SessionContract, NothingIsMadeWhileTheStateIsNotKept) {
  SessionRecorder recorder;
  std::atomic<bool> hold = true;
  std::unique_ptr<Session> session;
  recorder.on_message = [&](const Message& message) {
    if (std::holds_alternative<StateWritten>(message) && hold) session->pause(true);
  };
  session = open(recorder, kMachine);
  session->send(plan(Transition::start));
  recorder.wait_for<PlanComplete>();
  session->send(Apply{});
  recorder.wait_for<StateWritten>();
  EXPECT_EQ(things(), 0u);
  hold = false;
  session->pause(false);
  EXPECT_FALSE(recorder.wait_for<ApplyComplete>().error);
  EXPECT_EQ(things(), 3u);
}

// RUN-14: code and class come from where the failure arises, whatever its text says.
TEST_P(SessionContract, AFailureKeepsItsCodeAndWhatWasMade) {
  SessionRecorder recorder;
  const auto session = open(recorder, R"({
    "variables": [{"name": "world"}], "world": "${variable.world}",
    "resources": [{"type": "t", "name": "n", "count": 3}],
    "apply": {"start": [{"make": 2}, {"error": {"code": "ZONE_FULL",
       "error_class": "quota", "message": "missing parameter"}}]}})");
  session->send(plan(Transition::start));
  recorder.wait_for<PlanComplete>();
  session->send(Apply{});
  const auto applied = recorder.wait_for<ApplyComplete>();
  ASSERT_TRUE(applied.error);
  EXPECT_EQ(applied.error->code, "ZONE_FULL");
  EXPECT_EQ(applied.error->error_class, base::ErrorClass::quota);
  EXPECT_EQ(things(), 2u);
  EXPECT_NE(read_text(applied.state_file).find("t.n[1]"), std::string::npos);
}

TEST_P(SessionContract, SaysWhichParameterOrVariableIsMissing) {
  SessionRecorder recorder;
  const auto session = open(recorder, kMachine);
  auto without = plan(Transition::start);
  without.parameters.clear();
  session->send(without);
  EXPECT_EQ(recorder.wait_for<PlanComplete>().error->code, "MISSING_TEMPLATE_PARAMETER");
  without.variables.clear();
  session->send(without);
  EXPECT_EQ(recorder.wait_for<PlanComplete>().error->code, "REQUIRED_TEMPLATE_VARIABLES");
}

TEST_P(SessionContract, RequestsOutOfOrderEndIt) {
  const std::vector<std::vector<Request>> wrong{{Config{}}, {Apply{}}, {Parse{}, Parse{}}, {Plan{}, Apply{}}};
  for (const auto& requests : wrong) {
    SessionRecorder recorder;
    const auto session = open(recorder, R"({"parse": [{"hang": true}], "plan": {"start": [{"hang": true}]}})");
    for (const auto& request : requests) session->send(request);
    EXPECT_EQ(recorder.error_code(), "PROTOCOL_ERROR");
  }
}

TEST_P(SessionContract, ACancelWithNothingUnderWayChangesNothing) {
  SessionRecorder recorder;
  const auto session = open(recorder, R"({})");
  session->send(Cancel{});
  recorder.wait_for_log("nothing was under way");
  session->send(Parse{});
  EXPECT_FALSE(recorder.wait_for<ParseComplete>().error);
}

// Cancelled after the n-th message for every n, the apply ends with CANCELLED or is done, and the state has all.
TEST_P(SessionContract, CancelledAtAnyMomentItsStateSaysWhatIsThere) {
  for (int moment = 1; moment < 14; ++moment) {
    SessionRecorder recorder;
    std::unique_ptr<Session> session;
    std::atomic<bool> applying = false;
    int seen = 0;
    recorder.on_message = [&](const Message&) {
      if (applying && ++seen == moment) session->send(Cancel{});
    };
    session = open(recorder, kMachine);
    session->send(plan(Transition::start));
    recorder.wait_for<PlanComplete>();
    applying = true;
    session->send(Apply{});
    const auto applied = recorder.wait_for<ApplyComplete>();
    if (applied.error) EXPECT_EQ(applied.error->code, "CANCELLED");
    state_ = applied.state_file;
    session->close(false);
    recorder.wait_until_closed();
    build(Transition::destroy);
    EXPECT_EQ(things(), 0u) << "cancelled at message " << moment;
    state_.clear();
  }
}

TEST_P(SessionContract, AHangEndsWithItsCancelOrIsForced) {
  for (const bool ignores : {false, true}) {
    SessionRecorder recorder;
    const auto session = open(recorder, std::string(R"({"plan": {"start": [{"ignore_cancel": )") +
                                            (ignores ? "true" : "false") + R"(, "log": "hanging", "hang": true}]}})");
    session->send(plan(Transition::start));
    recorder.wait_for_log("hanging");
    session->send(Cancel{});
    if (ignores) {
      session->close(true);
    } else {
      EXPECT_EQ(recorder.wait_for<PlanComplete>().error->code, "CANCELLED");
      session->close(false);
    }
    EXPECT_FALSE(recorder.wait_until_closed());
  }
}

TEST_P(SessionContract, AStepCanWaitForAFile) {
  for (const bool cancelled : {false, true}) {
    SessionRecorder recorder;
    const auto gate = folder_.path() / ("gate" + std::to_string(sessions_));
    const auto session = open(recorder, R"({"plan": {"start": [{"log": "waiting", "until": ")" + gate.string() + R"("},
                                                               {"log": "waited"}]}})");
    session->send(plan(Transition::start));
    recorder.wait_for_log("waiting");
    EXPECT_EQ(recorder.lines().size(), 1u);
    if (cancelled)
      session->send(Cancel{});
    else
      std::ofstream(gate) << "open";
    const auto planned = recorder.wait_for<PlanComplete>();
    EXPECT_EQ(planned.error ? planned.error->code : "", cancelled ? "CANCELLED" : "");
    EXPECT_EQ(recorder.lines().size(), cancelled ? 1u : 2u);
  }
}

TEST_P(SessionContract, ItsDeathIsToldApartFromAFailure) {
  SessionRecorder recorder;
  const auto session = open(recorder, R"({"plan": {"start": [{"die": true}]}})");
  session->send(plan(Transition::start));
  EXPECT_EQ(recorder.error_code(), "PROVISIONER_DIED");
}

TEST_P(SessionContract, AStormOfLinesArrivesWholeAndInOrderThroughPauses) {
  SessionRecorder recorder;
  std::unique_ptr<Session> session;
  std::atomic<int> seen = 0;
  recorder.on_message = [&](const Message&) {
    if (++seen % 1'000 == 0) session->pause(true);
  };
  session = open(recorder, R"({"parse": [{"storm": 10000}]})");
  session->send(Parse{});
  std::jthread resuming([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      session->pause(false);
      std::this_thread::yield();
    }
  });
  recorder.wait_for<ParseComplete>();
  resuming.request_stop();
  const auto lines = recorder.lines();
  ASSERT_EQ(lines.size(), 10'000u);
  for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i], "line " + std::to_string(i + 1) + " of 10000");
}

TEST_P(SessionContract, AScriptWithAMistakeSaysWhere) {
  SessionRecorder recorder;
  const auto session = open(recorder, R"({"plan": {"start": [{"dealy": "3s"}]}})");
  session->send(Parse{});
  const auto error = recorder.wait_for<ParseComplete>().error;
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "SCRIPT_INVALID");
  EXPECT_NE(error->message.find("dealy"), std::string::npos) << error->message;
}

}  // namespace
}  // namespace slipway::provisioner
