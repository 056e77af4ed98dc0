#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/json.h"
#include "base/time.h"

namespace slipway {
namespace {

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Inner {
  std::string repo;
  std::optional<std::string> branch;
};
SLIPWAY_JSON_CAMEL(Inner, repo, branch)

struct Sample {
  std::string name;
  std::int32_t disk_size_gb = 10;
  std::optional<Inner> metadata;
  Colour colour = Colour::red;
  std::vector<bool> flags;
  base::Secret token;
};
SLIPWAY_JSON_CAMEL(Sample, name, disk_size_gb, metadata, colour, flags, token)

constexpr std::string_view kGood =
    R"({"name":"a","diskSizeGb":5,"metadata":{"repo":"r"},"colour":"green","flags":[true],"token":"t"})";

std::string message_of(std::string_view text) {
  try {
    json::parse<Sample>(text);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "VALIDATION_ERROR");
    return error.message();
  }
  return "no error";
}

TEST(Json, ReadsAndWritesADescribedStruct) {
  const auto sample = json::parse<Sample>(kGood);
  EXPECT_EQ(sample.disk_size_gb, 5);
  EXPECT_EQ(sample.metadata->repo, "r");
  EXPECT_EQ(sample.colour, Colour::green);
  EXPECT_EQ(json::print(sample, json::Secrets::revealed), kGood);
}

TEST(Json, SecretsAreRedactedUnlessAskedFor) {
  EXPECT_NE(json::print(json::parse<Sample>(kGood)).find("*redacted*"), std::string::npos);
}

TEST(Json, ErrorsNameTheFieldAndWhatWasExpected) {
  EXPECT_EQ(message_of(R"({"name":1})"), "name: expected a string, got a number");
  EXPECT_EQ(message_of(R"({"diskSizeGb":5})"), "name: is required");
  EXPECT_EQ(message_of(R"({"name":"a","diskSizeGb":99999999999})"),
            "diskSizeGb: must be between -2147483648 and 2147483647");
  EXPECT_EQ(message_of(R"({"name":"a","diskSizeGb":1,"metadata":{"repo":[]}})"),
            "metadata/repo: expected a string, got an array");
  EXPECT_EQ(message_of(R"({"name":"a","diskSizeGb":1,"colour":"blue"})"),
            "colour: 'blue' is not one of the allowed values");
  EXPECT_EQ(message_of(R"({"name":"a","diskSizeGb":1,"colour":"red","flags":[true,0],"token":""})"),
            "flags/1: expected true or false, got a number");
}

TEST(Json, UnknownAndDuplicateMembersAreRefused) {
  auto text = std::string(kGood);
  text.insert(1, R"("extra":1,)");
  EXPECT_EQ(message_of(text), "extra: is not a known field");
  text = std::string(kGood);
  text.insert(1, R"("name":"b",)");
  EXPECT_EQ(message_of(text), "body: has the same member twice");
}

TEST(Json, LenientModeKeepsDefaultsAndSkipsUnknownMembers) {
  const auto sample = json::parse<Sample>(R"({"name":"a","later":{}})", json::Mode::lenient);
  EXPECT_EQ(sample.disk_size_gb, 10);
}

TEST(Json, NumbersThatCouldNotBeWrittenAgainAreRefused) {
  EXPECT_THROW(json::parse_value("[1e400]"), base::Error);
  EXPECT_THROW(json::parse_value(R"({"deep":{"number":-1e999}})"), base::Error);
  EXPECT_NO_THROW(json::parse_value("[1e308, 18446744073709551615]"));
}

TEST(Json, GarbageIsAPreciseError) {
  EXPECT_NE(message_of("{\"name\":").find("is not valid JSON"), std::string::npos);
  EXPECT_NE(message_of("{} x").find("is not valid JSON"), std::string::npos);
  EXPECT_NE(message_of("\"\xff\"").find("is not valid JSON"), std::string::npos);
  EXPECT_NE(message_of(std::string(100'000, '[')).find("is not valid JSON"), std::string::npos);
}

TEST(Time, Rfc3339RoundTrips) {
  const auto at = base::parse_rfc3339("2025-01-12T10:05:23.042Z");
  ASSERT_TRUE(at);
  EXPECT_EQ(base::format_rfc3339(*at), "2025-01-12T10:05:23.042Z");
  EXPECT_EQ(base::parse_rfc3339("2025-01-12T12:05:23.042+02:00"), at);
  EXPECT_EQ(base::parse_rfc3339("2025-01-12"), base::parse_rfc3339("2025-01-12T00:00:00Z"));
  EXPECT_FALSE(base::parse_rfc3339("2025-02-30T00:00:00Z"));
  EXPECT_FALSE(base::parse_rfc3339("2025-01-12T10:05:23"));
}

TEST(Time, WhatCouldNotBeWrittenAgainIsNoTime) {
  EXPECT_FALSE(base::parse_rfc3339("0000-01-01T00:00:00+00:01"));
  EXPECT_FALSE(base::parse_rfc3339("9999-12-31T23:59:59-00:01"));
  EXPECT_TRUE(base::parse_rfc3339("9999-12-31T23:59:59.999Z"));
  EXPECT_FALSE(base::parse_duration("1000000000d1000000000d"));
}

TEST(Time, DurationsAreReadAsPeopleWriteThem) {
  EXPECT_EQ(base::parse_duration("1h30m"), std::chrono::minutes(90));
  EXPECT_EQ(base::parse_duration("250ms"), base::Duration(250));
  EXPECT_FALSE(base::parse_duration("5"));
  EXPECT_FALSE(base::parse_duration("-5s"));
}

class StoppedClock final : public base::Clock {
 public:
  base::Instant now() const override { return base::from_unix_ms(1'700'000'000'000); }
};

// WF-40
TEST(Id, IdsOfOneMillisecondStillGrow) {
  StoppedClock clock;
  base::SeededRandom random(1);
  base::IdGenerator ids(clock, random);
  std::string last, last_uuid;
  for (int i = 0; i < 1'000; ++i) {
    const auto id = ids.make("run_");
    EXPECT_TRUE(base::is_prefixed_id(id, "run_")) << id;
    EXPECT_GT(id, last);
    last = id;
    const auto uuid = ids.make_uuid();
    EXPECT_TRUE(base::is_uuid(uuid)) << uuid;
    EXPECT_EQ(uuid[14], '7');
    EXPECT_GT(uuid, last_uuid);
    last_uuid = uuid;
  }
}

TEST(Digest, MatchesKnownValues) {
  EXPECT_EQ(base::sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(base::base64url("\xff\xfe\xfd"), "__79");
  EXPECT_EQ(base::from_base64url(base::base64url("any text")), "any text");
  EXPECT_FALSE(base::from_base64url("a"));
  EXPECT_EQ(base::base64("\xff\xfe\xfd"), "//79");
  EXPECT_EQ(base::base64("a"), "YQ==");
  EXPECT_EQ(base::from_base64("YQ=="), "a");
  for (const char* text : {"YQ", "YQ=", "YQ===", "__79", "Y Q=", "=", "YR=="})
    EXPECT_FALSE(base::from_base64(text)) << text;
  // RFC 4231, test case 2
  EXPECT_EQ(base::hex(base::hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

}  // namespace
}  // namespace slipway
