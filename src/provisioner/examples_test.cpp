// The examples do what they say: a provisioner in another language, and the templates that need nothing.

#include <gtest/gtest.h>

#include "provisioner/manifest.h"
#include "provisioner/scripted.h"
#include "provisioner/stdio_provisioner.h"
#include "provisioner/testing/session_recorder.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner {
namespace {

namespace fs = std::filesystem;
using fleet::Transition;

const fs::path kExamples = SLIPWAY_EXAMPLES;

// The values that a form starts with.
std::vector<NamedValue> usual_values(const Manifest& manifest) {
  std::vector<NamedValue> values;
  for (const auto& parameter : manifest.parameters)
    values.push_back({.name = parameter.name, .value = parameter.default_value.value_or("")});
  return values;
}

class PythonProvisioner : public testing::Test {
 protected:
  // A session with a copy of the template, and the state so far.
  std::unique_ptr<Session> open(SessionRecorder& recorder) {
    const auto directory = folder_.path() / ("session" + std::to_string(++sessions_));
    fs::copy(kExamples / "provisioners/python/template", directory);
    auto session = provisioner_.open(recorder.events());
    session->send(Config{.directory = directory, .state_file = state_});
    return session;
  }
  Plan plan(Transition transition) const {
    return {.metadata = {.transition = transition, .workspace_id = "w", .workspace_name = "dev", .owner_name = "ada"},
            .variables = {{.name = "root", .value = root().string() + moved_}},
            .parameters = {{.name = "greeting", .value = "Welcome"}}};
  }
  ApplyComplete build(Transition transition) {
    SessionRecorder recorder;
    const auto session = open(recorder);
    session->send(plan(transition));
    const auto planned = recorder.wait_for<PlanComplete>();
    EXPECT_FALSE(planned.error) << planned.error->message;
    session->send(Apply{});
    auto applied = recorder.wait_for<ApplyComplete>();
    state_ = applied.state_file;
    session->close(false);
    EXPECT_FALSE(recorder.wait_until_closed());
    return applied;
  }
  fs::path root() const { return folder_.path() / "machines"; }
  std::size_t folders() const {
    return fs::exists(root()) ? std::size_t(std::distance(fs::directory_iterator(root()), {})) : 0;
  }

