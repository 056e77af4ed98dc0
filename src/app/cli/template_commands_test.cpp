#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "app/cli/assignments.h"
#include "app/cli/testing/fake_hub.h"
#include "base/digest.h"
#include "provisioner/archive.h"
#include "provisioner/manifest.h"
#include "store/testing/temporary_database.h"

namespace slipway::app::cli {
namespace {

using testing::Bench;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kVersions = "/v1/templates/box/versions";

std::string version(const std::string& status, const std::string& more = "") {
  return R"({"id":"tpv_1","templateName":"box","name":"v1","status":")" + status + R"(","runId":"run_1")" + more + "}";
}

std::string events(std::initializer_list<std::string> lines, const std::string& status) {
  std::string text;
  int number = 0;
  for (const auto& line : lines) {
    text += "id: " + std::to_string(number) + "\nevent: log\ndata: " + line + "\n\n";
    ++number;
  }
  return text + "event: end\ndata: {\"status\":\"" + status + "\"}\n\n";
}

// A folder with a template, and the hash of what it packs to.
class TemplateFolder {
 public:
  TemplateFolder() {
    std::filesystem::create_directories(path() / ".terraform");
    write("main.tf", "# a box\n");
    write("template.toml", "display_name = \"Box\"\nprovisioner = \"scripted\"\n[tags]\nsite = \"a\"\n");
    write("old.tfstate", "secret");
    write(".terraform/cache", "large");
  }
  std::filesystem::path path() const { return folder_.path() / "box"; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path() / name) << text; }

  std::string hash() const {
    auto ignored = provisioner::IgnoreRules::usual();
    ignored.add("*.tfstate");
    const auto file = folder_.path() / "packed";
    provisioner::pack(path(), file, ignored);
    std::ifstream in(file, std::ios::binary);
    return base::sha256_hex(std::string(std::istreambuf_iterator<char>(in), {}));
  }

 private:
  store::testing::TemporaryFolder folder_;
};

TEST(TemplateCommands, PushPacksUploadsAndFollowsTheImport) {
  const TemplateFolder folder;
  Bench bench;
  bench.hub.data("PUT /v1/blobs/" + folder.hash(), "{}");
  bench.hub.data(std::string("POST ") + kVersions, R"({"version":)" + version("importing") + "}");
  const std::string target = std::string("GET ") + kVersions + "/tpv_1";
  bench.hub.data(target, version("importing"));
  bench.hub.data(target, version("importing", R"(,"jobId":"job_1")"));
  bench.hub.data(target, version("ready", R"(,"isActive":true)"));
  bench.hub.data("GET /v1/jobs/job_1", R"({"pending":{"reason":"no_daemon","explanation":"nobody can"}})");
  bench.hub.answer("GET /v1/jobs/job_1/logs",
                   {200, events({R"({"level":"info","stage":"Setting up","output":"Setting up"})",
                                 R"({"level":"info","stage":"Setting up","output":"one"})",
                                 R"({"level":"info","stage":"Setting up","output":"two"})",
                                 R"({"level":"error","stage":"Cleaning Up","output":"three"})"},
                                "succeeded")});
  EXPECT_EQ(bench.run({"template", "push", folder.path().string(), "--message", "first", "--variable", "a=b=c"}), kOk);
  const auto body = json::parse_value(bench.hub.call(std::string("POST ") + kVersions).body);
  EXPECT_EQ(body.at("provisioner"), "scripted");
  EXPECT_EQ(body.at("displayName"), "Box");
  EXPECT_EQ(json::print_value(body.at("tags")), R"({"site":"a"})");
  EXPECT_EQ(json::print_value(body.at("variables")), R"({"a":"b=c"})");
  EXPECT_EQ(body.at("promote"), true);
  EXPECT_EQ(bench.out, "Version v1 of template box is ready and active.\n");
  EXPECT_THAT(bench.err, HasSubstr("The job waits: nobody can\n==> Setting up\n    one\n    two\n==> Cleaning Up\n"));
  EXPECT_THAT(bench.err, HasSubstr("    three\n"));
}

TEST(TemplateCommands, APushWhoseImportFailsSaysWhyAndFails) {
  const TemplateFolder folder;
  Bench bench;
  bench.hub.data("PUT /v1/blobs/" + folder.hash(), "{}");
  bench.hub.data("POST /v1/templates/other/versions", R"({"version":)" + version("importing") + "}");
  bench.hub.data("GET /v1/templates/other/versions/tpv_1",
                 version("failed", R"(,"error":{"code":"REQUIRED_TEMPLATE_VARIABLES","message":"'token' is needed"})"));
  EXPECT_EQ(bench.run({"template", "push", folder.path().string(), "--name", "other", "--no-promote"}), kFailed);
  EXPECT_THAT(bench.err, HasSubstr("REQUIRED_TEMPLATE_VARIABLES: 'token' is needed"));
  EXPECT_EQ(json::parse_value(bench.hub.call("POST /v1/templates/other/versions").body).at("promote"), false);
}

TEST(TemplateCommands, InitMakesAFolderThatCanBePushed) {
  const store::testing::TemporaryFolder folder;
  const auto directory = folder.path() / "demo";
  Bench bench;
  EXPECT_EQ(bench.run({"template", "init", directory.string(), "--example", "scripted"}), kOk);
  EXPECT_EQ(provisioner::read_manifest(directory).provisioner, "scripted");
  EXPECT_EQ(bench.run({"template", "init", directory.string(), "--example", "scripted"}), ExitCode::kConflict);
  EXPECT_EQ(bench.run({"template", "init", (folder.path() / "x").string(), "--example", "none"}), ExitCode::kUsage);
}

TEST(TemplateCommands, AFolderThatIsNotThereIsNotPushed) {
  Bench bench;
  EXPECT_NE(bench.run({"template", "push", "/nowhere/at/all"}), kOk);
  EXPECT_TRUE(bench.hub.calls.empty());
}

TEST(TemplateCommands, DryRunTellsWhatItWouldMakeAndCost) {
  Bench bench;
  bench.hub.data("GET /v1/templates/box", R"({"name":"box","activeVersion":"v2"})");
  bench.hub.data("POST /v1/templates/box/versions/v2/dry-run", R"({"dryRun":{"jobId":"job_1"}})");
  bench.hub.answer("GET /v1/jobs/job_1/logs", {200, events({}, "succeeded")});
  bench.hub.data("GET /v1/jobs/job_1", R"({"status":"succeeded","dryRun":{"dailyCost":7,"resources":[
      {"address":"a.b","action":"create","dailyCost":7}]}})");
  EXPECT_EQ(bench.run({"template", "dry-run", "box", "--parameter", "cpus=4"}), kOk);
  EXPECT_EQ(bench.hub.call("POST /v1/templates/box/versions/v2/dry-run").body, R"({"parameters":{"cpus":"4"}})");
  EXPECT_THAT(bench.out, HasSubstr("It would cost 7 a day."));
  EXPECT_THAT(bench.out, HasSubstr("a.b"));
}

