#include "provisioner/terraform/template_files.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "provisioner/terraform/terraform_input.h"
#include "provisioner/terraform/terraform_program.h"
#include "provisioner/terraform/testing/template_folder.h"

namespace slipway::provisioner::terraform {
namespace {

// RUN-22: name, type, default, description, sensitive, required, without running anything.
TEST(TemplateFiles, VariablesAreReadWithAllTheirFacts) {
  const TemplateFolder folder({{"main.tf", R"(
variable "region" {
  description = "Where it runs"
  type        = string
  default     = "eu"
  validation {
    condition     = length(var.region) > 1
    error_message = "Too ${"short"}."
  }
}
variable "token" {
  type      = string
  sensitive = true
}
variable "note" { default = null }
)"}});
  const auto files = read_template_files(folder.path());
  ASSERT_EQ(files.variables.size(), 3U);
  const auto& region = files.variable("region")->facts;
  EXPECT_EQ(region.type, "string");
  EXPECT_EQ(region.description, "Where it runs");
  EXPECT_EQ(region.default_value, "\"eu\"");
  EXPECT_FALSE(region.required || region.sensitive);
  const auto& token = files.variable("token")->facts;
  EXPECT_TRUE(token.required && token.sensitive);
  const auto& note = files.variable("note")->facts;
  EXPECT_FALSE(note.required);
  EXPECT_EQ(note.default_value, std::nullopt);
  EXPECT_EQ(note.type, "any");
}

TEST(TemplateFiles, JsonSyntaxSaysTheSame) {
  const TemplateFolder folder({{"main.tf.json", R"({
    "variable": {"size": {"type": "number", "default": 2, "description": "GiB", "sensitive": false}},
    "terraform": [{"backend": {"gcs": {}}}]})"}});
  const auto files = read_template_files(folder.path());
  EXPECT_EQ(files.variable("size")->facts.default_value, "2");
  EXPECT_EQ(files.backend, "gcs");
}

TEST(TemplateFiles, OverrideFilesAreMergedIn) {
  const TemplateFolder folder({{"a.tf", "variable \"x\" {\n  type = string\n}\n"},
                               {"a_override.tf", "variable \"x\" {\n  default = \"y\"\n}\n"},
                               {"b.tf~", "nonsense"},
                               {"sub/c.tf", "variable \"not_ours\" {}\n"}});
  const auto files = read_template_files(folder.path());
  ASSERT_EQ(files.variables.size(), 1U);
  EXPECT_EQ(files.variables[0].facts.type, "string");
  EXPECT_EQ(files.variables[0].facts.default_value, "\"y\"");
}

std::string message_of(const std::filesystem::path& folder) {
  try {
    read_template_files(folder);
    return "";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "TEMPLATE_INVALID");
    return error.message();
  }
}

TEST(TemplateFiles, ErrorsNameThePlace) {
  const TemplateFolder twice({{"a.tf", "variable \"x\" {}\n"}, {"b.tf", "\nvariable \"x\" {}\n"}});
  EXPECT_EQ(message_of(twice.path()), "b.tf:2: the variable 'x' is already declared at a.tf:1");
  const TemplateFolder wrong({{"a.tf", "variable \"x\" {\n  sensitive = 1\n}\n"}});
  EXPECT_EQ(message_of(wrong.path()), "a.tf:2: variable 'x': sensitive must be true or false");
  const TemplateFolder empty({{"notes.txt", ""}});
  EXPECT_NE(message_of(empty.path()).find("no *.tf file"), std::string::npos);
}

TEST(TemplateFiles, ValuesThatTheTemplateItselfSetsAreNotMissing) {
  const TemplateFolder folder(
      {{"main.tf", "variable \"a\" {}\nvariable \"b\" {}\nvariable \"c\" {}\nvariable \"d\" {}\n"},
       {"terraform.tfvars", "a = 1\n"},
       {"x.auto.tfvars.json", "{\"b\": 2}"}});
  const auto files = read_template_files(folder.path());
  const Plan plan{.variables = {{.name = "c", .value = "3"}}};
  try {
    check_required(files, plan, {}, {});
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "REQUIRED_TEMPLATE_VARIABLES");
    EXPECT_NE(error.message().find(": d"), std::string::npos);
  }
  EXPECT_THROW(check_required(files, plan, {}, {"d"}), base::Error);
  EXPECT_NO_THROW(check_required(files, plan, {{"TF_VAR_d", "4"}}, {}));
}

TEST(TemplateFiles, ValuesGoInAsTheTemplateDeclaresThem) {
  const TemplateFolder folder({{"main.tf", R"(variable "text" { type = string }
variable "count_of" { type = number }
variable "list" { type = list(string) }
variable "anything" {}
)"}});
  const auto files = read_template_files(folder.path());
  const Plan plan{.variables = {{.name = "text", .value = "overridden"},
                                {.name = "list", .value = "[\"a\"]"},
                                {.name = "unknown", .value = "x"}},
                  .parameters = {{.name = "text", .value = "{\"not\": \"parsed\"} ${x}"},
                                 {.name = "count_of", .value = "7"},
                                 {.name = "anything", .value = "plain"}}};
  EXPECT_EQ(json::parse_value(variables_file(files, plan)),
            json::parse_value(R"({"text": "{\"not\": \"parsed\"} ${x}", "count_of": "7", "list": ["a"],
                                  "anything": "plain"})"));
  const Plan wrong{.variables = {{.name = "list", .value = "a,b"}}};
  EXPECT_THROW(variables_file(files, wrong), base::Error);
}

// The provisioner's case SafeEnv: credentials of the host pass, what is Slipway's does not.
TEST(TerraformInput, TheHostsSecretsOfSlipwayDoNotReachTerraform) {
  const Environment host{{"PATH", "/bin"},           {"GOOGLE_CREDENTIALS", "{}"}, {"SLIPWAY_API_KEY", "secret"},
                         {"TF_CLI_ARGS_plan", "-x"}, {"TF_DATA_DIR", "/x"},        {"TF_LOG", "warn"}};
  auto environment = terraform_environment(host, {.cache_directory = "/cache", .trace = "00-a-b-01 state"});
  EXPECT_TRUE(environment.contains("GOOGLE_CREDENTIALS"));
  EXPECT_EQ(environment["TRACEPARENT"], "00-a-b-01");
  EXPECT_EQ(environment["TF_PLUGIN_CACHE_DIR"], "/cache/terraform-plugins");
  for (const char* name : {"SLIPWAY_API_KEY", "TF_CLI_ARGS_plan", "TF_DATA_DIR"})
    EXPECT_FALSE(environment.contains(name)) << name;
  EXPECT_EQ(host_settings(host), std::vector<std::string>{"TF_LOG"});
  add_metadata(environment, {.transition = fleet::Transition::stop, .workspace_name = "mine"});
  EXPECT_EQ(environment["TF_VAR_slipway_transition"], "stop");
  EXPECT_EQ(environment["TF_VAR_slipway_start_count"], "0");
  EXPECT_EQ(environment["TF_VAR_slipway_workspace_name"], "mine");
}

TEST(TerraformProgram, VersionsAreComparedAsNumbers) {
  EXPECT_TRUE(is_at_least("1.11.4", 1, 9));
  EXPECT_TRUE(is_at_least("2.0.0-alpha", 1, 9));
  EXPECT_FALSE(is_at_least("1.8.5", 1, 9));
  EXPECT_FALSE(is_at_least("0.15.0", 1, 1));
}

TEST(TerraformProgram, WhatIsMissingIsSaidWithWhatToDo) {
  try {
    find_terraform("", {{"PATH", "/nonexistent"}});
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "PROVISIONER_UNAVAILABLE");
    EXPECT_NE(error.message().find("install Terraform"), std::string::npos);
  }
  const TemplateFolder old({{"terraform", "#!/bin/sh\necho Terraform v0.15.5\n"}});
  std::filesystem::permissions(old.path() / "terraform", std::filesystem::perms::owner_all);
  try {
    find_terraform(old.path() / "terraform", host_environment());
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_NE(error.message().find("too old"), std::string::npos);
  }
}

// What Terraform itself makes of awkward defaults.
TEST(TemplateFiles, DefaultsAreWhatTerraformMakesOfThem) {
  if (!terraform_is_there()) GTEST_SKIP() << "SKIPPED: there is no terraform on this machine";
  const std::vector<std::string> defaults = {R"("plain")",
                                             R"("")",
                                             R"("a\tb\\c \"q\" $${x} %%{y} $ %")",
                                             R"("\u00e4\U0001F600")",
                                             "0",
                                             "-0.50",
                                             "1e3",
                                             "007",
                                             "true",
                                             "null",
                                             "[]",
                                             "{}",
                                             "[1, \"two\", [3, null], { a = 1 }]",
                                             "{ a = 1, \"b c\" = [2], d : 3 }",
                                             "{\n  a = 1\n\n  b = 2 # }\n  /* } */ c = 3,\n}",
                                             "<<EOT\nline \\n one\n  two $${x}\nEOT",
                                             "<<-EOT\n    flush\n      deeper\n\n    end\n  EOT",
                                             "<<-EOT\n\ttab\n  EOT",
                                             "[\n  1,\n  2,\n]",
                                             "{ true = 1, null = 2, 5 = 3 }",
                                             "<<EOT\nEOT",
                                             "\"#no comment // none /* either */\"",
                                             "[<<A\nin a list\nA\n]"};
  std::string source;
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    const auto name = "v" + std::to_string(i);
    source += "variable \"" + name + "\" {\n  default = " + defaults[i] + "\n}\noutput \"" + name +
              "\" {\n  value = jsonencode(var." + name + ")\n}\n";
  }
  const TemplateFolder folder({{"main.tf", source}});
  const auto outputs = outputs_of_terraform(folder.path());
  const auto files = read_template_files(folder.path());
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    const auto name = "v" + std::to_string(i);
    const auto ours = json::parse_value(files.variable(name)->facts.default_value.value_or("null"));
    const auto theirs = json::parse_value(outputs.at(name));
    if (ours.is_number()) {
      EXPECT_EQ(ours.to_number<double>(), theirs.to_number<double>()) << defaults[i];
    } else {
      EXPECT_EQ(ours, theirs) << defaults[i];
    }
  }
}

}  // namespace
}  // namespace slipway::provisioner::terraform
