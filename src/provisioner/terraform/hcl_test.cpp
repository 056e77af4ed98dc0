#include "provisioner/terraform/hcl.h"

#include <gtest/gtest.h>

namespace slipway::provisioner::terraform {
namespace {

// The value of `x = SOURCE` as JSON; "-" if it is no literal.
std::string literal(std::string_view source) {
  const auto body = parse_hcl("x = " + std::string(source) + "\n", "t.tf");
  return body.attributes.at(0).json.value_or("-");
}

std::string message_of(std::string_view source) {
  try {
    parse_hcl(source, "t.tf");
    return "";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "TEMPLATE_INVALID");
    EXPECT_EQ(error.error_class(), base::ErrorClass::user);
    return error.message();
  }
}

TEST(Hcl, LiteralsBecomeJson) {
  EXPECT_EQ(literal("\"a\\n\\\"b\\\\ \\u00e4\\U0001F600\""), "\"a\\n\\\"b\\\\ ä😀\"");
  EXPECT_EQ(literal("\"$${x} %%{y} $x 100%\""), "\"${x} %{y} $x 100%\"");
  EXPECT_EQ(literal("-12.50"), "-12.50");
  EXPECT_EQ(literal("007"), "7");
  EXPECT_EQ(literal("12345678901234567890123"), "12345678901234567890123");
  EXPECT_EQ(literal("1e3"), "1e3");
  EXPECT_EQ(literal("[1, \"two\", [true, null],\n]"), "[1,\"two\",[true,null]]");
  EXPECT_EQ(literal("{ a = 1, \"b c\" : 2\n  d = { e = [] }\n}"), "{\"a\":1,\"b c\":2,\"d\":{\"e\":[]}}");
  EXPECT_EQ(literal("{ a = 1, a = 2 }"), "{\"a\":2}");
  EXPECT_EQ(literal("{}"), "{}");
}

TEST(Hcl, WhatHasToBeEvaluatedHasNoValue) {
  for (const char* source : {"var.x", "1 + 2", "\"${var.x}\"", "tolist([1])", "(1)", "[for x in [1] : x]", "-var.x",
                             "{ (var.k) = 1 }", "[1 2]", "true ? 1 : 2", "!true"})
    EXPECT_EQ(literal(source), "-") << source;
}

TEST(Hcl, HeredocsAreText) {
  EXPECT_EQ(literal("<<EOT\n  one \\n\n two\nEOT"), "\"  one \\\\n\\n two\\n\"");
  EXPECT_EQ(literal("<<-EOT\n    one\n      two\n\n    EOT"), "\"one\\n  two\\n\\n\"");
  EXPECT_EQ(literal("<<EOT\nEOT"), "\"\"");
  EXPECT_EQ(literal("<<EOT\n${1}\nEOT"), "-");
  EXPECT_EQ(literal("[<<A\na\nA\n, <<B\nb\nB\n]"), "[\"a\\n\",\"b\\n\"]");
}

TEST(Hcl, BracesInStringsCommentsAndTemplatesCloseNothing) {
  const auto body = parse_hcl(R"(
locals {
  a = "}" # }
  b = "${join(",", [for x in { "k}" = "}" } : "${x}}"])}" // }
  c = <<EOT
}
EOT
  /* } */
}
variable "v" { default = 1 }
)",
                              "t.tf");
  ASSERT_EQ(body.blocks.size(), 2U);
  EXPECT_EQ(body.blocks[1].labels, std::vector<std::string>{"v"});
  EXPECT_EQ(body.blocks[1].place.text(), "t.tf:10");
  EXPECT_EQ(body.blocks[1].attribute("default")->json, "1");
}

TEST(Hcl, AnExpressionIsToldOnOneLine) {
  const auto body = parse_hcl("type = object({\n  a = string\n  b = optional(list(number), [1])\n})\n", "t.tf");
  EXPECT_EQ(body.attributes[0].source, "object({ a = string, b = optional(list(number), [1]) })");
}

TEST(Hcl, ErrorsNameFileAndLine) {
  EXPECT_EQ(message_of("a = 1\nb = \"x\n"), "t.tf:2: the string that begins here has no end on its line");
  EXPECT_EQ(message_of("variable \"v\" {\n\n"), "t.tf:1: the block 'variable' that begins here is never closed");
  EXPECT_EQ(message_of("a = [1,\n\n"), "t.tf:1: '[' is never closed");
  EXPECT_EQ(message_of("a = [1}\n"), "t.tf:1: '}' closes nothing that is open");
  EXPECT_EQ(message_of("\n/* x"), "t.tf:2: the comment that begins here has no end");
  EXPECT_EQ(message_of("a = <<E\nx\n"), "t.tf:1: the heredoc that begins here has no line 'E'");
  EXPECT_EQ(message_of("a =\n"), "t.tf:1: an argument has no value");
  EXPECT_EQ(message_of("a 1\n"), "t.tf:1: after 'a' there should be '=', a label or '{'");
  EXPECT_EQ(message_of("= 1"), "t.tf:1: expected an argument or a block, found '='");
  EXPECT_EQ(message_of("a = \"\\x\"\n"),
            "t.tf:1: a backslash in a string begins one of \\n \\r \\t \\\" \\\\ \\uNNNN \\UNNNNNNNN");
}

TEST(Hcl, DeepNestingIsRefusedAndNotRecursedInto) {
  std::string blocks, lists(100'000, '['), templates;
  for (int i = 0; i < 10'000; ++i) blocks += "a {\n";
  for (int i = 0; i < 10'000; ++i) templates += "\"${";
  EXPECT_NE(message_of(blocks), "");
  EXPECT_NE(message_of("a = " + lists), "");
  EXPECT_NE(message_of("a = " + templates), "");
  EXPECT_EQ(literal(std::string(1'000, '[') + std::string(1'000, ']')), "-");
}

}  // namespace
}  // namespace slipway::provisioner::terraform