TEST(TemplateCommands, PromoteDeprecateAndDelete) {
  Bench bench;
  bench.hub.data("PATCH /v1/templates/box", "{}");
  bench.hub.data("DELETE /v1/templates/box", "{}");
  EXPECT_EQ(bench.run({"template", "promote", "box", "v1"}), kOk);
  EXPECT_EQ(bench.hub.call("PATCH /v1/templates/box").body, R"({"activeVersion":"v1"})");
  EXPECT_EQ(bench.run({"template", "deprecate", "box", "--reason", "use can"}), kOk);
  EXPECT_EQ(bench.hub.call("PATCH /v1/templates/box").body, R"({"deprecated":"use can"})");
  EXPECT_EQ(bench.run({"template", "deprecate", "box", "--undo"}), kOk);
  EXPECT_EQ(bench.hub.call("PATCH /v1/templates/box").body, R"({"deprecated":null})");
  EXPECT_EQ(bench.run({"template", "deprecate", "box"}), ExitCode::kUsage);
  EXPECT_EQ(bench.run({"template", "delete", "box"}), ExitCode::kUsage) << "nobody was asked";
  EXPECT_EQ(bench.hub.count("DELETE /v1/templates/box"), 0u);
  bench.has_terminal = true;
  bench.typed = "n\n";
  EXPECT_NE(bench.run({"template", "delete", "box"}), kOk);
  bench.typed = "y\n";
  EXPECT_EQ(bench.run({"template", "delete", "box"}), kOk);
  EXPECT_EQ(bench.run({"template", "delete", "box", "--yes"}), kOk);
  EXPECT_EQ(bench.hub.count("DELETE /v1/templates/box"), 2u);
}

