#include "provisioner/manifest.h"

#include <gtest/gtest.h>

#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner {
namespace {

std::string mistake_in(std::string_view toml) {
  try {
    parse_manifest(toml);
    return "";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "TEMPLATE_INVALID");
    EXPECT_EQ(error.error_class(), base::ErrorClass::user);
    return error.message();
  }
}

TEST(Manifest, SaysWhatATemplateIs) {
  const auto manifest = parse_manifest(R"(
display_name = "Development machine"
icon = "🖥"
provisioner = "scripted"
[tags]
zone = "a"
[[parameters]]
name = "region"
default = "eu"
mutable = false
options = [{ name = "Europe", value = "eu" }, { value = "us" }]
[[parameters]]
name = "cores"
type = "number"
default = 4
minimum = 1
maximum = 16
[[parameters]]
name = "key"
sensitive = true
[[parameters]]
name = "tools"
type = "list"
default = ["git", "make"]
[[costs]]
resource = "machine.*"
daily = 5
)");
  EXPECT_EQ(manifest.display_name, "Development machine");
  EXPECT_EQ(manifest.provisioner, "scripted");
  EXPECT_EQ(manifest.tags.at("zone"), "a");
  ASSERT_EQ(manifest.parameters.size(), 4u);
  EXPECT_FALSE(manifest.parameters[0].is_mutable);
  EXPECT_FALSE(manifest.parameters[0].required);
  EXPECT_EQ(manifest.parameters[0].options[1].name, "us");
  EXPECT_EQ(manifest.parameters[1].default_value, "4");
  EXPECT_EQ(manifest.parameters[1].maximum, 16);
  EXPECT_TRUE(manifest.parameters[2].required);
  EXPECT_TRUE(manifest.parameters[2].sensitive);
  EXPECT_EQ(manifest.parameters[3].default_value, R"(["git","make"])");
}

TEST(Manifest, AMistakeIsNamedByLineAndKey) {
  EXPECT_TRUE(mistake_in("x = 1\ny = = 2").starts_with("template.toml line 2: ")) << mistake_in("x = 1\ny = = 2");
  EXPECT_TRUE(mistake_in("\n\ncolour = 'red'").starts_with("template.toml line 3: unknown key 'colour'"));
  EXPECT_TRUE(mistake_in("icon = 3").contains("'icon' must be a text"));
  EXPECT_TRUE(mistake_in("[[parameters]]\nname = 'a'\nmutabel = true")
                  .contains("line 3: unknown key 'mutabel' of parameter 'a'"));
  EXPECT_TRUE(mistake_in("[[parameters]]\ntype = 'bool'").contains("'name' of a parameter is required"));
  EXPECT_TRUE(mistake_in("[[parameters]]\nname = 'a b'").contains("no name for a parameter"));
  EXPECT_TRUE(mistake_in("[[parameters]]\nname = 'a'\n[[parameters]]\nname = 'a'").contains("a second parameter 'a'"));
  EXPECT_TRUE(mistake_in("[[costs]]\nresource = 'a'").contains("'daily' of a cost is required"));
  EXPECT_TRUE(mistake_in("tags = 3").contains("'tags' must be a table"));
  EXPECT_TRUE(mistake_in("parameters = ['a']").contains("must be a list of tables"));
}