  TemporaryFolder folder_;
  StdioProvisioner provisioner_{{.type = "folders", .command = {kExamples / "provisioners/python/folders.py"}}};
  int sessions_ = 0;
  std::string state_;
  std::string moved_;  // what the root has become since
};

TEST_F(PythonProvisioner, ParsesItsTemplate) {
  SessionRecorder recorder;
  const auto session = open(recorder);
  EXPECT_TRUE(recorder.wait_for<Hello>().repeatable);
  session->send(Parse{});
  const auto parsed = recorder.wait_for<ParseComplete>();
  ASSERT_FALSE(parsed.error) << parsed.error->message;
  EXPECT_EQ(parsed.parsed.variables.at(0).name, "root");
}

TEST_F(PythonProvisioner, BuildsStopsAndDestroys) {
  auto applied = build(Transition::start);
  ASSERT_FALSE(applied.error) << applied.error->message;
  EXPECT_EQ(folders(), 2u);
  EXPECT_EQ(read_text(fs::path(applied.outputs.at("folder of main")) / "motd"), "Welcome, this is dev");
  EXPECT_EQ(build(Transition::stop).resources.size(), 1u);
  EXPECT_EQ(folders(), 1u);
  build(Transition::destroy);
  EXPECT_EQ(folders(), 0u);
}

TEST_F(PythonProvisioner, SaysWhatItMisses) {
  SessionRecorder recorder;
  const auto session = open(recorder);
  session->send(Plan{});
  EXPECT_EQ(recorder.wait_for<PlanComplete>().error->code, "REQUIRED_TEMPLATE_VARIABLES");
}

TEST_F(PythonProvisioner, AMistakeInItsTemplateIsSaid) {
  for (const char* text : {"[]", R"({"machines": [{"credits": 1}]})", R"({"machines": {"a": 1}})",
                           R"({"machines": [{"name": "a", "files": {"motd": 1}}]})"}) {
    SessionRecorder recorder;
    const auto session = open(recorder);
    folder_.write("session" + std::to_string(sessions_) + "/machines.json", text);
    session->send(plan(Transition::start));
    const auto planned = recorder.wait_for<PlanComplete>();
    ASSERT_TRUE(planned.error) << text;
    EXPECT_EQ(planned.error->code, "TEMPLATE_INVALID") << text;
  }
}

TEST_F(PythonProvisioner, AFolderThatCannotBeRemovedStaysInTheState) {
  const auto applied = build(Transition::start);
  const fs::path main = applied.outputs.at("folder of main");
  fs::remove_all(main);
  folder_.write(fs::relative(main, folder_.path()), "a file in the folder's place");
  const auto destroyed = build(Transition::destroy);
  ASSERT_TRUE(destroyed.error);
  EXPECT_EQ(destroyed.error->code, "FOLDER_FAILED");
  EXPECT_NE(read_text(state_).find(main.string()), std::string::npos);
  fs::remove(main);
  EXPECT_FALSE(build(Transition::destroy).error);
  EXPECT_EQ(folders(), 0u);
}

TEST_F(PythonProvisioner, WhatWasAnnouncedStaysWhereItMayBeThoughTheRootHasChanged) {
  const auto applied = build(Transition::start);
  auto state = read_text(state_);
  for (auto at = state.find("\"made\": true"); at != state.npos; at = state.find("\"made\": true"))
    state.replace(at, 12, "\"made\": false");
  state_ = folder_.write("announced", state);
  moved_ = "/elsewhere";
  const auto again = build(Transition::start);
  ASSERT_FALSE(again.error) << again.error->message;
  EXPECT_EQ(again.outputs, applied.outputs);
}

TEST_F(PythonProvisioner, KilledAtAnyMessageItsLastStateKnowsEveryFolder) {
  for (int moment = 1; moment <= 6; ++moment) {
    SessionRecorder recorder;
    std::unique_ptr<Session> session;
    std::atomic<bool> applying = false;
    int seen = 0;
    const auto kept = folder_.path() / ("kept" + std::to_string(moment));
    recorder.on_message = [&](const Message& message) {
      if (const auto* written = std::get_if<StateWritten>(&message))
        fs::copy_file(written->file, kept, fs::copy_options::overwrite_existing);
      if (applying && ++seen == moment) session->close(true);
    };
    state_.clear();
    session = open(recorder);
    session->send(plan(Transition::start));
    recorder.wait_for<PlanComplete>();
    applying = true;
    session->send(Apply{});
    recorder.wait_until_closed();
    state_ = fs::exists(kept) ? kept.string() : "";
    build(Transition::destroy);
    EXPECT_EQ(folders(), 0u) << "killed at message " << moment;
  }
}

TEST_F(PythonProvisioner, AStateThatNobodyKeepsMakesNothing) {
  SessionRecorder recorder;
  std::unique_ptr<Session> session;
  recorder.on_message = [&](const Message& message) {
    if (std::holds_alternative<StateWritten>(message)) session->pause(true);
  };
  session = open(recorder);
  session->send(plan(Transition::start));
  recorder.wait_for<PlanComplete>();
  session->send(Apply{});
  recorder.wait_for<StateWritten>();
  session->close(false);
  session->pause(false);
  recorder.wait_until_closed();
  EXPECT_EQ(folders(), 0u);
}

TEST(ScriptedExample, BuildsWithWhatItsFormStartsWith) {
  const TemporaryFolder folder;
  const auto directory = folder.path() / "template";
  fs::copy(kExamples / "templates/scripted", directory);
  const auto manifest = read_manifest(directory);
  EXPECT_EQ(manifest.provisioner, "scripted");
  ScriptedProvisioner provisioner({.wait = [](base::Duration, const std::stop_token&) {}});
  SessionRecorder recorder;
  const auto session = provisioner.open(recorder.events());
  session->send(Config{.directory = directory});
  session->send(Parse{});
  EXPECT_FALSE(recorder.wait_for<ParseComplete>().error);
  for (const auto transition : {Transition::start, Transition::stop, Transition::destroy}) {
    session->send(Plan{.metadata = {.transition = transition}, .parameters = usual_values(manifest)});
    const auto planned = recorder.wait_for<PlanComplete>();
    ASSERT_FALSE(planned.error) << planned.error->message;
    session->send(Apply{});
    const auto applied = recorder.wait_for<ApplyComplete>();
    ASSERT_FALSE(applied.error) << applied.error->message;
  }
}

}  // namespace
}  // namespace slipway::provisioner