TEST(TemplateCommands, ShowTellsWhatAVersionAsksAndCosts) {
  Bench bench;
  bench.hub.data("GET /v1/templates/box", R"({"name":"box","displayName":"Box","activeVersion":"v1","workspaces":3})");
  bench.hub.data(std::string("GET ") + kVersions + "/v1",
                 version("ready", R"(,"isActive":true,"startDailyCost":9,"stopDailyCost":2,
                   "parameters":[{"name":"cpus","type":"number","required":true}],
                   "variables":[{"name":"token","type":"string","value":"*redacted*"}],
                   "startResources":[{"address":"a.b","action":"create","dailyCost":9}])"));
  EXPECT_EQ(bench.run({"template", "show", "box"}), kOk);
  for (const auto* said : {"v1 (active)", "9 a day, 2 while it is stopped", "cpus", "required", "*redacted*", "a.b"})
    EXPECT_THAT(bench.out, HasSubstr(said));
}

TEST(QuotaCommands, ShowAndCheckSayItInWordsAndByTheExitCode) {
  Bench bench;
  bench.hub.data("GET /v1/quota",
                 R"({"ownerId":"usr_1","consumed":6,"budget":10,"workspaces":1,"groups":["everyone"]})");
  bench.hub.data("POST /v1/quota/check",
                 R"({"ok":false,"dailyCost":6,"previousDailyCost":0,"consumed":12,"budget":10})");
  for (const auto& words : {std::vector<std::string>{"quota"}, {"quota", "show"}}) {
    EXPECT_EQ(bench.run(words), kOk);
    EXPECT_THAT(bench.out, HasSubstr("10 credits a day"));
  }
  EXPECT_EQ(bench.run({"quota", "shwo"}), kUsage);
  EXPECT_EQ(bench.run({"quota", "check", "--template", "box"}), kFailed);
  EXPECT_EQ(bench.hub.call("POST /v1/quota/check").body, R"({"fromTemplate":"box"})");
  EXPECT_THAT(bench.out, HasSubstr("It would be refused"));
}

TEST(QuotaCommands, GroupsAreSetAsAWhole) {
  Bench bench;
  bench.hub.data("PUT /v1/groups/builders", "{}");
  EXPECT_EQ(bench.run({"groups", "set", "builders", "--budget", "40", "--member", "usr_1", "--member", "usr_2"}), kOk);
  EXPECT_EQ(bench.hub.call("PUT /v1/groups/builders").body, R"({"dailyBudget":40,"members":["usr_1","usr_2"]})");
}

TEST(Assignments, AreReadFromWordsAndFromFiles) {
  EXPECT_EQ(read_assignments("--variable", {"a=1", "b=x=y", "c="}),
            (std::map<std::string, std::string>{{"a", "1"}, {"b", "x=y"}, {"c", ""}}));
  EXPECT_THROW(read_assignments("--variable", {"a"}), base::Error);
  EXPECT_THROW(read_assignments("--variable", {"=a"}), base::Error);
  const store::testing::TemporaryFolder folder;
  std::ofstream(folder.path() / "v.tfvars") << "name = \"x\"\nsizes = [1, 2]\nflag = true\n";
  std::ofstream(folder.path() / "v.json") << R"({"name":"x","sizes":[1,2],"flag":true})";
  const std::map<std::string, std::string> expected{{"name", "x"}, {"sizes", "[1,2]"}, {"flag", "true"}};
  EXPECT_EQ(read_values_file(folder.path() / "v.tfvars"), expected);
  EXPECT_EQ(read_values_file(folder.path() / "v.json"), expected);
  std::ofstream(folder.path() / "v.toml") << "name = 'x'\nsizes = [1, 2]\nflag = true\n";
  EXPECT_EQ(read_values_file(folder.path() / "v.toml"), expected);
  std::ofstream(folder.path() / "bad.toml") << "name = \n";
  EXPECT_THROW(read_values_file(folder.path() / "bad.toml"), base::Error);
}

TEST(Assignments, OfTerraformsOwnFilesMayStretchOverLines) {
  const store::testing::TemporaryFolder folder;
  const auto file = folder.path() / "v.tfvars";
  std::ofstream(file) << "# sizes\ntags = {\n  team = \"a\"\n  tier = \"b\"\n}\nscript = <<EOT\necho hello\nEOT\n";
  EXPECT_EQ(read_values_file(file),
            (std::map<std::string, std::string>{{"tags", R"({"team":"a","tier":"b"})"}, {"script", "echo hello\n"}}));
  for (const char* text : {"name = var.other\n", "resource \"a\" \"b\" {}\n", "name = \"a\n"}) {
    std::ofstream(file) << text;
    try {
      read_values_file(file);
      ADD_FAILURE() << text;
    } catch (const base::Error& error) {
      EXPECT_THAT(error.message(), HasSubstr("v.tfvars:1")) << text;
    }
  }
}

}  // namespace
}  // namespace slipway::app::cli
