// With the machine's real Terraform and the tests' provider: one that no interrupt ends (RUN-21).

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/json.h"
#include "provisioner/terraform/session_files.h"
#include "provisioner/terraform/terraform_provisioner.h"
#include "provisioner/terraform/testing/template_folder.h"
#include "provisioner/testing/session_recorder.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner::terraform {
namespace {

using fleet::Transition;

constexpr const char* kMachines = R"(
terraform {
  required_providers {
    slipwaytest = { source = "tests.invalid/slipway/slipwaytest" }
  }
}
resource "slipwaytest_machine" "made" { name = "made" }
resource "slipwaytest_machine" "deaf" {
  name       = "deaf"
  delay_ms   = 600000
  fail       = "stop-deaf"
  depends_on = [slipwaytest_machine.made]
}
)";

// Installs the provider into a folder; gives the environment with which Terraform finds it. Empty: the machine lacks
// something for it.
Environment install_provider(const std::filesystem::path& folder) {
  const std::string command = "PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='" SLIPWAY_TESTS
                              "' /usr/bin/python3 -c 'import sys; from support.terraform import Provider, missing; "
                              "sys.exit(missing() or Provider(sys.argv[1]) and None)' '" +
                              folder.string() + "'";
  if (std::system(command.c_str()) != 0) return {};
  auto environment = host_environment();
  environment["TF_CLI_CONFIG_FILE"] = folder / "terraform.rc";
  environment["TF_DISABLE_PLUGIN_TLS"] = "1";
  environment["MACHINE_LEDGER"] = folder / "ledger";
  return environment;
}

// The process that has begun to make the machine.
std::string maker_of(std::string_view name, const std::string& ledger) {
  for (std::size_t at = 0; at < ledger.size();) {
    const std::size_t end = std::min(ledger.find('\n', at), ledger.size());
    const auto entry = json::parse_value(std::string_view(ledger).substr(at, end - at)).as_object();
    if (entry.at("op").as_string() == "begin" && entry.at("name").as_string() == name)
      return json::print_value(entry.at("pid"));
    at = end + 1;
  }
  return "";
}

TEST(DeafProvider, IsKilledWithItsGroupAndTheStateReachedSoFarIsHandedOn) {
  const TemporaryFolder provider;
  const auto environment = install_provider(provider.path());
  if (environment.empty()) GTEST_SKIP() << "SKIPPED: there is no terraform, protoc or python3 on this machine";
  TerraformProvisioner provisioner({.interrupt_bound = std::chrono::milliseconds(300), .host = environment});
  const TemplateFolder folder({{"main.tf", kMachines}});
  SessionRecorder recorder;
  const auto session = provisioner.open(recorder.events());
  session->send(Config{.directory = folder.path()});
  session->send(Plan{.metadata = {.transition = Transition::start, .workspace_name = "mine"}});
  const auto planned = recorder.wait_for<PlanComplete>();
  ASSERT_FALSE(planned.error) << planned.error->message;

  session->send(Apply{});
  const auto told = recorder.wait_for<StateWritten>();
  EXPECT_NE(read_whole_file(told.file).find("\"made\""), std::string::npos);
  std::string maker;
  while ((maker = maker_of("deaf", read_whole_file(provider.path() / "ledger"))).empty())
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(std::filesystem::exists("/proc/" + maker + "/exe"));
  session->send(Cancel{});
  const auto complete = recorder.wait_for<ApplyComplete>();

  ASSERT_TRUE(complete.error);
  EXPECT_EQ(complete.error->code, "CANCELLED");
  EXPECT_NE(complete.error->message.find("was killed"), std::string::npos) << complete.error->message;
  EXPECT_NE(read_whole_file(complete.state_file).find("\"made\""), std::string::npos);
  // It may be a moment yet until it is gone. If it ran on, this would not end.
  while (std::filesystem::exists("/proc/" + maker + "/exe")) std::this_thread::yield();
  session->close(false);
  EXPECT_FALSE(recorder.wait_until_closed());
}

}  // namespace
}  // namespace slipway::provisioner::terraform