TEST(Manifest, ADefaultThatNobodyCouldGiveIsRefused) {
  const auto parameter = [](const std::string& rest) { return mistake_in("[[parameters]]\nname = 'p'\n" + rest); };
  EXPECT_NE(parameter("type = 'number'\ndefault = 'x'"), "");
  EXPECT_NE(parameter("type = 'number'\nminimum = 3\ndefault = 2"), "");
  EXPECT_NE(parameter("type = 'bool'\ndefault = 'yes'"), "");
  EXPECT_NE(parameter("default = 'x'\noptions = [{value = 'y'}]"), "");
  EXPECT_NE(parameter("type = 'list'\ndefault = 'x'"), "");
  EXPECT_NE(parameter("pattern = '[a-z]+'\ndefault = 'A1'"), "");
  EXPECT_NE(parameter("type = 'list'\ndefault = ['x']\noptions = [{value = 'y'}]"), "");
  EXPECT_NE(parameter("type = 'number'\ndefault = 'inf'"), "");
  EXPECT_NE(parameter("minimum = 3"), "");
  EXPECT_NE(parameter("type = 'number'\nminimum = 3\nmaximum = 2"), "");
  EXPECT_NE(parameter("pattern = '['"), "");
  EXPECT_TRUE(parameter("pattern = '(a)\\1'").contains("cannot be matched, in RE2's syntax: invalid escape sequence"));
  EXPECT_EQ(parameter("pattern = '[a-z]{1,30}'"), "");
  EXPECT_NE(parameter("required = true\ndefault = 'x'"), "");
  EXPECT_NE(parameter("ephemeral = true\nmutable = false"), "");
  EXPECT_EQ(parameter("type = 'boolean'\ndefault = true"), "");
  EXPECT_EQ(parameter("pattern = '[a-z]+'\ndefault = 'a'"), "");
  EXPECT_EQ(parameter("required = false"), "");
}

// RUN-11
TEST(Manifest, TheFirstCostThatFitsAddressOrTypeCounts) {
  const auto manifest = parse_manifest(R"(
[[costs]]
resource = "module.*.machine.gpu"
daily = 50
[[costs]]
resource = "machine"
daily = 5)");
  using fleet::ResourceAction;
  EXPECT_EQ(manifest.cost_of({.address = "module.a.machine.gpu", .type = "machine"}), 50);
  EXPECT_EQ(manifest.cost_of({.address = "machine.x", .type = "machine"}), 5);
  EXPECT_EQ(manifest.cost_of({.address = "machine.x", .type = "machine", .action = ResourceAction::destroy}), 0);
  EXPECT_EQ(manifest.cost_of({.address = "disk.x", .type = "disk"}), std::nullopt);
}

TEST(Manifest, IsAddedToWhatAProvisionerFound) {
  const TemporaryFolder folder;
  folder.write("template.toml", "[tags]\nos = 'linux'\n[[parameters]]\nname = 'a'\ndescription = 'ours'");
  folder.write("README.md", "# Read me");
  fleet::ParsedTemplate parsed{.parameters = {{.name = "a"}, {.name = "b"}}};
  add_declared(parsed, declared_by(read_manifest(folder.path()), folder.path()));
  ASSERT_EQ(parsed.parameters.size(), 2u);
  EXPECT_EQ(parsed.parameters[0].description, "ours");
  EXPECT_EQ(parsed.readme, "# Read me");
  EXPECT_EQ(parsed.tags.at("os"), "linux");
}

TEST(Manifest, MayBeMissing) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_manifest(folder.path()).provisioner, "terraform");
  EXPECT_EQ(read_readme(folder.path()), "");
}

TEST(Manifest, AReadmeOfAnotherEncodingIsShownAsFarAsItCanBe) {
  const TemporaryFolder folder;
  folder.write("README.md", "# Caf\xE9\r\n\nOpen.\n");
  EXPECT_EQ(read_readme(folder.path()), "# Caf\xEF\xBF\xBD\n\nOpen.\n");
  folder.write("README.md", std::string_view("\xFF\xFE#\0", 4));
  EXPECT_EQ(read_readme(folder.path()), "\xEF\xBF\xBD\xEF\xBF\xBD#\xEF\xBF\xBD");
}

TEST(Manifest, ALongReadmeIsCutAtACharacter) {
  const TemporaryFolder folder;
  std::string text(kReadmeMax - 1, 'x');
  folder.write("README.md", text + "ü and more");
  EXPECT_EQ(read_readme(folder.path()), text);
}

}  // namespace
}  // namespace slipway::provisioner
