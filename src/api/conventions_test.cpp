// What holds for all routes alike: rates, compression, other origins.

#include <gtest/gtest.h>
#include <zlib.h>

#include "api/compression.h"
#include "api/conditional.h"
#include "api/cors.h"
#include "api/rate_limits.h"
#include "base/error.h"

namespace slipway::api {
namespace {

using namespace std::chrono_literals;

base::Instant at(base::Duration since) { return base::from_unix_ms(1'000'000) + since; }

// WF-48
TEST(RateLimits, AQuotaMayBeUsedAtOnceAndComesBackSteadily) {
  RateLimits limits({.quota = 10, .window = 1s});
  for (int left = 9; left >= 0; --left) {
    const auto standing = limits.admit("key_1", at(0s));
    EXPECT_TRUE(standing.admitted);
    EXPECT_EQ(standing.remaining, left);
  }
  const auto refused = limits.admit("key_1", at(0s));
  EXPECT_FALSE(refused.admitted);
  EXPECT_EQ(refused.retry_after, 100ms);
  EXPECT_EQ(refused.full_after, 1s);
  EXPECT_TRUE(limits.admit("key_2", at(0s)).admitted);
  EXPECT_FALSE(limits.admit("key_1", at(99ms)).admitted);
  EXPECT_TRUE(limits.admit("key_1", at(100ms)).admitted);
  EXPECT_FALSE(limits.admit("key_1", at(100ms)).admitted);
  EXPECT_EQ(limits.admit("key_1", at(1h)).remaining, 9);
}

TEST(RateLimits, WhatIsRefusedDoesNotMakeTheWaitLonger) {
  RateLimits limits({.quota = 1, .window = 1s});
  EXPECT_TRUE(limits.admit("k", at(0s)).admitted);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(limits.admit("k", at(500ms)).retry_after, 500ms);
  EXPECT_TRUE(limits.admit("k", at(1s)).admitted);
}

TEST(RateLimits, ManyStrangersDoNotFillTheMemory) {
  RateLimits limits({.quota = 10, .window = 1s});
  for (int i = 0; i < 50'000; ++i) limits.admit(std::to_string(i), at(base::Duration(i)));
  EXPECT_LE(limits.callers(), 10'000u);
}

TEST(RateLimits, TheFieldsSayWhatIsLeft) {
  net::Headers headers;
  set_fields(headers, {.quota = 100, .window = 1min}, {.remaining = 7, .full_after = 1'001ms});
  EXPECT_EQ(headers.get("RateLimit-Policy"), "\"default\";q=100;w=60");
  EXPECT_EQ(headers.get("RateLimit"), "\"default\";r=7;t=2");
}

TEST(Compression, IsDoneForWhoTakesIt) {
  for (const std::string_view takes : {"gzip", "GZIP", "deflate, gzip;q=0.5", "*", "br;q=1, *;q=0.1", "x-gzip"})
    EXPECT_TRUE(accepts_gzip(takes)) << takes;
  for (const std::string_view refuses : {"", "identity", "gzip;q=0", "br", "*, gzip;q=0", "*;q=0"})
    EXPECT_FALSE(accepts_gzip(refuses)) << refuses;
}

std::string gunzip(const std::string& packed) {
  z_stream stream{};
  ::inflateInit2(&stream, 15 + 16);
  std::string text(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = uInt(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = uInt(text.size());
  EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  ::inflateEnd(&stream);
  return text;
}

TEST(Compression, GivesBackWhatWentIn) {
  std::string text;
  for (int i = 0; i < 5'000; ++i) text += "{\"run\":" + std::to_string(i * 7919) + "}";
  for (const auto effort : {Effort::fast, Effort::best}) {
    const auto packed = gzip(text, effort);
    EXPECT_LT(packed.size(), text.size() / 2);
    EXPECT_EQ(gunzip(packed), text);
  }
}

TEST(Compression, LeavesAloneWhatGainsNothing) {
  net::Response answer{
      .status = 200, .headers = {{"Content-Type", "application/json"}}, .body = std::string(2'000, 'x')};
  EXPECT_TRUE(is_compressible(answer));
  answer.headers.set("Content-Type", "image/png");
  EXPECT_FALSE(is_compressible(answer));
  answer.headers.set("Content-Type", "text/html; charset=utf-8");
  EXPECT_TRUE(is_compressible(answer));
  answer.body = "short";
  EXPECT_FALSE(is_compressible(answer));
}

net::Request preflight(std::string origin) {
  net::Request request;
  request.method = net::Method::options;
  request.headers = {{"Origin", std::move(origin)}, {"Access-Control-Request-Method", "POST"}};
  return request;
}

TEST(Cors, NobodyIsLetInUnlessNamed) {
  const Cors none;
  EXPECT_FALSE(none.is_preflight(preflight("https://a.example")));
  net::Headers headers;
  none.set_fields(headers, preflight("https://a.example"));
  EXPECT_TRUE(headers.empty());

  const Cors one({"https://a.example"});
  const auto allowed = one.answer_preflight(preflight("https://a.example"));
  EXPECT_EQ(allowed.status, 204);
  EXPECT_TRUE(allowed.headers.get("Access-Control-Allow-Methods"));
  one.set_fields(headers, preflight("https://a.example"));
  EXPECT_EQ(headers.get("Access-Control-Allow-Origin"), "https://a.example");
  EXPECT_FALSE(headers.get("Access-Control-Allow-Credentials"));
  for (const auto* stranger : {"https://b.example", "http://a.example", "https://a.example.evil", "null"}) {
    EXPECT_FALSE(one.answer_preflight(preflight(stranger)).headers.get("Access-Control-Allow-Methods")) << stranger;
    net::Headers refused;
    one.set_fields(refused, preflight(stranger));
    EXPECT_FALSE(refused.get("Access-Control-Allow-Origin")) << stranger;
    EXPECT_EQ(refused.get("Vary"), "Origin");
  }
}

TEST(Cors, WhatIsNoOriginIsRefusedAtTheStart) {
  for (const auto* wrong : {"a.example", "https://a.example/", "https://*.example", "ftp://a.example", "https://u@a"})
    EXPECT_THROW(Cors({wrong}), base::Error) << wrong;
}

// WF-41
TEST(Conditional, AnyOfSeveralTagsMayNameTheVersion) {
  EXPECT_TRUE(names_version("\"3-a\"", 3));
  EXPECT_TRUE(names_version("\"2-a\", \"3-b\"", 3));
  EXPECT_TRUE(names_version("*", 3));
  EXPECT_FALSE(names_version("\"31-a\"", 3));
  EXPECT_FALSE(names_version("W/\"3-a\"", 3)) << "a change needs the strong comparison";
  EXPECT_TRUE(names_version("W/\"3-a\", \"3-a\"", 3));
  EXPECT_FALSE(names_version("\"3-a", 3));
  EXPECT_FALSE(names_version("", 3));
}

}  // namespace
}  // namespace slipway::api
