// With the machine's real Terraform: the cases that need no provider of ours. tests/integration/terraform_test.py has
// the others.

#include "provisioner/terraform/terraform_provisioner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/json.h"
#include "provisioner/terraform/session_files.h"
#include "provisioner/terraform/testing/template_folder.h"
#include "provisioner/testing/session_recorder.h"

namespace slipway::provisioner::terraform {
namespace {

using fleet::ResourceAction;
using fleet::Transition;

class TerraformSessions : public testing::Test {
 protected:
  void SetUp() override {
    if (!terraform_is_there()) GTEST_SKIP() << "SKIPPED: there is no terraform on this machine";
  }

  void open(const std::map<std::string, std::string>& files, const std::string& state_file = {}) {
    folder_.emplace(files);
    recorder_.emplace();
    session_ = provisioner_->open(recorder_->events());
    session_->send(Config{.directory = folder_->path(), .state_file = state_file});
  }
  void TearDown() override {
    if (session_) session_->close(false);
    if (recorder_) recorder_->wait_until_closed();
  }

  PlanComplete plan(Plan plan = {}) {
    session_->send(std::move(plan));
    return recorder_->wait_for<PlanComplete>();
  }
  ApplyComplete apply() {
    session_->send(Apply{});
    return recorder_->wait_for<ApplyComplete>();
  }
  bool was_logged(std::string_view text) const {
    return std::ranges::any_of(recorder_->lines(),
                               [&](const std::string& line) { return line.find(text) != line.npos; });
  }
  // The session's state after an apply, out of its folder.
  std::string keep_state(const ApplyComplete& complete) {
    kept_.write("state", read_whole_file(complete.state_file));
    return kept_.path() / "state";
  }

