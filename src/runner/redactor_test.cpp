#include "runner/redactor.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/json.h"

namespace slipway::runner {
namespace {

std::string redacted(std::initializer_list<std::string_view> secrets, std::string_view text) {
  Redactor redactor;
  for (const auto secret : secrets) redactor.add(secret);
  return redactor.redact(text);
}

// RUN-17
TEST(Redactor, EveryOccurrenceGoes) { EXPECT_EQ(redacted({"s3cret"}, "s3cret=s3cret."), "*redacted*=*redacted*."); }

TEST(Redactor, NothingIsLeftOfASecretThatContainsAnother) {
  EXPECT_EQ(redacted({"abc", "abcdef"}, "xabcdefx abcx"), "x*redacted*x *redacted*x");
}

TEST(Redactor, ASecretThatIsPartOfTheMarkDoesNotSpoilIt) {
  EXPECT_EQ(redacted({"hunter2", "red"}, "hunter2 red"), "*redacted* *redacted*");
}

TEST(Redactor, TheLinesOfAKeyAreSecretsThemselves) {
  EXPECT_EQ(redacted({"BEGIN\nMIIEow\r\nEND KEY"}, "a MIIEow b END KEY c BEGIN"),
            "a *redacted* b *redacted* c *redacted*");
}

TEST(Redactor, JsonSpellsItOtherwise) {
  const std::string secret = "qu\"ote\\line\n2\ttab";
  const auto text = json::print_value(json::Object{{"password", secret}});
  EXPECT_EQ(redacted({secret}, text), R"({"password":"*redacted*"})");
}

TEST(Redactor, TerraformsJsonIsFitForHtml) {
  EXPECT_EQ(redacted({"a&b<c>"}, R"({"password":"a\u0026b\u003cc\u003e"})"), R"({"password":"*redacted*"})");
}

TEST(Redactor, Base64HidesItNowhereInALongerText) {
  const std::string secret = "correct horse battery";
  for (std::size_t before = 0; before < 5; ++before) {
    const auto encoded = base::base64(std::string(before, 'u') + ":" + secret + " and more");
    const auto text = redacted({secret}, encoded);
    EXPECT_NE(text.find("*redacted*"), text.npos) << encoded;
    // Of the 28 characters that spell it, the first and the last depend on what stands beside it.
    EXPECT_LE(text.size() - std::string_view("*redacted*").size(), encoded.size() - 26) << text;
  }
}

TEST(Redactor, ShortAndInsensitiveValuesStay) {
  Redactor redactor;
  redactor.add({{"a", "ab", true}, {"b", "plain", false}, {"c", "", true}});
  EXPECT_EQ(redactor.redact("ab plain"), "ab plain");
}

TEST(Redactor, ResourcesAreTextToo) {
  Redactor redactor;
  redactor.add("hunter2");
  std::vector<fleet::Resource> resources{
      {.address = "db[\"hunter2\"]", .type = "db", .name = "x", .details = {{"password", "is hunter2"}}}};
  redactor.redact_in(resources);
  EXPECT_EQ(resources[0].address, "db[\"*redacted*\"]");
  EXPECT_EQ(resources[0].details.at("password"), "is *redacted*");
}

}  // namespace
}  // namespace slipway::runner
