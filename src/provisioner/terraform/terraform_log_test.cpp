#include "provisioner/terraform/terraform_log.h"

#include <gtest/gtest.h>

#include "provisioner/terraform/terraform_facts.h"

namespace slipway::provisioner::terraform {
namespace {

using fleet::LogLevel;
using fleet::ResourceAction;

std::vector<std::string> texts(const ReadableEvent& event) {
  std::vector<std::string> result;
  for (const auto& line : event.lines) result.push_back(line.text);
  return result;
}

TEST(TerraformLog, AnEventIsItsMessage) {
  const auto event = read_event(
      R"({"@level":"info","@message":"a: Creating...","@module":"terraform.ui","hook":{},"type":"apply_start"})");
  EXPECT_EQ(texts(event), std::vector<std::string>{"a: Creating..."});
  EXPECT_EQ(event.lines[0].level, LogLevel::info);
}

TEST(TerraformLog, ADiagnosticIsToldWithItsPlaceAndCode) {
  const auto event = read_event(
      R"({"@level":"error","@message":"Error: Bad","type":"diagnostic","diagnostic":{"severity":"error","summary":"Bad",
      "detail":"It is bad.\n\nVery.","address":"x.y","range":{"filename":"main.tf","start":{"line":3}},
      "snippet":{"context":"resource \"x\" \"y\"","code":"  a = b","start_line":3}}})");
  EXPECT_EQ(texts(event), (std::vector<std::string>{"Error: Bad", "  with x.y",
                                                    "  on main.tf line 3, in resource \"x\" \"y\":", "  3:   a = b",
                                                    "  It is bad.", "  Very."}));
  EXPECT_EQ(event.lines[0].level, LogLevel::error);
  ASSERT_TRUE(event.diagnostic);
  EXPECT_EQ(summary_of({*event.diagnostic, *event.diagnostic}), "main.tf:3: Bad: It is bad. (and 1 more error)");
}

TEST(TerraformLog, WhatIsNoEventIsPassedOnAsItIs) {
  EXPECT_EQ(texts(read_event("\x1b[32mSuccess\x1b[0m")), std::vector<std::string>{"Success"});
  EXPECT_EQ(texts(read_event("{\"a\": 1}")), std::vector<std::string>{"{\"a\": 1}"});
  EXPECT_EQ(texts(read_event("{not json")), std::vector<std::string>{"{not json"});
  EXPECT_TRUE(read_event("").lines.empty());
}

TEST(TerraformFacts, APlanTellsResourcesAndActionsButNoSecrets) {
  const auto resources = resources_of_plan(R"({"resource_changes":[
    {"address":"m.a","mode":"managed","type":"m","name":"a","change":{"actions":["create"],"before":null,
     "after":{"name":"n","zone":"z","token":"t","image":null},"after_sensitive":{"zone":true}}},
    {"address":"m.b","mode":"managed","type":"m","name":"b",
     "change":{"actions":["delete","create"],"after":{"id":"1"}}},
    {"address":"m.b","deposed":"00","mode":"managed","type":"m","name":"b",
     "change":{"actions":["delete"],"before":{"id":"0"}}},
    {"address":"m.c","mode":"managed","type":"m","name":"c","change":{"actions":["no-op"],"after":{"id":"2"},
     "after_sensitive":true}},
    {"address":"data.d.e","mode":"data","type":"d","name":"e","change":{"actions":["read"]}}]})");
  ASSERT_EQ(resources.size(), 4U);
  EXPECT_EQ(resources[0].action, ResourceAction::create);
  EXPECT_EQ(resources[0].details, (std::map<std::string, std::string>{{"name", "n"}}));
  EXPECT_EQ(resources[1].action, ResourceAction::replace);
  EXPECT_EQ(resources[2].address, "m.b (deposed 00)");
  EXPECT_EQ(resources[2].action, ResourceAction::destroy);
  EXPECT_EQ(resources[3].action, ResourceAction::none);
  EXPECT_TRUE(resources[3].details.empty());
}

TEST(TerraformFacts, AStateTellsModulesAndOutputsButNoSecrets) {
  const auto facts = facts_of_state(R"({"values":{"outputs":{"url":{"sensitive":false,"value":"http://x"},
    "list":{"sensitive":false,"value":[1]},"secret":{"sensitive":true,"value":"s"}},
    "root_module":{"resources":[{"address":"m.a","mode":"managed","type":"m","name":"a","values":{"id":"i"}}],
     "child_modules":[{"child_modules":[{"resources":[{"address":"module.x.module.y.m.b","mode":"managed","type":"m",
      "name":"b","values":{"name":"s"},"sensitive_values":{"name":true}}]}]}]}}})");
  EXPECT_EQ(facts.outputs, (std::map<std::string, std::string>{{"url", "http://x"}, {"list", "[1]"}}));
  ASSERT_EQ(facts.resources.size(), 2U);
  EXPECT_EQ(facts.resources[1].address, "module.x.module.y.m.b");
  EXPECT_TRUE(facts.resources[1].details.empty());
  EXPECT_TRUE(facts_of_state(R"({"format_version":"1.0"})").resources.empty());
}

TEST(TerraformFacts, OnlyAStateWithoutResourcesIsEmpty) {
  EXPECT_TRUE(is_empty_state(""));
  EXPECT_TRUE(is_empty_state(R"({"version":4,"resources":[]})"));
  EXPECT_FALSE(is_empty_state(R"({"version":4,"resources":[{}]})"));
  EXPECT_FALSE(is_empty_state("garbage"));
}

}  // namespace
}  // namespace slipway::provisioner::terraform