  std::unique_ptr<TerraformProvisioner> provisioner_ = std::make_unique<TerraformProvisioner>();
  TemplateFolder kept_;
  std::optional<TemplateFolder> folder_;
  std::optional<SessionRecorder> recorder_;
  std::unique_ptr<Session> session_;
};

constexpr const char* kMachine = R"(
variable "size" {
  type    = string
  default = "small"
}
variable "slipway_start_count" { type = number }
variable "slipway_workspace_name" {}
variable "token" {
  type      = string
  default   = "none"
  sensitive = true
}
resource "terraform_data" "home" { input = var.slipway_workspace_name }
resource "terraform_data" "machine" {
  count = var.slipway_start_count
  input = var.size
}
output "size" { value = one(terraform_data.machine[*].output) }
output "token" {
  value     = var.token
  sensitive = true
}
)";

Plan start(std::vector<NamedValue> parameters = {}) {
  return {.metadata = {.transition = Transition::start, .workspace_name = "mine"}, .parameters = std::move(parameters)};
}

std::vector<std::string> addresses(const std::vector<Resource>& resources) {
  std::vector<std::string> result;
  for (const auto& resource : resources) result.push_back(resource.address);
  std::ranges::sort(result);
  return result;
}

// single-resource, rich-parameter-with-value: start, stop, destroy, each from the state of the one before.
TEST_F(TerraformSessions, AWorkspaceIsStartedStoppedAndDestroyed) {
  open({{"main.tf", kMachine}});
  const auto planned =
      plan(start({{.name = "size", .value = "large"}, {.name = "token", .value = "t0psecret", .sensitive = true}}));
  ASSERT_FALSE(planned.error) << planned.error->message;
  EXPECT_EQ(addresses(planned.resources),
            (std::vector<std::string>{"terraform_data.home", "terraform_data.machine[0]"}));
  EXPECT_EQ(planned.resources[0].action, ResourceAction::create);
  const auto started = apply();
  ASSERT_FALSE(started.error) << started.error->message;
  EXPECT_EQ(started.outputs, (std::map<std::string, std::string>{{"size", "large"}}));
  EXPECT_FALSE(was_logged("t0psecret"));
  auto state = keep_state(started);

  TearDown();
  open({{"main.tf", kMachine}}, state);
  ASSERT_FALSE(plan({.metadata = {.transition = Transition::stop, .workspace_name = "mine"}}).error);
  const auto stopped = apply();
  ASSERT_FALSE(stopped.error) << stopped.error->message;
  EXPECT_EQ(addresses(stopped.resources), std::vector<std::string>{"terraform_data.home"});
  state = keep_state(stopped);

  TearDown();
  open({{"main.tf", kMachine}}, state);
  const auto going = plan({.metadata = {.transition = Transition::destroy, .workspace_name = "mine"}});
  ASSERT_EQ(going.resources.size(), 1U);
  EXPECT_EQ(going.resources[0].action, ResourceAction::destroy);
  const auto gone = apply();
  ASSERT_FALSE(gone.error);
  EXPECT_TRUE(gone.resources.empty());
  EXPECT_EQ(std::filesystem::status(folder_->path() / kOwnFolder).permissions(), std::filesystem::perms::owner_all);
}

// The state is told while Terraform applies: the first resource's before the second one is made (RUN-12).
TEST_F(TerraformSessions, EachResourceIsInTheStateThatIsTold) {
  open({{"main.tf", R"(
resource "terraform_data" "first" {}
resource "terraform_data" "second" {
  input = terraform_data.first.id
  provisioner "local-exec" { command = "until [ -e go ]; do sleep 0.02; done" }
}
)"}});
  ASSERT_FALSE(plan(start()).error);
  session_->send(Apply{});
  const auto written = recorder_->wait_for<StateWritten>();
  const auto state = read_whole_file(written.file);
  EXPECT_NE(state.find("\"first\""), state.npos);
  EXPECT_EQ(state.find("\"second\""), state.npos);
  folder_->write("go", "");
  const auto complete = recorder_->wait_for<ApplyComplete>();
  EXPECT_FALSE(complete.error);
  EXPECT_NE(read_whole_file(complete.state_file).find("\"second\""), std::string::npos);
}

// RUN-12: a state holds each value with its type, so nested twice as deep as the value is.
TEST_F(TerraformSessions, AStateThatIsNestedDeepIsToldAndHandedOn) {
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep = "{ a = " + deep + " }";
  open({{"main.tf", "resource \"terraform_data\" \"deep\" { input = " + deep + " }\n" + R"(
resource "terraform_data" "slow" {
  triggers_replace = terraform_data.deep.id
  provisioner "local-exec" { command = "until [ -e go ]; do sleep 0.02; done" }
}
)"}});
  const auto planned = plan(start());
  ASSERT_FALSE(planned.error) << planned.error->message;
  session_->send(Apply{});
  EXPECT_NE(read_whole_file(recorder_->wait_for<StateWritten>().file).find("\"deep\""), std::string::npos);
  folder_->write("go", "");
  const auto complete = recorder_->wait_for<ApplyComplete>();
  EXPECT_FALSE(complete.error);
  EXPECT_NE(read_whole_file(complete.state_file).find("\"deep\""), std::string::npos);
}

TEST_F(TerraformSessions, APriorStateThatIsNotThereIsNotTakenForNone) {
  open({{"main.tf", kMachine}}, kept_.path() / "nowhere");
  ASSERT_TRUE(plan({.metadata = {.transition = Transition::destroy}}).error);
}

// RUN-12: apply error → failed with the partial state.
TEST_F(TerraformSessions, AFailedApplyHasWhatWasMade) {
  open({{"main.tf", R"(
resource "terraform_data" "made" {}
resource "terraform_data" "broken" {
  input = terraform_data.made.id
  provisioner "local-exec" { command = "echo it is broken; exit 3" }
}
)"}});
  ASSERT_FALSE(plan(start()).error);
  const auto complete = apply();
  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "TERRAFORM_FAILED");
  EXPECT_TRUE(was_logged("it is broken"));
  EXPECT_EQ(addresses(complete.resources), (std::vector<std::string>{"terraform_data.broken", "terraform_data.made"}));
  EXPECT_FALSE(complete.state_file.empty());
}

// RUN-13: a success is never turned into a failure because it cannot be described.
TEST_F(TerraformSessions, AnApplyThatCannotBeShownAfterwardsHasSucceededAsPlanned) {
  kept_.write("terraform", R"(#!/bin/sh
[ "$*" = "show -json -no-color" ] && { echo "no memory" >&2; exit 1; }
exec terraform "$@"
)");
  const auto program = kept_.path() / "terraform";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  provisioner_ = std::make_unique<TerraformProvisioner>(TerraformOptions{.program = program});
  open({{"main.tf", kMachine}});
  ASSERT_FALSE(plan(start()).error);
  const auto complete = apply();
  EXPECT_FALSE(complete.error);
  EXPECT_EQ(addresses(complete.resources),
            (std::vector<std::string>{"terraform_data.home", "terraform_data.machine[0]"}));
  EXPECT_FALSE(complete.state_file.empty());
  EXPECT_TRUE(was_logged("no memory"));
}

// Provision_Cancel {apply}
TEST_F(TerraformSessions, ACancelledApplyIsInterruptedAndKeepsItsState) {
  open({{"main.tf", R"(
resource "terraform_data" "made" {}
resource "terraform_data" "slow" {
  input = terraform_data.made.id
  provisioner "local-exec" { command = "echo $$ > pid; echo now; exec sleep 1000" }
}
)"}});
  ASSERT_FALSE(plan(start()).error);
  session_->send(Apply{});
  recorder_->wait_for_log("(local-exec): now");
  session_->send(Cancel{});
  const auto complete = recorder_->wait_for<ApplyComplete>();
  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "CANCELLED");
  EXPECT_TRUE(was_logged("Interrupt received"));
  EXPECT_NE(read_whole_file(complete.state_file).find("\"made\""), std::string::npos);
  const auto child = "/proc/" + std::string(read_whole_file(folder_->path() / "pid"));
  EXPECT_FALSE(std::filesystem::exists(child.substr(0, child.find('\n'))));
}

TEST_F(TerraformSessions, AProviderThatIsNotThereIsAnErrorOfTerraforms) {
  open({{"main.tf", R"(
terraform {
  required_providers {
    x = { source = "127.0.0.1/none/x" }
  }
}
resource "x_y" "z" {}
)"}});
  const auto complete = plan(start());
  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "TERRAFORM_FAILED");
  EXPECT_EQ(complete.error->error_class, base::ErrorClass::transient);  // RUN-14: a registry may be back soon
}

// missing-variable, missing-variable-dry-run
TEST_F(TerraformSessions, AMissingVariableIsNamed) {
  open({{"main.tf", "variable \"a\" {}\nvariable \"b\" {}\n"}, {"template.toml", "[[parameters]]\nname = \"b\"\n"}});
  const auto both = plan(start());
  ASSERT_TRUE(both.error);
  EXPECT_EQ(both.error->code, "MISSING_TEMPLATE_PARAMETER");
  const auto one = plan(start({{.name = "b", .value = "x"}}));
  ASSERT_TRUE(one.error);
  EXPECT_EQ(one.error->code, "REQUIRED_TEMPLATE_VARIABLES");
  EXPECT_EQ(one.error->error_class, base::ErrorClass::user);
  EXPECT_NE(one.error->message.find(": a"), std::string::npos);
}

// bad-syntax-1, bad-syntax-2, Provision_MalformedModules
TEST_F(TerraformSessions, MistakesOfTheAuthorAreToldWithTheirPlace) {
  open({{"main.tf", "resource \"terraform_data\" \"x\" {\n  input = \n"}});
  auto complete = plan(start());
  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "TEMPLATE_INVALID");
  EXPECT_EQ(complete.error->message.find("main.tf:2"), 0U) << complete.error->message;

  TearDown();
  open({{"main.tf", "resource \"terraform_data\" \"x\" {\n  nonsense = 1\n}\n"}});
  complete = plan(start());
  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "TEMPLATE_INVALID");
  EXPECT_TRUE(was_logged("on main.tf line 2"));

  TearDown();
  open({{"main.tf", "module \"m\" {\n  source = \"./m\"\n}\n"}, {"m/main.tf", "resource {\n"}});
  complete = plan(start());
  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "TEMPLATE_INVALID");
  EXPECT_TRUE(was_logged("m/main.tf line 1"));
}

TEST_F(TerraformSessions, ARefusedValueIsTheUsersError) {
  open({{"main.tf", R"(
variable "size" {
  type = number
  validation {
    condition     = var.size < 10
    error_message = "Too large."
  }
}
)"}});
  for (const char* value : {"11", "many"}) {
    const auto complete = plan(start({{.name = "size", .value = value}}));
    ASSERT_TRUE(complete.error);
    EXPECT_EQ(complete.error->code, "VARIABLE_INVALID") << complete.error->message;
  }
}

// destroy-no-state
TEST_F(TerraformSessions, NothingIsDestroyedByNothing) {
  open({{"main.tf", kMachine}});
  const auto planned = plan({.metadata = {.transition = Transition::destroy}});
  EXPECT_FALSE(planned.error);
  EXPECT_FALSE(apply().error);
  EXPECT_TRUE(was_logged("nothing to do"));
}

TEST_F(TerraformSessions, TheTemplatesOwnBackendIsReplacedAndSaid) {
  open({{"main.tf", "terraform {\n  backend \"s3\" { bucket = \"b\" }\n}\nresource \"terraform_data\" \"x\" {}\n"},
        {"zzz_override.tf", "terraform {\n  backend \"gcs\" {}\n}\n"},
        {".slipway", "in the way"}});
  const auto planned = plan(start());
  ASSERT_FALSE(planned.error) << planned.error->message;
  EXPECT_TRUE(was_logged("backend 'gcs' is not used"));
  EXPECT_FALSE(apply().error);
}

// An archive that was not made by `slipway template push` may bring them.
TEST_F(TerraformSessions, WhatTheAuthorsOwnRunsLeftBehindIsNotUsed) {
  open(
      {{"main.tf", "resource \"terraform_data\" \"x\" {}\n"},
       {".terraform/environment", "staging"},
       {".terraform/terraform.tfstate", R"({"version":3,"backend":{"type":"s3","config":{},"hash":1}})"},
       {"terraform.tfstate", R"({"version":4,"serial":3,"lineage":"l","outputs":{"a":{"value":"1","type":"string"}}})"},
       {"terraform.tfstate.d/staging/terraform.tfstate", R"({"version":4,"serial":3,"lineage":"l"})"}});
  const auto planned = plan(start());
  ASSERT_FALSE(planned.error) << planned.error->message;
  const auto complete = apply();
  EXPECT_FALSE(complete.error);
  EXPECT_NE(read_whole_file(complete.state_file).find("\"x\""), std::string::npos);
}

// RUN-21: a program that behaves as OpenTofu does in what we call, whatever its file is named.
TEST_F(TerraformSessions, OpenTofuIsKnownByItsWordsAndReadsItsOwnFiles) {
  kept_.write("infra", R"(#!/bin/sh
if [ "$1" = version ]; then
  printf 'OpenTofu v1.8.3\non linux_amd64\n'
  exit
fi
for file in *.tofu; do [ -e "$file" ] && cp "$file" "${file%.tofu}.tf"; done
exec terraform "$@"
)");
  const auto program = kept_.path() / "infra";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  provisioner_ = std::make_unique<TerraformProvisioner>(TerraformOptions{.program = program});
  open({{"main.tofu", "variable \"size\" {}\noutput \"size\" { value = var.size }\n"},
        {"main.tf", "this is for Terraform alone"}});
  EXPECT_EQ(recorder_->wait_for<Hello>().version, "OpenTofu 1.8.3");
  const auto planned = plan(start({{.name = "size", .value = "large"}}));
  ASSERT_FALSE(planned.error) << planned.error->message;
  const auto complete = apply();
  ASSERT_FALSE(complete.error) << complete.error->message;
  EXPECT_EQ(complete.outputs, (std::map<std::string, std::string>{{"size", "large"}}));
}

// JSON syntax; returns-modules
TEST_F(TerraformSessions, JsonSyntaxAndModulesWork) {
  open({{"main.tf.json", R"({"module": {"m": {"source": "./m", "x": "y"}}})"},
        {"m/main.tf", "variable \"x\" {}\nresource \"terraform_data\" \"r\" {\n  input = var.x\n}\n"}});
  ASSERT_FALSE(plan(start()).error);
  EXPECT_EQ(addresses(apply().resources), std::vector<std::string>{"module.m.terraform_data.r"});
}

TEST_F(TerraformSessions, AParseRunsNothing) {
  open({{"main.tf", kMachine}, {"README.md", "# Read me"}, {"template.toml", "[[parameters]]\nname = \"size\"\n"}});
  session_->send(Parse{});
  const auto complete = recorder_->wait_for<ParseComplete>();
  ASSERT_FALSE(complete.error);
  ASSERT_EQ(complete.parsed.variables.size(), 1U);
  EXPECT_EQ(complete.parsed.variables[0].name, "token");
  EXPECT_EQ(complete.parsed.parameters.size(), 1U);
  EXPECT_EQ(complete.parsed.readme, "# Read me");
  EXPECT_FALSE(std::filesystem::exists(folder_->path() / ".terraform"));
}

// A line beyond what scanners usually take.
TEST_F(TerraformSessions, AHugeLineComesThrough) {
  open({{"main.tf", R"(
variable "fits" { default = false }
resource "terraform_data" "x" {
  lifecycle {
    precondition {
      condition     = var.fits
      error_message = format("%01000000d", 7)
    }
  }
}
)"}});
  EXPECT_TRUE(plan(start()).error);
  EXPECT_TRUE(was_logged(std::string(999'999, '0') + "7"));
}

TEST_F(TerraformSessions, AForcedEndLeavesNothingRunning) {
  open({{"main.tf", R"(
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "trap '' INT TERM; echo $$ > pid; echo now; sleep 1000" }
}
)"}});
  ASSERT_FALSE(plan(start()).error);
  session_->send(Apply{});
  recorder_->wait_for_log("(local-exec): now");
  session_->close(true);
  recorder_->wait_until_closed();
  // Killed with its group, it may be a moment yet until it is gone. If it ran on, this would not end.
  const auto child = "/proc/" + std::string(read_whole_file(folder_->path() / "pid"));
  while (std::filesystem::exists(child.substr(0, child.find('\n')) + "/exe")) std::this_thread::yield();
}

}  // namespace
}  // namespace slipway::provisioner::terraform
